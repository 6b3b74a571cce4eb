"""Reconciliation: what the queue lost is found by looking.

A sweep describes every server of every region every 15 minutes, so that a lost message is noticed, a release that
nobody told is recorded, and groups have their true sizes. Servers being reclaimed have minutes, so they may be looked
for more often. Servers known from an event only are described in batches. One worker at a time polls, by lease; when
each poll is due stands in the database, so that a restart does not spend the quota anew.

What the cloud has planned for servers, or did to them, is listed too and joined with what messages told; it is days
ahead, so there is no hurry, but half a list is never taken for the whole.

A look that broke off says so and calls nothing absent. Cadence and jitter are on the operator's clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.event import Event
from cloudheal.model.inventory import Description, Known
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline.intake import Intake
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Place
from cloudheal.ports.fleet import Announcements, Fleet
from cloudheal.ports.store import Store
from cloudheal.record.inventory import described, known, not_described, not_seen_since
from cloudheal.record.leases import take_lease
from cloudheal.record.memberships import changes, write_change
from cloudheal.record.polls import COMPLETE, HANDED_OVER, due_polls, plan_poll
from cloudheal.record.system_events import note_vanished, open_elsewhere, open_of_disks

log = logging.getLogger("cloudheal.polling")

LEASE = "poll"
#: Renewed at every tick; a worker that died is followed within this.
LEASE_MILLIS = 30_000
#: How far a due time is moved at random, so that accounts and installations do not all call at once.
JITTER = 0.1
#: How often servers that only an event has named are described, and how many of them in one go.
ENRICH_EVERY, ENRICH_MOST = timedelta(seconds=5), 1000
#: Regions that only events have named, and no settings: so many are asked in one go, because they may be made up.
MOST_OTHERS = 10
#: A server that an event named and that the cloud does not know after so long is gone.
GONE_AFTER = timedelta(minutes=5)
#: Servers that a sweep did not show are asked for, and released, so many at a time; thousands may be gone at once.
MISSING_AT_ONCE = 100
#: The poll of what the cloud announces.
SYSTEM_EVENTS = "system_events"
DISK_EVENTS = "disk_events"
#: A list of system events that broke off is read again so soon; a refusal passes by nobody's waiting.
READ_AGAIN = timedelta(minutes=2)
#: An event that a message told may be missing from the list for so long.
UNLISTED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Watched:
    """One account under watch."""

    cloud: Cloud
    account: str
    regions: tuple[str, ...]
    fleet: Fleet
    announcements: Announcements
    balanced: bool = False
    """True when balancers are swept too: a playbook of the rules changes them, or they form the groups."""
    disks: bool = False
    """True when what befalls disks is listed too: a playbook of the rules answers it."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often each look is taken; None: never."""

    sweep: timedelta
    reclaimed: timedelta | None
    system_events: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls for every account, when it is due and when the lease is ours."""

    store: Store
    intake: Intake
    worker: str
    watched: Sequence[Watched]
    cadence: Cadence
    clock: Clock
    chance: Callable[[], float]
    """Draws a number from 0 to 1, for jitter."""

    def tick(self) -> int:
        """Make every poll that is due; returns how many were made. Another worker's lease: none."""
        now = self.clock.now()
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE, self.worker, LEASE_MILLIS):
                return 0
            due = due_polls(connection, [name for name, _, _ in self._polls()], now)
        return sum(self._made(name, every, poll) for name, every, poll in self._polls() if name in due)

    def lookup(self, subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
        """Find what is known of resources; those never described are looked at once, by the hundred."""
        with self.store.snapshot() as connection:
            found = described(connection, subjects)
        missing = [one for one in subjects if one not in found]
        if not missing:
            return found
        for watched, region, ids in self._places(missing):
            try:
                self.intake.learn(list(watched.fleet.look(region, ids)))
            except (CloudTransientError, CloudPermanentError) as problem:
                log.warning("lookup.failed region=%s code=%s", region, problem.vendor_code)
        with self.store.snapshot() as connection:
            rows = known(connection, missing)
        return {**found, **{name: row.resource for name, row in rows.items()}}

    def _polls(self) -> Iterator[tuple[str, timedelta, Callable[[], str]]]:
        for one in self.watched:
            place = f"{one.cloud}/{one.account}"
            for region in one.regions:
                yield f"sweep/{place}/{region}", self.cadence.sweep, partial(self._sweep, one, region)
                if self.cadence.reclaimed is not None:
                    yield f"reclaimed/{place}/{region}", self.cadence.reclaimed, partial(self._reclaimed, one, region)
                if self.cadence.system_events is not None:
                    name = f"{SYSTEM_EVENTS}/{place}/{region}"
                    yield name, self.cadence.system_events, partial(self._announced, one, region)
                    if one.disks:
                        name = f"{DISK_EVENTS}/{place}/{region}"
                        yield name, self.cadence.system_events, partial(self._of_disks, one, region)
            yield f"enrich/{place}", ENRICH_EVERY, partial(self._enrich, one)

    def _made(self, name: str, every: timedelta, poll: Callable[[], str]) -> bool:
        try:
            outcome = poll()
        except (CloudTransientError, CloudPermanentError) as problem:
            outcome = problem.vendor_code or problem.code
            log.warning("poll.incomplete poll=%s code=%s", name, outcome)
            if name.startswith(SYSTEM_EVENTS) and isinstance(problem, CloudTransientError):
                every = min(every, READ_AGAIN)
        now = self.clock.now()
        due = now + every * (1 + JITTER * self.chance())
        with self.store.transaction() as connection:
            plan_poll(connection, name, due, now, outcome)
            return take_lease(connection, LEASE, self.worker, LEASE_MILLIS)

    def _sweep(self, watched: Watched, region: str) -> str:
        members = self._members(watched, region) if watched.balanced else None
        began = self.clock.now()
        for page in watched.fleet.sweep(region, members):
            if not self._noticed(page, (), began):
                return HANDED_OVER
        with self.store.snapshot() as connection:
            missing = not_seen_since(connection, watched.cloud, watched.account, region, "instance", began)
        for start in range(0, len(missing), MISSING_AT_ONCE):
            some, asked = missing[start : start + MISSING_AT_ONCE], self.clock.now()
            seen = list(watched.fleet.look(region, [one.id for one in some]))
            if not self._noticed(seen, sorted({*some} - {one.id for one in seen}), asked):
                return HANDED_OVER
        return COMPLETE

    def _members(self, watched: Watched, region: str) -> Sequence[tuple[Place, str]] | None:
        """Look at every balancer of a region, and keep who is in which group; None where that is not allowed."""
        try:
            found = watched.fleet.members(region)
        except CloudPermanentError as problem:
            log.warning("members.refused region=%s code=%s", region, problem.vendor_code)
            return None
        with self.store.snapshot() as connection:
            parts = changes(connection, watched.cloud, watched.account, region, found)
        for part in parts:
            with self.store.transaction() as connection:
                write_change(connection, part)
        return found

    def _reclaimed(self, watched: Watched, region: str) -> str:
        pages = watched.fleet.reclaimed(region)
        return COMPLETE if all(self._noticed(page, (), self.clock.now()) for page in pages) else HANDED_OVER

    def _announced(self, watched: Watched, region: str) -> str:
        """List what the cloud announces in a region; what was open and is not shown any more is asked for by its id."""
        began, seen = self.clock.now(), set[str]()
        for page in watched.announcements.announced(region):
            seen.update(str(event.data["event_id"]) for event in page)
            if not self._heard(page):
                return HANDED_OVER
        with self.store.snapshot() as connection:
            missing = open_elsewhere(connection, watched.cloud, watched.account, region, began - UNLISTED, seen)
        shown = watched.announcements.system_events(region, missing) if missing else {}
        with self.store.transaction() as connection:
            gone = [(watched.cloud, watched.account, one) for one in missing if one not in shown]
            vanished = note_vanished(connection, gone, self.clock.now())
        if vanished:
            log.warning("system_events.vanished region=%s events=%d", region, vanished)
        return COMPLETE

    def _of_disks(self, watched: Watched, region: str) -> str:
        """List what befalls the disks of a region; what was open and is not shown any more is over."""
        before = self.clock.now() - UNLISTED
        with self.store.snapshot() as connection:
            known = open_of_disks(connection, watched.cloud, watched.account, region, before)
        found = watched.announcements.of_disks(region, known)
        return COMPLETE if self._heard(found) else HANDED_OVER

    def _heard(self, page: Sequence[Event]) -> bool:
        """Take a page in; False when the polls have become another worker's meanwhile."""
        taken = self.intake.hear(page)
        if taken.new:
            log.info("poll.found new=%d acting=%d", taken.new, taken.acting)
        with self.store.transaction() as connection:
            return take_lease(connection, LEASE, self.worker, LEASE_MILLIS)

    def _enrich(self, watched: Watched) -> str:
        """Describe servers that only an event has named; one that the cloud does not know after a while is gone.

        An event may have named a region that does not exist, which is refused or not found at all: it keeps nobody else
        from being described.
        """
        outcome = COMPLETE
        with self.store.snapshot() as connection:
            waiting = not_described(connection, watched.cloud, watched.account, ENRICH_MOST)
        asked = self.clock.now()
        for region, rows in _listed_first(_by_region(waiting), watched.regions):
            try:
                seen = list(watched.fleet.look(region, [row.resource.id.id for row in rows]))
            except (CloudTransientError, CloudPermanentError) as problem:
                outcome = problem.vendor_code or problem.code
                log.warning("enrich.failed region=%s servers=%d code=%s", region, len(rows), outcome)
                continue
            self.intake.learn(seen)
            late = {row.resource.id for row in rows if row.resource.as_of < asked - GONE_AFTER}
            if not self._noticed((), sorted(late - {one.id for one in seen}), asked):
                return HANDED_OVER
        return outcome

    def _noticed(self, described: Sequence[Description], missing: Sequence[ResourceId], at: datetime) -> bool:
        """Take a page in; False when the polls have become another worker's meanwhile."""
        taken = self.intake.notice(described, missing, at)
        if taken.new:
            log.info("poll.found new=%d acting=%d", taken.new, taken.acting)
        with self.store.transaction() as connection:
            return take_lease(connection, LEASE, self.worker, LEASE_MILLIS)

    def _places(self, subjects: Sequence[ResourceId]) -> Iterator[tuple[Watched, str, list[str]]]:
        accounts = {(one.cloud, one.account): one for one in self.watched}
        places: dict[tuple[Cloud, str, str], list[str]] = {}
        for one in subjects:
            if one.kind == "instance":
                places.setdefault((one.cloud, one.account, one.region), []).append(one.id)
        for (cloud, account, region), ids in places.items():
            watched = accounts.get((cloud, account))
            if watched is not None and region in watched.regions:
                yield watched, region, ids


def _listed_first(by_region: Mapping[str, list[Known]], listed: Sequence[str]) -> Iterator[tuple[str, list[Known]]]:
    """Yield the regions of the settings, and then a few of the others."""
    yield from ((region, rows) for region, rows in by_region.items() if region in listed)
    others = ((region, rows) for region, rows in by_region.items() if region not in listed)
    yield from islice(others, MOST_OTHERS)


def _by_region(rows: Sequence[Known]) -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = {}
    for row in rows:
        found.setdefault(row.resource.id.region, []).append(row)
    return found
