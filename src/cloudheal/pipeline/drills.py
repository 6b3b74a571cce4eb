"""Ordering drills and taking them back: rows first, then the cloud, chunk by chunk, and what each chunk brought.

An order that cannot be carried out is refused before a row is written or a call is made. The answer about a chunk is
committed before the next chunk is sent. When an answer is lost the list of simulated events is asked what came of the
call; it is never made again. Whatever is not found there keeps its row, so that it can be taken back later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.errors import CloudPermanentError, CloudTransientError, RefusedError
from cloudheal.model.drill import (
    FAILURES,
    MOST_SCHEDULED,
    PLANNED,
    Allowance,
    Chunk,
    DrillOrder,
    DrillRow,
    DrillState,
)
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import FINAL, Cycle, SystemEvent
from cloudheal.ports.clock import Clock
from cloudheal.ports.drills import Drills
from cloudheal.ports.store import Store
from cloudheal.record.drills import Ended, add_drill, allowance, drill_rows, end_drills, note_events, note_problem

log = logging.getLogger("cloudheal.drills")

#: Cloud, account, region.
Place = tuple[Cloud, str, str]
#: Why an event cannot be taken back, beside the codes of vendors.
NOT_SHOWN, NOT_SIMULATED, NO_EVENT = "not_shown", "not_simulated", "no_event"
NOT_SENT = "not_sent"


class DrillRefusedError(RefusedError):
    """A drill cannot be ordered like this; nothing was written and nothing was asked of the cloud."""

    code = "drill.refused"


@dataclass(frozen=True, slots=True)
class Kept:
    """A drill that could not be taken back, and why: a vendor's code, a status, or one of the words above."""

    row: DrillRow
    why: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of taking drills back."""

    cancelled: tuple[DrillRow, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class DrillDesk:
    """Everything that drills need."""

    store: Store
    clock: Clock
    drills_of: Callable[[Cloud, str], Drills]
    regions_of: Callable[[Cloud, str], Sequence[str]]
    """The regions of an account: its limit counts all of them."""

    def order(self, order: DrillOrder) -> list[DrillRow]:
        """Carry an order out; returns its rows as they stand then. Raises DrillRefusedError, Cloud*Error before it."""
        self.check(order)
        with self.store.transaction() as connection:
            add_drill(connection, order)
        for place, servers in _by_place(order.servers).items():
            self._create(order, place, servers)
        return self._found(self.rows(order.id))

    def rows(self, *drills: str, live: bool = False) -> list[DrillRow]:
        """Return what is on record of drills, without a name of all."""
        with self.store.snapshot() as connection:
            return drill_rows(connection, drills=drills, live=live)

    def settle(self, rows: Sequence[DrillRow]) -> Mapping[str, SystemEvent]:
        """Ask the clouds about drills that are not over: find lost events, note what is over; returns events by id.

        Raises Cloud*Error; what was settled by then stays so.
        """
        found: dict[str, SystemEvent] = {}
        open_ones = [one for one in rows if one.state is DrillState.OPEN]
        lost = [one for one in rows if one.state is DrillState.CREATING]
        for place, mine in _rows_by_place(lost).items():
            found |= self._adopt(place, mine)
        for place, mine in _rows_by_place(open_ones).items():
            found |= self._note_ends(place, mine)
        return found

    def take_back(self, rows: Sequence[DrillRow]) -> TakenBack:
        """Take drills back that are not over; real events and finished ones are left alone. Raises Cloud*Error."""
        self.settle(rows)
        with self.store.snapshot() as connection:
            named = {(one.drill, one.resource) for one in rows}
            fresh = drill_rows(connection, drills=sorted({one.drill for one in rows}))
        mine = [one for one in fresh if (one.drill, one.resource) in named]
        cancelled: list[DrillRow] = []
        kept = [Kept(one, one.problem or one.state) for one in mine if one.state is DrillState.OVER]
        kept += [Kept(one, NO_EVENT) for one in mine if one.state is DrillState.CREATING]
        for place, open_ones in _rows_by_place(one for one in mine if one.state is DrillState.OPEN).items():
            refused = self._cancel(place, open_ones)
            cancelled += [one for one in open_ones if one.event not in refused]
            kept += [Kept(one, refused[one.event]) for one in open_ones if one.event in refused]
        ended = {(one.drill, one.resource): Ended(DrillState.CANCELLED) for one in cancelled}
        with self.store.transaction() as connection:
            end_drills(connection, ended, self.clock.now())
        return TakenBack(tuple(cancelled), tuple(kept))

    def cancel_events(self, places: Iterable[Place], ids: Sequence[str]) -> Mapping[str, str]:
        """Take simulated events back that no drill on record is about, wherever they are; returns why others were not.

        Raises Cloud*Error.
        """
        left, refused = list(ids), dict[str, str]()
        for place in places:
            why = self._cancelled(self._drills(place), place[2], left) if left else {}
            refused |= {id_: text for id_, text in why.items() if text != NOT_SHOWN}
            left = [id_ for id_ in left if why.get(id_) == NOT_SHOWN]
        return refused | dict.fromkeys(left, NOT_SHOWN)

    def strangers(self, place: Place) -> list[SystemEvent]:
        """List the simulated events of a place that no drill on record is about. Raises Cloud*Error."""
        listed = self._drills(place).simulated(place[2])
        with self.store.snapshot() as connection:
            ours = {one.event for one in drill_rows(connection, events=[one.id for one in listed])}
        return [one for one in listed if one.id not in ours]

    def allowance(self, resource: ResourceId, event: SystemEvent) -> Allowance:
        """Say what the drills on record allow about an event, which was just read, on a resource."""
        with self.store.snapshot() as connection:
            return allowance(connection, resource, event, self.clock.now())

    # --- ordering --------------------------------------------------------------------------------

    def check(self, order: DrillOrder) -> None:
        """Raise DrillRefusedError for an order that the cloud would refuse, with the limit in it."""
        if order.type not in (*PLANNED, *FAILURES):
            known = ", ".join(one.removeprefix("Instance:") for one in (*PLANNED, *FAILURES))
            raise DrillRefusedError(f"no cloud simulates {order.type}; known are {known}")
        if not order.servers:
            raise DrillRefusedError("no server is selected")
        if order.not_before <= self.clock.now():
            raise DrillRefusedError(f"{order.not_before.isoformat(timespec='seconds')} has passed")
        for (cloud, account), servers in _by_account(order.servers).items():
            waiting = self._waiting(cloud, account) if order.is_planned and len(servers) <= MOST_SCHEDULED else 0
            if waiting + len(servers) > MOST_SCHEDULED:
                message = (
                    f"account {account} may have {MOST_SCHEDULED} simulated events that wait for their time:"
                    f" {waiting} wait already, {len(servers)} more are asked for"
                )
                raise DrillRefusedError(message, what_to_do="Take some back with cloudheal drill cancel, or ask less.")

    def _waiting(self, cloud: Cloud, account: str) -> int:
        drills = self.drills_of(cloud, account)
        listed = (one for region in self.regions_of(cloud, account) for one in drills.simulated(region))
        return sum(one.status == Cycle.SCHEDULED for one in listed)

    def _found(self, rows: Sequence[DrillRow]) -> list[DrillRow]:
        """Look for what lost answers were about; a cloud that does not answer leaves that for later."""
        lost = [one for one in rows if one.state is DrillState.CREATING]
        try:
            self.settle(lost)
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("drill.unsettled servers=%d code=%s", len(lost), problem.vendor_code)
        return self.rows(*{one.drill for one in rows})

    def _create(self, order: DrillOrder, place: Place, servers: Sequence[str]) -> None:
        """Ask for the events of one place, and write down what each call brought."""
        asked: set[str] = set()
        try:
            for chunk in self._drills(place).create(place[2], order.type, order.not_before, servers):
                asked |= set(chunk.servers)
                self._note(order, place, chunk)
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("drill.refused drill=%s region=%s code=%s", order.id, place[2], problem.vendor_code)
        rest = [one for one in servers if one not in asked]
        self._end(order, place, rest, NOT_SENT)

    def _note(self, order: DrillOrder, place: Place, chunk: Chunk) -> None:
        if chunk.problem and not chunk.lost:
            self._end(order, place, chunk.servers, chunk.problem)
            return
        with self.store.transaction() as connection:
            note_events(connection, order.id, place, chunk.events, self.clock.now())
            if chunk.problem:
                note_problem(connection, order.id, place, chunk.servers, chunk.problem)

    def _end(self, order: DrillOrder, place: Place, servers: Sequence[str], problem: str) -> None:
        """Write that these servers have no event."""
        ids = set(servers)
        mine = [one for one in order.servers if one.id in ids and _place_of(one) == place]
        ended = {(order.id, one): Ended(DrillState.OVER, problem) for one in mine}
        with self.store.transaction() as connection:
            end_drills(connection, ended, self.clock.now())

    # --- settling and taking back ----------------------------------------------------------------

    def _adopt(self, place: Place, rows: Sequence[DrillRow]) -> Mapping[str, SystemEvent]:
        """Find the events of rows without an id among the simulated ones that nobody has."""
        listed = self._drills(place).simulated(place[2])
        now = self.clock.now()
        with self.store.transaction() as connection:
            taken = {one.event for one in drill_rows(connection, events=[one.id for one in listed])}
            free = [one for one in listed if one.id not in taken]
            waiting = [one for one in drill_rows(connection, live=True) if one.state is DrillState.CREATING]
            found: dict[str, SystemEvent] = {}
            for row in rows:
                mine = next((one for one in free if one.id not in found and _is_of(row, one)), None)
                if mine is not None and _is_one(waiting, mine):
                    found[mine.id] = mine
                    note_events(connection, row.drill, place, {row.resource.id: mine.id}, now)
                elif mine is None and now > row.not_before:
                    end_drills(connection, {(row.drill, row.resource): Ended(DrillState.OVER, NO_EVENT)}, now)
        return found

    def _note_ends(self, place: Place, rows: Sequence[DrillRow]) -> Mapping[str, SystemEvent]:
        """Read events that are known by their id, and write down which of them are over."""
        found = self._drills(place).events(place[2], [one.event for one in rows])
        now = self.clock.now()
        ended = {(one.drill, one.resource): how for one in rows if (how := _ended(one, found.get(one.event), now))}
        with self.store.transaction() as connection:
            end_drills(connection, ended, now)
        return found

    def _cancel(self, place: Place, rows: Sequence[DrillRow]) -> Mapping[str, str]:
        return self._cancelled(self._drills(place), place[2], [one.event for one in rows])

    @staticmethod
    def _cancelled(drills: Drills, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Take back what is simulated and not over; returns by id why the rest was left alone."""
        shown = drills.events(region, ids)
        why = {id_: _in_the_way(shown.get(id_)) for id_ in ids}
        refused = drills.cancel(region, [id_ for id_ in ids if not why[id_]])
        return {id_: text for id_, text in why.items() if text} | dict(refused)

    def _drills(self, place: Place) -> Drills:
        return self.drills_of(place[0], place[1])


def _in_the_way(event: SystemEvent | None) -> str:
    """Say why an event must not or cannot be taken back; empty when it can."""
    if event is None:
        return NOT_SHOWN
    if not event.simulated:
        return NOT_SIMULATED
    return event.status if event.status in FINAL else ""


def _ended(row: DrillRow, event: SystemEvent | None, now: datetime) -> Ended | None:
    """Say how a drill ended; None while it goes on."""
    if event is None:
        return Ended(DrillState.OVER, NOT_SHOWN) if now > row.not_before else None
    if event.status == Cycle.CANCELED:
        return Ended(DrillState.CANCELLED)
    return Ended(DrillState.OVER, event.status) if event.status in FINAL else None


def _is_of(row: DrillRow, event: SystemEvent) -> bool:
    same_time = event.not_before is not None and event.not_before.replace(microsecond=0) == row.not_before
    return event.resource == row.resource and event.type == row.type and same_time


def _is_one(waiting: Iterable[DrillRow], event: SystemEvent) -> bool:
    """Say whether one drill alone waits for such an event: of two, of which one may be real, neither takes it."""
    return sum(_is_of(one, event) for one in waiting) == 1


def _place_of(server: ResourceId) -> Place:
    return server.cloud, server.account, server.region


def _by_place(servers: Iterable[ResourceId]) -> Mapping[Place, Sequence[str]]:
    found: dict[Place, list[str]] = {}
    for one in servers:
        found.setdefault(_place_of(one), []).append(one.id)
    return found


def _by_account(servers: Iterable[ResourceId]) -> Mapping[tuple[Cloud, str], Sequence[str]]:
    found: dict[tuple[Cloud, str], list[str]] = {}
    for one in servers:
        found.setdefault((one.cloud, one.account), []).append(one.id)
    return found


def _rows_by_place(rows: Iterable[DrillRow]) -> Mapping[Place, Sequence[DrillRow]]:
    found: dict[Place, list[DrillRow]] = {}
    for one in rows:
        found.setdefault(_place_of(one.resource), []).append(one)
    return found
