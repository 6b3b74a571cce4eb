"""The healer is watched: canaries, ages, silence, long waits and a watcher outside; on a clock that the test moves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.errors import SettingsError
from cloudheal.model.control import Hold
from cloudheal.model.event import Channel
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.promotions import promote
from cloudheal.record.tables import CANARY, DEAD_LETTER, EVENT, INCIDENT, OUTBOX, RUN
from cloudheal.sense.canary import canary_body
from tests.flow.operators import until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import RULE
from tests.flow.watching import QUEUE, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

PLACE = f"prod/{QUEUE}"
SECRET = "geheim-geheim-geheim"


@pytest.fixture(autouse=True)
def stepped_world(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still until the test moves it."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    simulator.world(world_of([{"id": "i-bp1web01", "tags": {"env": "prod"}}]))


@contextmanager
def watched(simulator: RunningSimulator, folder: Path, **more: Any) -> Iterator[Watching]:
    """Have a worker whose own watching goes on beside the test."""
    account = more.pop("account", {})
    settings = settings_of(simulator, folder, **more)
    changed = settings.accounts[0].model_copy(update=account)
    with watching(simulator, settings.model_copy(update={"accounts": [changed]})) as one:
        yield one


def topics(one: Watching) -> list[str]:
    """Return what people were told, in order."""
    return [row.topic for row in one.rows(OUTBOX)]


def until_told(one: Watching, *expected: str) -> None:
    """Wait until exactly this was told."""
    until(lambda: topics(one) == list(expected), what=f"{expected}, not {topics(one)}")


CANARY_SETTINGS = {"canary": {"every": "5m", "within": "2m"}}


def test_a_canary_goes_through_the_queue_and_is_no_event(simulator: RunningSimulator, tmp_path: Path) -> None:
    """It is sent, taken like any message, its way is measured; no rule, incident or dead letter knows of it."""
    greedy = {**RULE, "when": {"type": [{"prefix": ""}]}, "resources": {"all": True}}
    with watched(simulator, tmp_path, watch=CANARY_SETTINGS, rules=[greedy]) as one:
        until(lambda: len(one.rows(CANARY)) == 1, what="a canary")
        one.advance(7)
        until(lambda: one.drain() == 1, what="the canary on the queue")
        (flight,) = one.rows(CANARY)
        assert flight.returned - flight.sent == 7000
        assert [one.rows(table) for table in (EVENT, INCIDENT, DEAD_LETTER)] == [[], [], []]
        assert f'cloudheal_canary_seconds{{queue="{PLACE}"}} 7' in one.app.watch.metrics().splitlines()
        assert f'outcome="canary",queue="{QUEUE}"}} 1' in one.app.watch.metrics()
        one.advance(299)
        until(lambda: len(one.rows(CANARY)) == 2, what="the next canary")
        assert one.app.watch.health()["ok"]


def test_a_canary_that_stays_away_is_told_once_and_so_is_its_return(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Nobody takes messages: unhealthy and one notice; when they are taken again all is well, with one more."""
    with watched(simulator, tmp_path, watch={**CANARY_SETTINGS, "queue_age": "30d"}) as one:
        until(lambda: len(one.rows(CANARY)) == 1, what="a canary")
        one.advance(121)
        until_told(one, "canary.missing")
        health = one.app.watch.health()
        assert (health["ok"], health["problems"]) == (False, [f"canary.missing {PLACE}"])
        one.advance(600)
        until(lambda: len(one.rows(CANARY)) == 2, what="the next canary")
        assert topics(one) == ["canary.missing"]
        assert one.drain() == 2
        one.advance(121)
        until_told(one, "canary.missing", "canary.back")
        assert one.app.watch.health()["ok"]


def test_a_strangers_canary_means_nothing(simulator: RunningSimulator, tmp_path: Path) -> None:
    """One that this database did not send, or that was pushed, proves nothing and opens nothing."""
    with watched(simulator, tmp_path) as one:
        body = canary_body("0" * 32).encode()
        assert [fared.fate for fared in one.app.take([body], "q", Channel.QUEUE).fared] == ["canary"]
        assert [fared.fate for fared in one.app.take([body], "w", Channel.WEBHOOK).fared] == ["dead_letter"]
        assert one.rows(CANARY) == []


def test_a_queue_that_nobody_empties_is_told(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The oldest message's age is looked at without taking it; too old is unhealthy until it is gone."""
    with watched(simulator, tmp_path, watch={"queue_age": "5m"}) as one:
        simulator.control("POST", "events", {"raw": message("i-bp1web01", "Running"), "queue": QUEUE})
        one.advance(301)
        until_told(one, "queue.late")
        assert one.app.watch.health()["problems"] == [f"queue.late {PLACE}"]
        assert one.drain() == 1
        one.advance(31)
        until_told(one, "queue.late", "queue.current")
        assert one.app.watch.health()["ok"]


def test_a_silent_account_is_told_once_until_events_come_again(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Silence warns and is no illness; what a poll found does not break it, an event does."""
    with watched(simulator, tmp_path, account={"silent_after": timedelta(hours=6)}) as one:
        until(lambda: bool(one.app.watch.health()["watches"]), what="a first look")
        one.advance(6 * 3600 + 10)
        until_told(one, "source.silent")
        health = one.app.watch.health()
        assert (health["ok"], health["warnings"]) == (True, ["source.silent prod"])
        one.advance(3600)
        one.app.take([message("i-bp1web01", "Running").encode()], "q", Channel.QUEUE)
        until_told(one, "source.silent", "source.back")


def test_a_run_that_waits_too_long_is_told_once(simulator: RunningSimulator, tmp_path: Path) -> None:
    """An hour of pause: people hear which server waits, for what; `runs` shows it; a second hour is silent."""
    with watched(simulator, tmp_path, rules=[{**RULE, "limits": {"cool_down": "1s"}}]) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.settings.rules, "test", one.app.clock.now())
            add_hold(connection, Hold(EVERYTHING, "ops", "release", one.app.clock.now()))
        one.chaos("power_off", "i-bp1web01")
        one.advance(5)
        until(lambda: one.drain() >= 0 and len(one.rows(RUN, RUN.c.state == "waiting")) == 1, what="a waiting run")
        one.advance(6)
        until(lambda: one.rows(RUN)[0].waits_since is not None, what="the time noted")
        assert topics(one) == []
        one.advance(3606)
        until_told(one, "run.waits_long")
        facts = json.loads(one.rows(OUTBOX)[0].facts)
        assert (facts["resource"], facts["reason"], facts["limit"]) == ("i-bp1web01", "paused", "1h")
        assert one.rows(RUN)[0].escalated is not None
        one.advance(3606)
        until(lambda: one.app.watch.health()["watches"] != {}, what="another look")
        assert topics(one) == ["run.waits_long"]
        health = one.app.watch.health()
        assert health["paused"] is not None
        with one.app.database.transaction() as connection:
            lift_holds(connection, EVERYTHING, one.app.clock.now())
        one.until_ended(1)
        one.advance(6)
        until(lambda: one.rows(RUN)[0].waits_since is None, what="the time forgotten")


class Outside(ThreadingHTTPServer):
    """A watcher outside: counts the calls."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.calls: list[str] = []
        self.status = 200


class _Call(BaseHTTPRequestHandler):
    server: Outside

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """A watcher outside, whose URL is a secret in the environment."""
    server = Outside()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("DEAD_MAN_URL", f"http://127.0.0.1:{server.server_port}/{SECRET}")
    yield server
    server.shutdown()
    server.server_close()


DEAD_MAN = {"dead_man": {"url_env": "DEAD_MAN_URL", "every": "1m"}}


def test_the_watcher_outside_is_called_while_all_is_well(
    simulator: RunningSimulator, tmp_path: Path, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    """A call each minute; none while something is wrong; again afterwards; the URL shows nowhere."""
    caplog.set_level("DEBUG")
    with watched(simulator, tmp_path, watch={**DEAD_MAN, "queue_age": "1m"}) as one:
        until(lambda: len(outside.calls) == 1, what="a first call")
        one.advance(61)
        until(lambda: len(outside.calls) == 2, what="a second call")
        simulator.control("POST", "events", {"raw": message("i-bp1web01", "Running"), "queue": QUEUE})
        one.advance(70)
        until(lambda: "queue.late" in topics(one), what="an illness")
        before = len(outside.calls)
        one.advance(300)
        until(lambda: "dead_man.withheld" in caplog.text, what="a call withheld")
        assert len(outside.calls) == before
        one.drain()
        one.advance(31)
        until(lambda: len(outside.calls) > before, what="a call again")
        outside.status = 500
        one.advance(61)
        until(lambda: "dead_man.failed problem=answered 500" in caplog.text, what="a failure told")
        assert SECRET not in caplog.text + repr(one.app.dead_man) + one.app.watch.metrics()
    assert set(outside.calls) == {f"/{SECRET}"}


def test_a_watcher_without_url_is_refused_at_the_start(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The variable is named."""
    with pytest.raises(SettingsError, match="DEAD_MAN_URL is not set"):
        App(settings_of(simulator, tmp_path, watch=DEAD_MAN))


def test_one_worker_watches_for_all(simulator: RunningSimulator, tmp_path: Path) -> None:
    """While one holds the lease another sends no canary and tells nothing."""
    with watched(simulator, tmp_path, watch=CANARY_SETTINGS) as one:
        until(lambda: len(one.rows(CANARY)) == 1, what="a canary")
        second = one.app.lookout
        other = type(second)(
            second.store, "other", second.accounts, second.settings, second.connect, second.clock, second.new_id
        )
        one.advance(301)
        assert other.tick() is False
        until(lambda: len(one.rows(CANARY)) == 2, what="the next canary")


def test_numbers_of_what_happened_follow_the_ledger(simulator: RunningSimulator, tmp_path: Path) -> None:
    """A healing shows as decision, look, step, verdict and calls; what was rolled back does not show."""
    with watched(simulator, tmp_path, rules=[{**RULE, "limits": {"cool_down": "1s"}}]) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.settings.rules, "test", one.app.clock.now())
        one.chaos("power_off", "i-bp1web01")
        one.advance(5)
        until(lambda: one.drain() >= 0 and len(one.rows(RUN)) == 1, what="a run")
        one.until_ended(1)
        with pytest.raises(ZeroDivisionError):
            given_up(one)
        lines = one.app.watch.metrics().splitlines()
    assert 'cloudheal_decisions_total{reason="act",rule="restart-unexpected-stop"} 1' in lines
    assert "cloudheal_looks_total 1" in lines
    assert 'cloudheal_steps_total{outcome="ok"} 1' in lines
    assert 'cloudheal_verdicts_total{playbook="restart_stopped",verdict="healed"} 1' in lines
    assert 'cloudheal_cloud_calls_total{account="prod",action="StartInstance",outcome="ok"} 1' in lines
    assert any(line.startswith('cloudheal_commit_seconds_bucket{le="0.005"}') for line in lines)


def given_up(one: Watching) -> None:
    """Decide something and take it back. Raises ZeroDivisionError."""
    with one.app.database.transaction() as connection:
        append(connection, [Entry(Kind.DECISION, None, name="restart-unexpected-stop", result="act")])
        raise ZeroDivisionError


def test_a_disk_that_fills_is_an_illness(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Less space than the floor beside the SQLite file is a problem by name, before anything fails."""
    with watched(simulator, tmp_path, watch={"disk_floor_mb": 10**9}) as one:
        problems = one.app.watch.health()["problems"]
        assert isinstance(problems, list)
        assert [problem.partition("=")[0] for problem in problems] == ["disk.low free"]


def test_tables_that_cannot_be_read_are_told(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The page answers all the same, with the problem by name."""
    with watched(simulator, tmp_path) as one:
        with one.app.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE watch RENAME TO watch_away")
        health = one.app.watch.health()
        with one.app.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE watch_away RENAME TO watch")
    assert (health["ok"], health["problems"]) == (False, ["database OperationalError: no such table: watch"])
