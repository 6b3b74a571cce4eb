"""From the lines of an access log to a server that is mended: on the simulator, with real calls, on its clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.model.control import Hold
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.backtest import Terms, World, against_record
from cloudheal.pipeline.log_following import Follower
from cloudheal.pipeline.log_readings import BEGINNING, ON_ITS_WAY
from cloudheal.record.history import recorded
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.inventory import everything
from cloudheal.record.promotions import promote
from cloudheal.record.tables import INCIDENT, RUN
from tests.flow.operators import until
from tests.flow.watching import ACCOUNT, REGION, SimulatorClock, Watching, settings_of, world_of
from tests.sim.simulator import RunningSimulator

WEB = ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", "i-bp1web01")
NGINX = {"name": "nginx", "running": False, "port": 80}
RULE: dict[str, Any] = {
    "name": "serve-again",
    "when": {"source": ["cloudheal.logs"], "data": {"alarm": ["errors"]}},
    "resources": {"ids": [WEB.id]},
    "playbook": "rerun_process",
    # The test moves the clock by minutes while the command runs in the time of the machine.
    "with": {
        "check": "pgrep nginx",
        "start": "systemctl start nginx",
        "recovers": "10m",
        "command_timeout": "1h",
        "limit": "1h",
    },
    "mode": "auto",
}
LOG: dict[str, Any] = {
    "name": "web",
    "files": ["access.log"],
    "format": "combined",
    "late": "1s",
    "resource": {"region": REGION, "id": WEB.id},
    "metrics": [{"name": "failures", "where": "status >= 500", "measures": ["count() as errors"]}],
    "alarms": [
        {"name": "errors", "metric": "failures", "value": "errors", "levels": {"critical": {"over": 20, "times": 2}}}
    ],
}
LINE = '192.0.2.1 - - [{:%d/%b/%Y:%H:%M:%S} +0000] "GET / HTTP/1.1" {} 168 "-" "Wget"\n'
#: Seconds after the end of a minute until it is evaluated.
LATE = 1 + int(ON_ITS_WAY.total_seconds())


class Site:
    """A server whose web server is down, its access log, and the worker that looks after both."""

    def __init__(self, watch: Watching, follower: Follower, file: Path) -> None:
        self.watch = watch
        self.follower = follower
        self.file = file

    def minute(self, errors: int) -> None:
        """Let the web server write for a minute, and the worker read and evaluate it."""
        now = int(self.watch.app.clock.now().timestamp())
        begin = -(-(now - LATE) // 60) * 60
        at = datetime.fromtimestamp(begin, UTC)
        with self.file.open("a", encoding="ascii") as log:
            log.writelines(LINE.format(at + timedelta(seconds=second), 200) for second in range(60))
            log.writelines(LINE.format(at + timedelta(seconds=second), 502) for second in range(errors))
        self.watch.advance(begin + 60 + LATE - now)
        self.follower.follow()
        assert self.watch.app.log_alarms is not None
        self.watch.app.log_alarms.tick()


@pytest.fixture
def site(shell_simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site in a fresh world; the test itself reads the log, when it has written it."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    shell_simulator.control("POST", "reset")
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    shell_simulator.world(world_of([{"id": WEB.id, "guest": {"processes": ["sshd", NGINX]}}]))
    file = tmp_path / "access.log"
    file.touch()
    settings = settings_of(shell_simulator, tmp_path, rules=[RULE], logs=[{**LOG, "files": [str(file)]}])
    app = App(settings, SimulatorClock(shell_simulator))
    app.poll = lambda: None  # type: ignore[method-assign]  # its thread would look in between
    (follower,) = app.following.followers.values()
    follower.tick = lambda: app.clock.now().timestamp()
    app.following.followers = {}
    with app.running():
        with app.database.transaction() as connection:
            promote(connection, app.rules.rules.values(), "test", app.clock.now())
        one = Site(Watching(app, shell_simulator), follower, file)
        follower.follow()
        one.watch.advance(2 * BEGINNING.total_seconds())
        one.minute(0)
        yield one
        follower.forget()


def processes(watch: Watching) -> list[str]:
    """Return what runs inside the server."""
    (instance,) = watch.simulator.control("GET", "world")["alibaba"]["instances"]
    return sorted(one["name"] for one in instance["guest"]["processes"] if one["running"])


def is_waiting(watch: Watching) -> bool:
    """Let a moment pass, and say whether a run waits for something to change."""
    watch.advance(0.25)
    return bool(watch.rows(RUN, RUN.c.state == "waiting"))


def differing(watch: Watching) -> int:
    """Return of how many events a backtest of the record makes something else."""
    with watch.app.database.snapshot() as connection:
        extensions, known = watch.app.extensions, tuple(everything(connection))
        place = World(extensions.library.playbooks, extensions.trouble_of, known, as_promoted=True)
        return against_record(recorded(connection), watch.app.rules, place, Terms()).differing


def test_a_process_is_brought_back_and_the_recovery_of_the_alarm_closes_the_incident(site: Site) -> None:
    """Two bad minutes, one command; the run waits until the log is good again, and only then is it healed."""
    watch = site.watch
    site.minute(30)
    site.minute(30)
    # In small steps: whatever waits for the machine must not see minutes pass meanwhile.
    until(lambda: is_waiting(watch), 90, "a run that waits for the log")
    assert processes(watch) == ["nginx", "sshd"]
    assert [one.ended for one in watch.rows(INCIDENT)] == [None]
    site.minute(0)
    (incident,) = watch.until_ended(1)
    assert (incident.resource, incident.trouble, incident.trouble_id) == (WEB.id, "alarm", "errors")
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("healed", "recovered")
    assert len(watch.calls("RunCommand")) == 1
    assert differing(watch) == 0


def test_an_alarm_that_fires_on_after_the_command_is_not_healed(site: Site) -> None:
    """The process runs and the log is as bad as before: people are told."""
    ended = INCIDENT.c.ended.is_not(None)

    def is_over() -> bool:
        site.minute(30)
        return bool(site.watch.rows(INCIDENT, ended))

    until(is_over, 60, "the end of the incident")
    (incident,) = site.watch.rows(INCIDENT, ended)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not healed", "not_recovered")
    assert len(site.watch.calls("RunCommand")) == 1


def test_an_alarm_that_recovers_by_itself_needs_nothing(site: Site) -> None:
    """While somebody has paused everything nothing begins; after the recovery nothing is to be begun."""
    with site.watch.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "test", "quiet", site.watch.app.clock.now()))
    site.minute(30)
    site.minute(30)
    assert [row.waits_for for row in site.watch.rows(RUN)] == ["paused"]
    site.minute(0)
    (incident,) = site.watch.rows(INCIDENT)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not needed", "recovered")
    assert site.watch.calls("RunCommand") == []
    assert differing(site.watch) == 0
