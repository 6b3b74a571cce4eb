"""What drills on record allow, on both databases: real actions for one event of one server, for a time, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.errors import CloudTransientError
from cloudheal.model.drill import Allowance, DrillOrder, DrillRow, DrillState
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.pipeline.drills import NO_EVENT, NOT_SENT, DrillDesk, DrillRefusedError
from cloudheal.record.database import Database, open_database
from cloudheal.record.drills import Ended, add_drill, allowance, drill_rows, end_drills, note_events
from cloudheal.record.schema import migrate
from cloudheal.testing import FakeCloud, VirtualClock

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
PLACE = (Cloud.ALIBABA, ACCOUNT, REGION)
REBOOT = "Instance:SystemMaintenance.Reboot"


def server(id_: str) -> ResourceId:
    """Return a server of the account."""
    return ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", id_)


WEB, PEER = server("i-web"), server("i-peer")
EVENT = SystemEvent("e-1", REBOOT, WEB, "Scheduled", NOW, LATER, simulated=True)


def order(*servers: ResourceId, real: bool = True, **changes: Any) -> DrillOrder:
    """Return an order for a rehearsed reboot in two hours."""
    plain = DrillOrder("dr-1", "night", servers or (WEB,), REBOOT, LATER, real, "ops", NOW, LATER)
    return replace(plain, **changes)


def allowed(database: Database, about: SystemEvent = EVENT, on: ResourceId = WEB, at: datetime = NOW) -> Allowance:
    """Ask what is allowed."""
    with database.snapshot() as connection:
        return allowance(connection, on, about, at)


def ordered(database: Database, *orders: DrillOrder, event: str = "") -> None:
    """Write orders down, and the id of their event where the cloud has told it."""
    with database.transaction() as connection:
        for one in orders:
            add_drill(connection, one)
            if event:
                note_events(connection, one.id, PLACE, {one.servers[0].id: event}, NOW)


# --- law 10, row by row -----------------------------------------------------------------------------------


def test_without_a_row_nothing_is_allowed(database: Database) -> None:
    """Neither about a simulated event nor about a real one."""
    assert allowed(database) is Allowance.NONE
    assert allowed(database, replace(EVENT, simulated=False)) is Allowance.NONE


@pytest.mark.parametrize("wanted", [Allowance.REAL, Allowance.DRY])
@pytest.mark.parametrize("event", ["", "e-1"], ids=["before the answer", "after it"])
def test_a_row_allows_what_it_says_before_and_after_the_answer(
    database: Database, wanted: Allowance, event: str
) -> None:
    """A message may overtake the answer to the call that made its event."""
    ordered(database, order(real=wanted is Allowance.REAL), event=event)
    assert allowed(database) is wanted


@pytest.mark.parametrize(
    "other",
    [
        {"type": "Instance:SystemMaintenance.Redeploy"},
        {"not_before": LATER + timedelta(seconds=1)},
        {"not_before": None},
        {"simulated": False},
    ],
    ids=["type", "time", "no time", "a real event"],
)
def test_before_the_answer_only_an_event_that_looks_like_ours_is_ours(
    database: Database, other: dict[str, Any]
) -> None:
    """Another type, another time, no time, or not simulated: a row that waits for its id is not about it."""
    ordered(database, order())
    assert allowed(database, replace(EVENT, **other)) is Allowance.NONE


def test_after_the_answer_only_the_event_itself_is_ours(database: Database) -> None:
    """Another simulated event of the same server and time is somebody else's."""
    ordered(database, order(), event="e-1")
    assert allowed(database, replace(EVENT, id="e-2")) is Allowance.NONE


@pytest.mark.parametrize("event", ["", "e-1"], ids=["before the answer", "after it"])
def test_a_row_is_about_its_own_server_only(database: Database, event: str) -> None:
    """A real row about one server never allows anything on another, also not about that server's own event."""
    ordered(database, order(WEB), event=event)
    assert allowed(database, EVENT, on=PEER) is not Allowance.REAL
    assert allowed(database, replace(EVENT, resource=PEER), on=PEER) is not Allowance.REAL
    assert allowed(database, replace(EVENT, resource=PEER), on=WEB) is not Allowance.REAL


@pytest.mark.parametrize("event", ["", "e-1"], ids=["before the answer", "after it"])
def test_what_has_expired_allows_nothing_real(database: Database, event: str) -> None:
    """To the second."""
    ordered(database, order(expires=NOW + timedelta(minutes=5)), event=event)
    assert allowed(database, at=NOW + timedelta(minutes=5, seconds=-1)) is Allowance.REAL
    assert allowed(database, at=NOW + timedelta(minutes=5)) is Allowance.DRY


@pytest.mark.parametrize("state", [DrillState.CANCELLED, DrillState.OVER])
def test_what_is_over_allows_nothing_real(database: Database, state: DrillState) -> None:
    """Also while the cloud goes on showing the event."""
    ordered(database, order(), event="e-1")
    with database.transaction() as connection:
        assert end_drills(connection, {("dr-1", WEB): Ended(state)}, NOW) == 1
    assert allowed(database) is Allowance.DRY


def test_where_two_rows_disagree_the_dry_one_counts(database: Database) -> None:
    """Two drills of one server for the same time, before either answer."""
    ordered(database, order(), order(real=False, id="dr-2"))
    assert allowed(database) is Allowance.DRY


def test_an_event_that_we_asked_for_is_a_drill_whatever_the_cloud_calls_it(database: Database) -> None:
    """By its id, also when its reason is in other words: a dry drill keeps it dry."""
    ordered(database, order(real=False), event="e-1")
    assert allowed(database, replace(EVENT, simulated=False)) is Allowance.DRY


# --- ordering and taking back -----------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite: these statements are shown on both databases above."""
    opened = open_database(f"sqlite:///{tmp_path / 'drills.db'}")
    migrate(opened)
    yield opened
    opened.close()


class Rehearsing:
    """A desk for drills before a fake cloud with some servers."""

    def __init__(self, database: Database, servers: int = 3) -> None:
        self.database = database
        self.cloud = FakeCloud(VirtualClock(NOW), account=ACCOUNT, region=REGION)
        self.servers = [self.cloud.server(f"i-{number:04}") for number in range(1, servers + 1)]
        self.desk = DrillDesk(
            database, self.cloud.clock, lambda _cloud, _account: self.cloud.drills, lambda *_: [REGION]
        )

    def order(self, **changes: Any) -> list[DrillRow]:
        """Order a drill for all servers."""
        return self.desk.order(order(*self.servers, **changes))

    def states(self) -> list[str]:
        """Return how far each drill is."""
        with self.database.snapshot() as connection:
            return [one.state.value for one in drill_rows(connection)]


def test_rows_stand_before_the_cloud_is_asked(tables: Database) -> None:
    """Seen from inside the call: a row for each server, without ids."""
    at = Rehearsing(tables)
    seen: list[tuple[str, str]] = []

    def looking(call: Callable[..., Any]) -> Callable[..., Any]:
        def looked(*given: Any) -> Any:
            seen.extend((one.state.value, one.event) for one in at.desk.rows())
            return call(*given)

        return looked

    at.cloud.drills.create = looking(at.cloud.drills.create)  # type: ignore[method-assign]
    rows = at.order()
    assert seen == [("creating", "")] * 3
    assert {one.event for one in rows} == set(at.cloud.maintenance.events())
    assert at.states() == ["open"] * 3


def test_what_cannot_be_ordered_leaves_no_row_and_no_call(tables: Database) -> None:
    """A past time, an unknown type, nobody selected, the 1001st: refused, with the limit named (S2.1, S2.5)."""
    at = Rehearsing(tables, servers=1001)
    for refused, words in [
        (order(at.servers[0], not_before=NOW), "has passed"),
        (order(at.servers[0], type="Instance:Unheard.Of"), "known are SystemMaintenance.Reboot"),
        (order(at.servers[0], servers=()), "no server"),
        (order(*at.servers), "may have 1000 simulated events"),
    ]:
        with pytest.raises(DrillRefusedError, match=words):
            at.desk.order(refused)
    assert at.desk.rows() == []
    at.desk.order(order(*at.servers[:1000]))
    with pytest.raises(DrillRefusedError, match="1000 wait already, 1 more"):
        at.desk.order(order(at.servers[1000], id="dr-2"))
    at.desk.take_back(at.desk.rows("dr-1")[:1])
    (row,) = at.desk.order(order(at.servers[1000], id="dr-2"))
    assert row.state is DrillState.OPEN


def test_what_the_cloud_refuses_is_over_and_the_rest_is_not_sent(tables: Database) -> None:
    """The first of two calls is refused: nothing is open, nothing is allowed."""
    at = Rehearsing(tables, servers=150)
    at.cloud.refuses("create_drills", "InvalidInstanceId.NotFound")
    rows = at.order()
    assert {one.state for one in rows} == {DrillState.OVER}
    assert [one.problem for one in rows].count("InvalidInstanceId.NotFound") == 100
    assert [one.problem for one in rows].count(NOT_SENT) == 50


def test_a_lost_answer_is_looked_for_in_the_list(tables: Database) -> None:
    """The call did its work: its events are found by server, type and time, and the rows have their ids."""
    at = Rehearsing(tables)
    at.cloud.loses_the_answer("create_drills")
    rows = at.order()
    assert {one.event for one in rows} == set(at.cloud.maintenance.events())
    assert {one.state for one in rows} == {DrillState.OPEN}


def test_of_two_drills_that_wait_for_the_same_event_neither_takes_it(tables: Database) -> None:
    """A dry one and a real one for the same server and second, both without an answer: no guess, and nothing real."""
    at = Rehearsing(tables, servers=1)
    at.cloud.loses_the_answer("create_drills")
    with tables.transaction() as connection:
        add_drill(connection, order(*at.servers, id="dr-dry", real=False))
    (row,) = at.order()
    (event,) = at.cloud.maintenance.events().values()
    assert (row.state, row.event) == (DrillState.CREATING, "")
    assert at.desk.allowance(at.servers[0], event) is Allowance.DRY
    assert at.desk.rows("dr-dry")[0].event == ""


def test_a_lost_call_leaves_rows_that_can_be_taken_back(tables: Database) -> None:
    """Nobody knows whether it arrived; the rows say so, and taking them back finds nothing to take."""
    at = Rehearsing(tables, servers=1)
    at.cloud.loses_the_call("create_drills")
    (row,) = at.order()
    assert (row.state, row.event, row.problem) == (DrillState.CREATING, "", "TimeoutError")
    told = at.desk.take_back([row])
    assert [(one.row.resource, one.why) for one in told.kept] == [(at.servers[0], NO_EVENT)]


def test_taking_back_leaves_finished_ones_alone_and_says_why(tables: Database) -> None:
    """One ran to its end meanwhile, one is gone from the list, one is taken back."""
    at = Rehearsing(tables)
    rows = at.order()
    at.cloud.maintenance.moves(next(one.event for one in rows if one.resource == at.servers[0]), "Executed")
    told = at.desk.take_back(rows)
    assert [one.resource for one in told.cancelled] == at.servers[1:]
    assert [(one.row.resource, one.why) for one in told.kept] == [(at.servers[0], "Executed")]
    assert sorted(at.states()) == ["cancelled", "cancelled", "over"]
    assert {one.status for one in at.cloud.maintenance.events().values()} == {"Executed", "Canceled"}


def test_a_real_event_is_never_taken_back(tables: Database) -> None:
    """By its id, beside a simulated one."""
    at = Rehearsing(tables, servers=1)
    at.cloud.maintenance.announces(at.servers[0])
    (real,) = at.cloud.maintenance.announced(at.servers[0])
    (row,) = at.order()
    refused = at.desk.cancel_events([PLACE], [real, row.event, "e-none"])
    assert refused == {real: "not_simulated", "e-none": "not_shown"}
    assert at.cloud.maintenance.events()[real].status == "Scheduled"
    assert at.cloud.maintenance.events()[row.event].status == "Canceled"


def test_a_cloud_that_does_not_answer_leaves_everything_as_it_is(tables: Database) -> None:
    """Before the first row: the limit cannot be counted, so nothing is ordered."""
    at = Rehearsing(tables)
    at.cloud.throttles("simulated")
    with pytest.raises(CloudTransientError):
        at.order()
    assert at.desk.rows() == []


def test_a_list_that_cannot_be_read_after_a_lost_answer_is_asked_again_later(tables: Database) -> None:
    """The order comes to its end; taking it back finds the events."""
    at = Rehearsing(tables, servers=1)
    at.cloud.loses_the_answer("create_drills")
    listing, calls = at.cloud.drills.simulated, iter([True, True, False])

    def simulated(region: str) -> Any:
        if not next(calls, True):
            raise CloudTransientError("no answer", vendor_code="InternalError")
        return listing(region)

    at.cloud.drills.simulated = simulated  # type: ignore[method-assign]
    (row,) = at.order()
    assert (row.state, row.event) == (DrillState.CREATING, "")
    told = at.desk.take_back([row])
    (cancelled,) = told.cancelled
    assert cancelled.event in at.cloud.maintenance.events()
