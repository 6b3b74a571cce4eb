"""Rules at the command line: what they would do, and how far each is trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from cloudheal.cli.desk import operator as operator_name
from cloudheal.testing import FakeCloud, VirtualClock
from tests.flow.operators import Operator, until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import RULE

NAME = RULE["name"]
REBOOT = "Instance:SystemMaintenance.Reboot"


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def test_a_new_rule_records_only_until_it_is_promoted_and_again_when_it_changes(operator: Operator) -> None:
    """The list says what is asked for and what is in force; nothing is started before a person promoted the rule.

    What was passed over stays so: neither the next worker nor the same message, brought again, makes up for it.
    """
    (row,) = operator.json("rules", "list")
    assert (row["mode"], row["effective"], row["promoted_at"]) == ("auto", "shadow", None)
    operator.chaos("power_off", "i-bp1web01")
    queue = operator.simulator.control
    until(lambda: len(queue("GET", "world")["alibaba"]["queues"][0]["messages"]) >= 2, what="events on the queue")
    brought = [one["body"] for one in queue("GET", "world")["alibaba"]["queues"][0]["messages"]]
    operator.done("run", "--once")
    stopped = next(event for event in operator.json("events") if event["status"] == "Stopped")
    assert stopped["decisions"] == [f"{NAME}: shadow"]
    assert operator.starts() == []
    operator.done("rules", "promote", NAME)
    (row,) = operator.json("rules", "list")
    assert (row["effective"], row["promoted_by"]) == ("auto", operator_name())
    (operator.folder / "again.jsonl").write_text("\n".join(brought), encoding="utf-8")
    operator.done("feed", "again.jsonl")
    operator.done("run", "--once")
    assert (operator.json("runs"), operator.starts()) == ([], [])
    operator.settings(rules=[{**RULE, "with": {"max_attempts": 1}}])
    (row,) = operator.json("rules", "list")
    assert row["effective"] == "shadow"
    assert NAME in operator.done("rules", "list")


def test_promoting_what_cannot_be_promoted_says_why(operator: Operator) -> None:
    """A misspelt name is answered with the names; a rule that asks for shadow is not raised behind its file's back."""
    missing = operator("rules", "promote", "restrat")
    assert (missing.returncode, NAME in missing.stdout) == (1, True)
    operator.settings(rules=[{**RULE, "mode": "shadow"}])
    shadow = operator("rules", "promote", NAME)
    assert (shadow.returncode, "mode: shadow" in shadow.stdout) == (1, True)


def test_testing_a_message_names_the_clause_that_fails(operator: Operator) -> None:
    """The field, what stands there, and what was wanted; a message that is no event is told with its reason."""
    typed = message("i-bp1web01", "Running") + "\nnonsense\n"
    done = operator("rules", "test", "-", typed=typed)
    assert f"{NAME}: does not match" in done.stdout
    assert "data.state is 'Running', wanted 'Stopped'" in done.stdout
    assert "message 2: not an event: " in done.stdout
    assert done.returncode == 1


def test_a_message_that_is_nested_without_end_is_told_as_none(operator: Operator) -> None:
    """Whatever a stranger sent is told by its number, and never with a traceback."""
    done = operator("rules", "test", "-", typed="[" * 100_000)
    assert "message 1: not an event: " in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


def test_a_test_of_no_message_says_that_there_is_none(operator: Operator) -> None:
    """An empty file is no proof of anything."""
    done = operator("rules", "test", "-")
    assert (done.returncode, done.stdout) == (1, "There is no message in -.\n")


def test_testing_walks_every_station_and_writes_nothing(operator: Operator) -> None:
    """Without a look the tags are not known; with one the walk ends at trust, because nobody promoted the rule."""
    file = operator.folder / "one.json"
    file.write_text(json.dumps(json.loads(message("i-bp1web01")), indent=2), encoding="utf-8")
    blind = operator.done("rules", "test", str(file))
    assert "stop The rule does not select this server. [not_selected]" in blind
    assert "--look reads them" in blind
    shown = operator.done("rules", "test", str(file), "--look")
    assert "ok   There were attempts left. (0 of 3)" in shown
    assert "None" not in shown
    assert f"{NAME}: matches, would be: shadow" in shown
    operator.done("rules", "promote", NAME)
    (told,) = json.loads(operator.done("rules", "test", str(file), "--look", "--json"))
    assert told["rules"][0]["reason"] == "act"
    assert [one["question"] for one in told["rules"][0]["walk"]][-1] == "trusted"
    assert operator.json("events") == []
    assert operator.starts() == []


def test_testing_says_what_a_worker_would_say_of_a_plan_and_of_old_news(operator: Operator) -> None:
    """A pause keeps nothing out of the plan; a stop that a start has overtaken is old, as it would be on the queue."""
    planned = {"name": "planned", "when": {"type": [REBOOT]}, "playbook": "reboot_in_window", "mode": "auto"}
    everyone = {"all": True}
    operator.settings(rules=[{**RULE, "resources": everyone}, {**planned, "resources": everyone}])
    for name in (NAME, "planned"):
        operator.done("rules", "promote", name)
    operator.done("feed", "-", typed=message("i-bp1web01", "Running", "923"))
    operator.done("pause", "a release")
    announced = announcement("i-bp1web01", timedelta(hours=3)).decode()
    typed = f"{message('i-bp1web01')}\n{announced}\n"
    stop, reboot = json.loads(operator.done("rules", "test", "-", "--json", typed=typed))
    assert [one["reason"] for one in stop["rules"]] == ["stale", None]
    assert [one["reason"] for one in reboot["rules"]] == [None, "plan"]
    operator.done("feed", "-", typed=typed)
    found = {one["type"]: one["decisions"] for one in operator.json("events") if one["status"] != "Running"}
    assert found == {"Instance:StateChange": [f"{NAME}: stale"], REBOOT: ["planned: plan"]}


def announcement(server: str, ahead: timedelta) -> bytes:
    """Return the message that a server is to be rebooted."""
    cloud = FakeCloud(VirtualClock(datetime.now(UTC).replace(microsecond=0)))
    return cloud.maintenance.announces(cloud.server(server), "SystemMaintenance.Reboot", within=ahead)


def test_testing_shows_what_speaks_for_purpose_and_for_accident(operator: Operator) -> None:
    """The rule wants it on; a tag on the server wants it off and goes before the rule; both in words and as JSON."""
    shown = operator.done("rules", "test", "-", "--look", typed=message("i-bp1web01"))
    assert "by accident:  the rule wants it on" in shown
    world = operator.simulator.control("GET", "world")
    world["alibaba"]["instances"][0]["tags"]["cloudheal:desired"] = "off"
    operator.simulator.world(world)
    shown = operator.done("rules", "test", "-", "--look", typed=message("i-bp1web01"))
    assert "on purpose:   its tag wants it off [cloudheal:desired=off]" in shown
    (told,) = json.loads(operator("rules", "test", "-", "--look", "--json", typed=message("i-bp1web01")).stdout)
    assert told["rules"][0]["evidence"] == {"on_purpose": "desired_off.tag: cloudheal:desired=off"}


def test_evidence_stands_below_its_rule(operator: Operator) -> None:
    """Of two rules that match, each is followed by what was found for it; in Chinese, too, no code of ours is shown."""
    second = {**RULE, "name": "second"}
    operator.settings(rules=[RULE, second], language="zh")
    shown = operator.done("rules", "test", "-", "--look", typed=message("i-bp1web01")).splitlines()
    heads = [number for number, line in enumerate(shown) if "：匹配，" in line]
    assert [shown[number].strip().partition("：")[0] for number in heads] == [NAME, "second"]
    for begin, end in zip(heads, [*heads[1:], None], strict=True):
        assert sum("意外停止：" in line for line in shown[begin:end]) == 1
    assert not any("None" in line for line in shown)


def test_a_message_that_opens_no_trouble_is_said_to_be_recorded_only(operator: Operator) -> None:
    """Most events only inform; the test of rules says so."""
    operator.settings(rules=[{**RULE, "when": {"type": ["Instance:StateChange"]}}])
    shown = operator.done("rules", "test", "-", typed=message("i-bp1web01", "Starting"))
    assert "recorded only" in shown
    assert "does not heal" in shown
