"""A person's will at the command line: pause, hold, approvals; a running worker obeys."""

from __future__ import annotations

import pytest

from cloudheal.cli.desk import operator as operator_name
from tests.flow.operators import Operator, until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import QUEUE, RULE


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def decided(operator: Operator, resource: str) -> list[str]:
    """Return what rules decided about a server's events; of most of them no rule wants to know."""
    told = [one for event in operator.json("events", "--resource", resource) for one in event["decisions"]]
    return [one for one in told if not one.endswith("no_rule")]


def test_a_running_worker_obeys_a_pause_and_goes_on_after_it(operator: Operator) -> None:
    """Nothing is started from the moment that `pause` returns; what waited is healed after `resume`."""
    operator.done("rules", "promote", RULE["name"])
    with operator.worker() as worker:
        operator.done("pause", "release tonight")
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: f"{RULE['name']}: paused" in decided(operator, "i-bp1web01"), what="a decision")
        (hold,) = operator.json("holds")
        assert (hold["scope"], hold["who"], hold["why"]) == ("*", operator_name(), "release tonight")
        assert operator.starts() == []
        operator.done("resume")
        until(lambda: worker.logged("incident.ended"), what="a healed server")
        assert worker.stop() == 0
    assert operator.starts() == ["i-bp1web01"]
    assert "Nothing was paused" in operator.done("resume")


def test_a_pause_in_mid_run_stops_the_next_intent(operator: Operator) -> None:
    """A server that fails to start is tried again, but not once somebody said stop."""
    operator.done("rules", "promote", RULE["name"])
    world = operator.simulator.control("GET", "world")
    world["alibaba"]["durations"]["starting"] = 5  # so that the pause comes before the next attempt
    operator.simulator.world(world)
    operator.chaos("fail_start", "i-bp1web01")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: bool(operator.starts()), what="the first start")
        operator.done("pause", "that is enough")
        begun = len(operator.starts())
        assert begun < 3, "the last attempt was made already"
        until(lambda: waiting(operator) == ["paused"], seconds=60, what="a run that waits")
        assert worker.stop() == 0
    assert len(operator.starts()) == begun


def waiting(operator: Operator) -> list[str]:
    """Return what waiting runs wait for."""
    return [one["waits_for"] for one in operator.json("runs", "--open") if one["state"] == "waiting"]


def test_a_hold_keeps_one_server_and_no_other(operator: Operator) -> None:
    """The held server's decision says so; its neighbour is healed; `unhold` ends it."""
    operator.done("rules", "promote", RULE["name"])
    shown = operator.done("hold", "i-bp1web01", "--why", "disk swap", "--until", "2h")
    assert "disk swap" in shown
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: f"{RULE['name']}: held" in decided(operator, "i-bp1web01"), what="a decision")
        operator.chaos("power_off", "i-bp1web02")
        until(lambda: list(operator.starts()) == ["i-bp1web02"], what="the neighbour's start")
        assert worker.stop() == 0
    operator.done("unhold", "i-bp1web01")
    assert operator.json("holds") == []
    gone = operator("unhold", "i-bp1web01")
    assert (gone.returncode, "no hold on i-bp1web01" in gone.stdout) == (1, True)


def test_a_hold_on_a_servers_name_is_refused_with_its_ids(operator: Operator) -> None:
    """A name in place of an id holds nothing and says so, with the ids; the id itself and a rule are held silently."""
    operator.simulator.control("POST", "events", {"raw": message("i-bp1web01", "Running"), "queue": QUEUE})
    operator.done("run", "--once")
    (known,) = operator.json("instances", "--resource", "i-bp1web01")
    told = operator("hold", known["name"], "--why", "x", "--until", "2h")
    assert (told.returncode, "servers of that name are: i-bp1web01" in told.stdout) == (1, True)
    assert "is held" not in told.stdout
    assert operator.json("holds") == []
    for scope in ("i-bp1web01", f"rule:{RULE['name']}"):
        shown = operator.done("hold", scope, "--why", "x")
        assert "known as" not in shown


def test_a_hold_on_what_nobody_knows_warns_before_it_holds(operator: Operator) -> None:
    """What is not seen yet may be held, but a slip of the pen is told in the first line."""
    first, second = operator.done("hold", "i-bp1wbe01", "--why", "x").splitlines()
    assert first.startswith("No server, group or rule is known as i-bp1wbe01")
    assert second.startswith("i-bp1wbe01 is held")
    assert [one["scope"] for one in operator.json("holds")] == ["i-bp1wbe01"]


def test_times_of_a_hold_are_the_operators_own(operator: Operator) -> None:
    """A time without a zone is Shanghai's; a time that is past, or is none, is refused with what is expected."""
    operator.done("hold", "web", "--why", "x", "--until", "2999-03-02T11:00")
    (hold,) = operator.json("holds")
    assert hold["until"] == "2999-03-02T11:00:00.000+08:00"
    for bad, told in (("2020-01-01T00:00", "that time is past"), ("soon", "expected 90s, 5m")):
        refused = operator("hold", "web", "--why", "x", "--until", bad)
        assert refused.returncode == 2
        assert told in " ".join(refused.stderr.replace("│", " ").split())
    for words in (["hold", "*", "--why", "x"], ["unhold", "*"]):
        assert operator(*words).returncode == 2


def test_a_question_is_answered_at_the_command_line(operator: Operator) -> None:
    """Under `ask` nothing happens before a yes; after a no nothing happens at all."""
    operator.settings(rules=[{**RULE, "mode": "ask"}])
    operator.done("rules", "promote", RULE["name"])
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: len(operator.json("approvals")) == 1, what="a question")
        (question,) = operator.json("approvals")
        assert "i-bp1web01" in question["question"]
        assert operator.starts() == []
        operator.done("approve", question["id"][:12])
        until(lambda: worker.logged("incident.ended"), what="a healed server")
        operator.chaos("power_off", "i-bp1web02")
        until(lambda: len(operator.json("approvals")) == 1, what="another question")
        operator.done("deny", operator.json("approvals")[0]["id"])
        assert operator("approve", "nothing").returncode == 1
        late = operator("deny", question["id"][:8])
        assert late.returncode == 1
        assert late.stdout.startswith(f"{operator_name()} approved it at ")
        until(lambda: not operator.json("incidents", "--open"), what="the end of the other incident")
        assert worker.stop() == 0
    assert operator.starts() == ["i-bp1web01"]
