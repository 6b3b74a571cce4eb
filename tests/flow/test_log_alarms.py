"""An alarm on a log of a server heals what the log shows: on the simulator, with real calls, on its clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.log_alarms import Guarded, LogAlarms
from cloudheal.record.promotions import promote
from cloudheal.record.tables import INCIDENT, RUN
from tests.contract.log_site import LATE, WrittenSeries, alarm
from tests.flow.watching import ACCOUNT, REGION, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

WEB = ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", "i-bp1web01")
NGINX = {"name": "nginx", "running": False, "port": 80}
RULE: dict[str, Any] = {
    "name": "serve-again",
    "when": {"source": ["cloudheal.logs"], "data": {"alarm": ["errors"]}},
    "resources": {"ids": [WEB.id]},
    "playbook": "rerun_process",
    "with": {"check": "pgrep nginx", "start": "systemctl start nginx", "recovers": "10m"},
    "mode": "auto",
}
ERRORS = alarm({"critical": {"over": 20, "times": 2}}, name="errors")


class Site:
    """A server whose web server is down, its log, and the worker that looks after both."""

    def __init__(self, watch: Watching) -> None:
        self.watch = watch
        self.series = WrittenSeries()
        app = watch.app
        self.alarms = LogAlarms(
            store=app.database,
            intake=app.intake,
            worker=app.worker,
            guarded=[Guarded(ERRORS, WEB)],
            readings=self.series,
            zone=ZoneInfo("UTC"),
            clock=app.clock,
        )

    def minute(self, errors: float) -> None:
        """Let a minute of the log pass, and evaluate it."""
        now = int(self.watch.app.clock.now().timestamp())
        begin = (now - LATE) // 60 * 60
        self.series.put(datetime.fromtimestamp(begin, UTC), errors)
        self.watch.advance(begin + 60 + LATE - now)
        self.alarms.tick()


@pytest.fixture
def site(shell_simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site in a fresh world."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    shell_simulator.control("POST", "reset")
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    shell_simulator.world(world_of([{"id": WEB.id, "guest": {"processes": ["sshd", NGINX]}}]))
    with watching(shell_simulator, settings_of(shell_simulator, tmp_path, rules=[RULE])) as watch:
        with watch.app.database.transaction() as connection:
            promote(connection, watch.app.rules.rules.values(), "test", watch.app.clock.now())
        yield Site(watch)


def processes(watch: Watching) -> list[str]:
    """Return what runs inside the server."""
    (instance,) = watch.simulator.control("GET", "world")["alibaba"]["instances"]
    return sorted(one["name"] for one in instance["guest"]["processes"] if one["running"])


def test_a_process_is_brought_back_and_the_recovery_of_the_alarm_closes_the_incident(site: Site) -> None:
    """Two bad minutes, one command; the run waits until the log is good again, and only then is it healed."""
    watch = site.watch
    site.minute(30)
    site.minute(30)
    watch.until_waiting(1)
    assert processes(watch) == ["nginx", "sshd"]
    assert [one.ended for one in watch.rows(INCIDENT)] == [None]
    site.minute(0)
    (incident,) = watch.until_ended(1)
    assert (incident.resource, incident.trouble, incident.trouble_id) == (WEB.id, "alarm", "errors")
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("healed", "recovered")
    assert len(watch.calls("RunCommand")) == 1


def test_an_alarm_that_fires_on_after_the_command_is_not_healed(site: Site) -> None:
    """The process runs and the log is as bad as before: people are told."""
    site.minute(30)
    site.minute(30)
    (incident,) = site.watch.until_ended(1, seconds=90)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not healed", "not_recovered")
    assert len(site.watch.calls("RunCommand")) == 1


def test_an_alarm_that_recovers_by_itself_needs_nothing(site: Site) -> None:
    """While somebody has paused everything nothing begins; after the recovery nothing is to be begun."""
    from cloudheal.model.control import Hold  # noqa: PLC0415 - of this test only
    from cloudheal.record.holds import EVERYTHING, add_hold  # noqa: PLC0415 - same

    with site.watch.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "test", "quiet", site.watch.app.clock.now()))
    site.minute(30)
    site.minute(30)
    assert [row.waits_for for row in site.watch.rows(RUN)] == ["paused"]
    site.minute(0)
    (incident,) = site.watch.rows(INCIDENT)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not needed", "recovered")
    assert site.watch.calls("RunCommand") == []
