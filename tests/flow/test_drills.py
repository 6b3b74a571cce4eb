"""Law 10, end to end: what a simulated event sets off is decided by rows that stand before its message can arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.keys import Keys
from cloudheal.model.drill import Chunk, DrillOrder, DrillRow, DrillState
from cloudheal.model.event import Channel
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.drills import DrillDesk
from cloudheal.playbooks.answering import UNREAD
from cloudheal.playbooks.sight import NOT_SHOWN
from cloudheal.ports.drills import Drills
from cloudheal.record.drills import Ended, add_drill, end_drills
from cloudheal.record.tables import INCIDENT, STEP
from cloudheal.testing import message
from tests.contract.conftest import postgres_url, usual_database_url
from tests.flow.test_reboot_in_window import (
    ACCOUNT,
    PEER,
    REGION,
    WEB,
    WEIGHTS,
    Maintaining,
    Start,
    start,
    world,
)

__all__ = ["postgres_url", "start", "usual_database_url"]

REBOOT = "Instance:SystemMaintenance.Reboot"
AT = datetime(2099, 1, 1, tzinfo=UTC)
GROUP = "SetVServerGroupAttribute"
CHANGING = {"RebootInstance", "CreateSnapshot", GROUP, "RunCommand"}
HEALED, DRY = ("healed", "avoided"), ("not needed", "simulated")


def server(id_: str) -> ResourceId:
    """Return a server of the account."""
    return ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", id_)


def order(*servers: str, real: bool = True, **changes: Any) -> DrillOrder:
    """Return an order for a simulated reboot that is far away."""
    now = datetime.now(UTC)
    plain = DrillOrder("dr-1", "", [server(one) for one in servers or (WEB,)], REBOOT, AT, real, "ops", now, AT)
    return replace(plain, **changes)


class Overtaken:
    """The simulated events of an account, whose answers arrive only when something else has happened."""

    def __init__(self, real: Drills, first: Callable[[], object]) -> None:
        self._real = real
        self._first = first

    def create(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        """Ask, and hold the answers back."""
        for chunk in self._real.create(region, type_, not_before, servers):
            self._first()
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def overtaken(healing: Maintaining, told: DrillOrder) -> tuple[list[DrillRow], Sequence[DrillRow]]:
    """Carry an order out whose answer arrives after the incident has ended; returns the rows meanwhile and then."""
    meanwhile: list[DrillRow] = []
    desk = healing.app.drills

    def first() -> None:
        healing.until_ended(1, seconds=60)
        meanwhile.extend(desk.rows())

    late = DrillDesk(desk.store, desk.clock, lambda *name: Overtaken(desk.drills_of(*name), first), desk.regions_of)
    return meanwhile, late.order(told)


def simulate(healing: Maintaining, id_: str = WEB) -> str:
    """Have an event simulated by somebody else; returns its id."""
    query = {"EventType": "SystemMaintenance.Reboot", "NotBefore": "2099-01-01T00:00:00Z", "InstanceId.1": id_}
    reply = Client(Keys("testid", "testsecret"), healing.simulator.url).call(
        ECS, "CreateSimulatedSystemEvents", REGION, query, 5
    )
    (event,) = reply["EventIdSet"]["EventId"]
    return str(event)


def nothing_was_called(healing: Maintaining) -> bool:
    """Say whether no call changed anything."""
    return not [one for one in healing.simulator.journal(kind="request") if one["action"] in CHANGING]


def test_a_message_that_overtakes_the_answer_finds_the_row(start: Start) -> None:
    """Healed for real while the row has no id yet; the answer then brings it, and the event is over."""
    healing = start()
    (meanwhile,), (row,) = overtaken(healing, order())
    assert healing.ended()[:2] == HEALED
    assert (healing.reboots(), healing.weights()) == (1, WEIGHTS)
    assert (meanwhile.event, meanwhile.state) == ("", DrillState.CREATING)
    assert (row.event, row.state) == (_event(healing), DrillState.OPEN)


def test_a_message_that_overtakes_the_answer_of_a_dry_drill_stays_dry(start: Start) -> None:
    """What would be done is journaled, nothing is called."""
    healing = start(snapshot=True)
    (meanwhile,), _ = overtaken(healing, order(real=False))
    assert healing.ended()[:2] == DRY
    assert meanwhile.event == ""
    assert nothing_was_called(healing)
    assert [row.name for row in healing.rows(STEP, STEP.c.kind != "read")] == ["dry reboot"]


def test_an_answer_that_never_comes_leaves_the_drill_as_real_as_it_was_ordered(start: Start) -> None:
    """The connection hangs after the events were made; they are found in the list, and the reboot is real."""
    healing = start()
    healing.fault("CreateSimulatedSystemEvents", {"kind": "effect-then-timeout", "hold_seconds": 0.5}, times=1)
    (row,) = healing.app.drills.order(order())
    assert (row.event, row.state) == (_event(healing), DrillState.OPEN)
    assert healing.ended()[:2] == HEALED
    assert healing.reboots() == 1
    assert len(healing.simulator.journal(action="CreateSimulatedSystemEvents")) == 1


@pytest.mark.parametrize(
    "row",
    [
        None,
        order(PEER),
        order(expires=datetime.now(UTC) - timedelta(seconds=1)),
        order(not_before=AT + timedelta(hours=1)),
        order(type="Instance:SystemMaintenance.Redeploy"),
    ],
    ids=["no row", "another server", "expired", "another time", "another type"],
)
def test_without_a_row_of_its_own_a_simulated_event_reboots_nothing(start: Start, row: DrillOrder | None) -> None:
    """Rows that allow real actions elsewhere, for another time or type, or no more, allow nothing here."""
    healing = start(snapshot=True)
    if row is not None:
        with healing.app.database.transaction() as connection:
            add_drill(connection, row)
    simulate(healing)
    assert healing.ended()[:2] == DRY
    assert nothing_was_called(healing)


def test_a_known_id_covers_its_own_event_only(start: Start) -> None:
    """A real drill is open on the server; the event that somebody else simulates for the same time stays dry."""
    healing = start(world({"avoiding": 86_400, "executing": 0.3}))
    # The drill's own message is lost: nothing but the other event is at work on the server.
    healing.simulator.control("PUT", "faults", [{"service": "cms", "times": 1, "fault": "lost-event"}])
    healing.app.drills.order(order())
    (mine,) = healing.app.drills.rows()
    theirs = simulate(healing)
    healing.until(lambda: [one for one in _ended_about(healing, theirs) if one])
    assert [row.name for row in healing.rows(STEP, STEP.c.name == "dry reboot")] == ["dry reboot"]
    assert mine.event != theirs


def test_a_drill_that_ends_between_the_looks_ends_the_reboot(start: Start) -> None:
    """Its row is gone when the event is read just before the call: what was taken out is put back, nobody reboots."""
    healing = start()
    desk, asked = healing.app.drills, []
    (row,) = desk.order(order())

    def once(resource: ResourceId, event: Any) -> Any:
        asked.append(event.id)
        if len(asked) == 2:
            with healing.app.database.transaction() as connection:
                end_drills(connection, {(row.drill, row.resource): Ended(DrillState.CANCELLED)}, datetime.now(UTC))
        return desk.allowance(resource, event)

    object.__setattr__(healing.app.healer, "allowance", once)
    assert healing.ended()[:2] == ("not needed", "drill_over")
    assert (healing.reboots(), healing.weights()) == (0, WEIGHTS)


@pytest.mark.parametrize("named", ["e-bp1nobody0000000001", ""], ids=["unknown id", "another server's event"])
def test_a_message_that_the_cloud_does_not_confirm_is_not_acted_on(start: Start, named: str) -> None:
    """An id that the cloud does not show, or shows for another server: a real drill on this one changes nothing."""
    healing = start()
    with healing.app.database.transaction() as connection:
        add_drill(connection, order())
    healing.simulator.control("PUT", "faults", [{"service": "cms", "fault": "lost-event"}])
    healing.simulator.chaos("maintenance_event", PEER, in_seconds=7200)
    event = named or _event(healing)
    content = {"eventId": event, "instanceId": WEB, "eventType": "SystemMaintenance.Reboot", "eventStatus": "Scheduled"}
    body = message(server(WEB), f"{REBOOT}:Scheduled", content, datetime.now(UTC), "Scheduled")
    healing.app.take([body], "forged", Channel.QUEUE)
    unread, *_ = healing.until(lambda: healing.rows(STEP, STEP.c.name == UNREAD))
    assert json.loads(unread.before) == {"problem": NOT_SHOWN}
    # The other server's event is real: when a look finds it meanwhile, that server is rebooted, and rightly so.
    touching = [one for one in healing.simulator.journal(kind="request") if one["action"] in CHANGING - {GROUP}]
    assert [one for one in touching if WEB in json.dumps(one)] == []
    assert {at: weight for at, weight in healing.weights().items() if at[0] == WEB} == {
        at: weight for at, weight in WEIGHTS.items() if at[0] == WEB
    }


def _event(healing: Maintaining) -> str:
    (event,) = healing.simulator.control("GET", "world")["alibaba"]["system_events"]
    return str(event["id"])


def _ended_about(healing: Maintaining, event: str) -> list[Any]:
    return [
        one
        for one in healing.rows(INCIDENT, INCIDENT.c.trouble_id == event, INCIDENT.c.ended.is_not(None))
        if json.loads(one.evidence)["code"] == "simulated"
    ]
