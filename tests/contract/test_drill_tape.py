"""What a drill watches is read alike from both databases: facts behind a mark, who is alive, who holds a lease."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.drills.scenario import Expectation
from cloudheal.drills.tape import mark_of, tape
from cloudheal.record.database import Database
from cloudheal.record.leases import give_up_leases, holder_of, take_lease
from cloudheal.record.tables import WORKER
from cloudheal.record.workers import enlist, is_anyone_alive, leave
from cloudheal.testing import FakeCloud, Scene

RESTART: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
}
REBOOT: dict[str, Any] = {
    "name": "reboot",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"], "status": ["Scheduled"]},
    "resources": {"all": True},
    "playbook": "reboot_in_window",
    "mode": "auto",
}
WEB = "i-web"

STOPPED: list[tuple[dict[str, Any], bool]] = [
    ({"event": {"type": "Instance:State*", "status": "Stopped", "channel": "queue"}}, True),
    ({"event": {"channel": "poll"}}, False),
    ({"decision": {"rule": "restart", "reason": "act"}}, True),
    ({"decision": {"reason": "shadow"}}, False),
    ({"run": {"playbook": "restart_stopped", "rule": "restart"}}, True),
    ({"run": {"playbook": "spot_evacuate"}}, False),
    ({"action": {"step": "start ?", "outcome": "ok"}}, True),
    ({"action": {"step": "start 1", "outcome": "refused"}}, False),
    ({"action": {"step": "look *"}}, False),
    ({"verdict": {"healed": "healed", "code": "running", "trouble": "stopped"}}, True),
    ({"verdict": {"healed": "unknown"}}, False),
    ({"waits": {}}, False),
    ({"question": {}}, False),
    ({"plan": {}}, False),
]


def fitting(database: Database, expected: dict[str, Any], mark: int = 0) -> bool:
    """Say whether anything recorded about the server fits."""
    with database.snapshot() as connection:
        found = tape(connection, mark, [WEB])
    return any(one.fits for one in found.facts(Expectation.model_validate(expected)))


def test_a_stop_is_read_as_it_was_recorded(database: Database) -> None:
    """Each kind of fact is found, with its words compared; behind the last mark there is nothing."""
    cloud = FakeCloud()
    web = cloud.server(WEB, tags={"env": "prod"})
    Scene(cloud, rules=[RESTART], events=[cloud.power_off(web)]).play_on(database)
    assert [(expected, fitting(database, expected)) for expected, _ in STOPPED] == STOPPED
    with database.snapshot() as connection:
        mark = mark_of(connection)
    assert mark > 0
    assert not any(fitting(database, expected, mark) for expected, _ in STOPPED)


def test_a_plan_is_read_as_it_stands(database: Database) -> None:
    """The slot was given and used, though the run is over by now; a rehearsed reboot is an action that was taken."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    announced = cloud.maintenance.announces(web, "SystemMaintenance.Reboot", status="Scheduled", simulated=True)
    Scene(cloud, rules=[REBOOT], events=[announced]).play_on(database)
    assert fitting(database, {"decision": {"reason": "plan"}})
    assert fitting(database, {"plan": {"policy": "handle", "slot": True, "alone": True}})
    assert not fitting(database, {"plan": {"slot": False}})
    assert not fitting(database, {"plan": {"alone": False}})
    assert fitting(database, {"action": {"step": "dry reboot"}})
    assert not fitting(database, {"action": {"step": "reboot *"}})


def test_who_is_alive_is_told_by_the_heartbeat(database: Database) -> None:
    """A worker that was not heard of for a lease counts no more, nor one that left."""
    with database.transaction() as connection:
        assert not is_anyone_alive(connection)
        enlist(connection, "w1", "host")
        assert is_anyone_alive(connection)
        connection.execute(sa.update(WORKER).values(heartbeat=WORKER.c.heartbeat - 20_000))
        assert not is_anyone_alive(connection)
        assert is_anyone_alive(connection, 60_000)
        leave(connection, "w1")
        assert not is_anyone_alive(connection, 60_000)


@pytest.mark.parametrize("millis", [60_000, -1])
def test_a_lease_names_its_holder_while_it_lasts(database: Database, millis: int) -> None:
    """One that is over has none."""
    with database.transaction() as connection:
        assert holder_of(connection, "drill") == ""
        assert take_lease(connection, "drill", "me", millis)
        assert holder_of(connection, "drill") == ("me" if millis > 0 else "")
        give_up_leases(connection, "me")
        assert holder_of(connection, "drill") == ""
