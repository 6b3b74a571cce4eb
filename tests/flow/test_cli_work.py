"""Commands that take events in, as real processes: run, feed, dead letters; and the lists of what came of it."""

from __future__ import annotations

import json
import re
import signal
import socket
from datetime import UTC, datetime

import pytest

from cloudheal.model.event import Channel
from cloudheal.record.database import open_database
from cloudheal.record.inbox import DeadLetter, add_dead_letter
from cloudheal.record.schema import migrate
from tests.flow.operators import Operator, until
from tests.flow.test_restart import RULE

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) [\w.]+ [a-z_]+(\.[a-z_]+)*( \w+=.*)?\n")


def message(resource: str, state: str = "Stopped", millis: str = "922") -> str:
    """Return a state change as a queue holds it."""
    document = {
        "product": "ECS",
        "name": "Instance:StateChange",
        "resourceId": f"acs:ecs:cn-hangzhou:1000000000000001:instance/{resource}",
        "eventTime": f"20260302T110026.{millis}+0800",
        "content": {"resourceId": resource, "state": state},
    }
    return json.dumps(document)


def test_a_worker_heals_and_ends_in_order_when_told(operator: Operator) -> None:
    """One server, one start, plain log lines, exit code 0 at SIGTERM, nothing left on the queue."""
    operator.done("rules", "promote", RULE["name"])
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: worker.logged("incident.ended"), what="a healed server")
        assert worker.stop() == 0
    assert operator.starts() == ["i-bp1web01"]
    assert all(LINE.fullmatch(line) for line in worker.lines), worker.lines
    (queue,) = operator.simulator.control("GET", "world")["alibaba"]["queues"]
    assert queue["messages"] == []
    (incident,) = operator.json("incidents", "--since", "1d", "--resource", "i-bp1web01")
    assert (incident["verdict"], incident["code"]) == ("healed", "running")
    assert incident["occurred"].endswith("+08:00")
    (run,) = operator.json("runs")
    assert (run["state"], run["attempts"]) == ("ended", 1)
    assert operator.json("runs", "--open") == []
    story = operator.done("explain", "i-bp1web01")
    assert "i-bp1web01" in story
    told = operator.json("events", "--resource", "i-bp1web01", "--limit", "9")
    stops = [str(one["number"]) for one in told if one["status"] == "Stopped"]  # a look at the cloud may find it too
    (stop,) = [number for number in stops if operator.done("explain", number) == story]
    assert operator.json("explain", stop) == story.splitlines()
    assert operator("explain", "i-none").returncode == 1


def test_a_worker_told_to_stop_leaves_its_run_to_the_next_one(at_hand: Operator) -> None:
    """The start is asked for once; the second worker finds out at once and proves that it worked."""
    at_hand.simulator.control("PUT", "faults", [])
    world = at_hand.simulator.control("GET", "world")
    world["alibaba"]["durations"]["starting"] = 6
    at_hand.simulator.world(world)
    at_hand.done("rules", "promote", RULE["name"])
    with at_hand.worker() as worker:
        at_hand.chaos("power_off", "i-bp1web01")
        until(lambda: list(at_hand.starts()) == ["i-bp1web01"], what="the start")
        assert worker.stop(signal.SIGINT) == 0
    (run,) = at_hand.json("runs", "--open")
    assert run["state"] == "running"
    at_hand.done("run", "--once")
    (incident,) = at_hand.json("incidents")
    assert incident["verdict"] == "healed"
    assert at_hand.starts() == ["i-bp1web01"]


def test_a_file_without_rules_records_and_says_so(operator: Operator) -> None:
    """The first run of a newcomer is harmless and useful: events are recorded, nothing is done."""
    operator.settings(rules=[])
    operator.chaos("power_off", "i-bp1web01")
    queued = operator.simulator.control
    until(lambda: bool(queued("GET", "world")["alibaba"]["queues"][0]["messages"]), what="an event on the queue")
    done = operator("run", "--once")
    assert done.returncode == 0
    assert "run.shadow reason=no_rules" in done.stderr
    assert {event["resource"] for event in operator.json("events")} == {"i-bp1web01"}
    assert operator.starts() == []


def test_a_queue_that_does_not_exist_ends_run_once_with_1(operator: Operator) -> None:
    """A program that waits for the exit code learns that nothing was taken in, and what to do."""
    operator.settings(account={"queue": {"endpoint": operator.simulator.url, "name": "none", "wait_seconds": 0}})
    done = operator("run", "--once")
    assert done.returncode == 1
    assert "run.receiver_failed account=prod reason=queue none: QueueNotExist" in done.stderr


def test_an_address_that_is_taken_is_told_in_a_line(operator: Operator) -> None:
    """The line names it and what to do; the worker ends with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        operator.settings(listen={"port": port})
        refused = operator("run", "--once")
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use [listen.failed]" in refused.stderr
    assert "name another port under listen:" in refused.stderr


def test_a_host_that_is_not_this_machines_is_told_in_a_line(operator: Operator) -> None:
    """A mistake in its name, too."""
    operator.settings(listen={"host": "localhost.invalid", "port": 0})
    refused = operator("run", "--once")
    assert refused.returncode == 1
    assert "cannot listen on localhost.invalid:0: " in refused.stderr
    assert "Name an address of this machine as host under listen:." in refused.stderr


def test_a_database_in_a_folder_that_is_not_there_names_the_folder(operator: Operator) -> None:
    """Whatever is typed says the same, with one code and what to do; exit code 1."""
    operator.settings(database="sqlite:////nowhere/at/all.db")
    for words in (["run", "--once"], ["events"], ["feed", "cloudheal.yaml"]):
        done = operator(*words)
        assert "/nowhere/at/all.db: the folder /nowhere/at does not exist [database.unreachable]" in done.stderr
        assert "Create the folder" in done.stderr
        assert done.returncode == 1


def test_a_database_that_cannot_be_opened_is_told_in_a_line(at_hand: Operator) -> None:
    """A folder in place of a file: the command that looks closer is named, and it names the file."""
    at_hand.settings(database=f"sqlite:///{at_hand.folder}")
    done = at_hand("events")
    assert (done.returncode, "cloudheal check" in done.stderr) == (1, True)
    assert "the database cannot be used: " in done.stderr
    (found,) = [one for one in at_hand.json("check") if one["code"] == "database.bad"]
    assert f"{at_hand.folder}: unable to open" in found["finding"]


def test_messages_that_are_not_there_are_told_by_the_files_name(at_hand: Operator) -> None:
    """The settings are not to blame, and are not named."""
    for words in (["rules", "test"], ["feed"]):
        done = at_hand(*words, "nofile.json")
        assert (done.returncode, "nofile.json: No such file" in done.stderr) == (1, True)
        assert "[messages.unreadable]" in done.stderr


def test_a_file_is_taken_in_beside_a_worker_which_heals(at_hand: Operator) -> None:
    """Feeding needs no engine of its own: the worker of the same SQLite file does what must be done."""
    at_hand.done("rules", "promote", RULE["name"])
    world = at_hand.simulator.control("GET", "world")
    world["alibaba"]["event_rules"] = []
    at_hand.simulator.world(world)
    at_hand.chaos("power_off", "i-bp1web02")
    file = at_hand.folder / "events.jsonl"
    file.write_text(message("i-bp1web02") + "\n", encoding="utf-8")
    with at_hand.worker() as worker:
        assert at_hand.json("feed", str(file)) == {"messages": 1, "new": 1, "duplicates": 0, "dead": 0, "acting": 1}
        until(lambda: worker.logged("incident.ended"), what="a healed server")
        assert worker.stop() == 0
    assert at_hand.starts() == ["i-bp1web02"]


def test_what_cannot_be_read_is_counted_listed_and_stays(at_hand: Operator) -> None:
    """Duplicates change nothing, garbage is a dead letter with its reason; replaying it says why it still cannot be."""
    lines = [message("i-bp1web01", "Running"), message("i-bp1web01", "Running"), "", "\x1b[31mnot an event", "{}"]
    done = at_hand("feed", "-", "--json", typed="\n".join(lines))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"messages": 4, "new": 1, "duplicates": 1, "dead": 2, "acting": 0}
    second, first = at_hand.json("dead-letters", "list")
    assert "not JSON" in first["reason"]
    assert second["reason"] == "the envelope has no product"
    again = at_hand("dead-letters", "replay", str(first["number"]))
    assert again.returncode == 1
    assert "not JSON" in again.stdout
    assert len(at_hand.json("dead-letters", "list")) == 2
    assert at_hand("dead-letters", "replay", "77").returncode == 1


def test_a_dead_letter_that_can_be_read_now_is_taken_in(at_hand: Operator) -> None:
    """After an update a message that was refused becomes an event; the letter is gone from the list."""
    database = open_database(f"sqlite:///{at_hand.folder / 'c.db'}")
    migrate(database)
    letter = DeadLetter(datetime.now(UTC), Channel.QUEUE, "queue q", "an older reader", message("i-bp1web01").encode())
    with database.transaction() as connection:
        number = add_dead_letter(connection, letter)
    database.close()
    at_hand.done("dead-letters", "replay", str(number))
    (event,) = at_hand.json("events", "--resource", "i-bp1web01", "--limit", "5")
    assert event["status"] == "Stopped"
    assert at_hand.json("dead-letters", "list") == []
    assert at_hand.json("events", "--since", "1h") == []


def test_lists_are_tables_in_the_operators_language_and_zone(at_hand: Operator) -> None:
    """Chinese headings, times of Shanghai, and nothing of a message that a terminal would obey."""
    at_hand.settings(language="zh")
    body = message("i-bp1web01").replace("Stopped", "St\\u001b[31mopped")
    at_hand("feed", "-", typed=body)
    shown = at_hand.done("events")
    assert "发生时间" in shown
    assert "2026-03-02 11:00:26" in shown
    assert "\x1b" not in shown
    assert "Asia/Shanghai" in shown
    assert at_hand.done("incidents").strip() == "没有找到任何内容。"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rules": [{**RULE, "playbook": "dance"}]}, r"cloudheal\.yaml:\d+: rules\.\S+\.playbook: no playbook 'dance'"),
        ({"rules": [{**RULE, "with": {"tries": 3}}]}, r"cloudheal\.yaml:\d+: rules\.\S+\.with\.tries: Extra inputs"),
        ({"rules": [{**RULE, "when": {}}]}, r"cloudheal\.yaml:\d+: rules\.\S+\.when: an empty pattern"),
        ({"timezone": "Mars"}, r"cloudheal\.yaml:\d+: timezone: .*no time zone 'Mars'"),
        ({"account": {"access_key_id_env": "MISSING_KEY"}}, r"account prod: MISSING_KEY not set in the environment"),
    ],
    ids=["playbook", "parameter", "pattern", "zone", "key"],
)
def test_bad_settings_are_told_without_a_traceback(
    operator: Operator, changes: dict[str, object], expected: str
) -> None:
    """Line, field and what was expected; exit code 2."""
    operator.settings(**changes)
    done = operator("run", "--once")
    assert re.search(expected, done.stderr), done.stderr
    assert done.returncode == 2
