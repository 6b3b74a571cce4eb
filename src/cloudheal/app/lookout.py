"""Looks after the healer: canaries through every queue, the age of what waits there, silent accounts, long waits.

One worker does this for all, under a lease. What turns for the worse is told once, and once more when it is well again;
how everything is stands in the tables, so that every worker's /healthz shows the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.clock import Clock
from cloudheal.ports.queue import Queue
from cloudheal.ports.store import Store
from cloudheal.record.escalation import long_waits, write_waits
from cloudheal.record.leases import take_lease
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.watches import (
    Turn,
    arrivals,
    forget_watches,
    launch,
    newest_flight,
    note_watch,
    watches,
)
from cloudheal.sense.canary import canary_body
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.durations import written
from cloudheal.settings.watch import WatchSettings

log = logging.getLogger("cloudheal.watch")

#: Above the longest that one round may take: two calls to each queue.
LEASE_NAME, LEASE_MILLIS = "watch", 120_000
#: How often anything is looked at.
LOOK_EVERY = timedelta(seconds=5)
#: How often the age of a queue's oldest message is asked for.
AGE_EVERY = timedelta(seconds=30)


@dataclass(slots=True)
class Lookout:
    """Watches for one worker."""

    store: Store
    worker: str
    accounts: Sequence[AccountSettings]
    settings: WatchSettings
    connect: Callable[[AccountSettings, str], Queue]
    """Opens a connection to a queue of an account, closed after each use."""
    clock: Clock
    new_id: Callable[[], str]
    _looked: datetime | None = None
    _asked: dict[str, datetime] = field(default_factory=dict)
    """When each queue's age was asked for last, answered or not."""

    def tick(self) -> bool:
        """Look at everything that is due; False when nothing is or another worker does."""
        if self._looked is not None and self.clock.now() - self._looked < LOOK_EVERY:
            return False
        self._looked = self.clock.now()
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return False
            self._silence(connection, self.clock.now())
            forget_watches(connection, set(self._names()))
        if not self._escalate():
            return False
        for one in inlets_of(self.accounts):
            self._age(one)
            self._canary(one)
        return True

    def _escalate(self) -> bool:
        """Tell people of those that wait too long, a few in each transaction; False when another worker does by now."""
        now, after = self.clock.now(), self.settings.escalate_after
        with self.store.snapshot() as connection:
            parts = long_waits(connection, after, now)
        for part in parts:
            with self.store.transaction() as connection:
                if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                    return False
                write_waits(connection, part, after, now)
        return True

    def _names(self) -> Iterator[str]:
        for account in self.accounts:
            yield source_watch(account)
        for one in inlets_of(self.accounts):
            yield age_watch(one.shown)
            yield canary_watch(one.shown)

    def _silence(self, connection: sa.Connection, now: datetime) -> None:
        """Note when events of each account came last; one never heard of counts from the first look."""
        came, seen = arrivals(connection), watches(connection)
        for account in self.accounts:
            name = source_watch(account)
            before = seen.get(name)
            last = before.looked - timedelta(seconds=before.value) if before else now
            heard = came.get((account.cloud, account.id), last)
            silent = max((now - heard).total_seconds(), 0.0)
            limit = account.silent_after
            bad = limit is not None and silent > limit.total_seconds()
            turn = note_watch(connection, name, now, silent, bad=bad)
            facts = {"account": account.name, "limit": written(limit or timedelta())}
            _tell(connection, turn, (Topic.SOURCE_SILENT, Topic.SOURCE_BACK), account.name, facts, now)

    def _age(self, inlet: Inlet) -> None:
        queue = inlet.shown
        now, name = self.clock.now(), age_watch(queue)
        if queue in self._asked and now - self._asked[queue] < AGE_EVERY:
            return
        self._asked[queue] = now
        try:
            with closing(self.connect(*inlet)) as place:
                oldest = place.oldest()
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("watch.no_age queue=%s code=%s", queue, problem.vendor_code)
            return
        age = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
        limit = self.settings.queue_age
        with self.store.transaction() as connection:
            turn = note_watch(connection, name, now, age, bad=age > limit.total_seconds())
            facts = {"queue": queue, "limit": written(limit)}
            _tell(connection, turn, (Topic.QUEUE_LATE, Topic.QUEUE_CURRENT), queue, facts, now)

    def _canary(self, inlet: Inlet) -> None:
        """Send a canary when one is due, and look whether those before came back."""
        wanted, now, queue = self.settings.canary, self.clock.now(), inlet.shown
        if wanted is None:
            return
        with self.store.snapshot() as connection:
            newest = newest_flight(connection, queue)
            ripe = newest_flight(connection, queue, now - wanted.within)
        if ripe is not None:
            away = (now - ripe.sent).total_seconds() if ripe.returned is None else 0.0
            with self.store.transaction() as connection:
                turn = note_watch(connection, canary_watch(queue), now, away, bad=ripe.returned is None)
                facts = {"queue": queue, "limit": written(wanted.within)}
                _tell(connection, turn, (Topic.CANARY_MISSING, Topic.CANARY_BACK), queue, facts, now)
        if newest is None or now - newest.sent >= wanted.every:
            self._send(inlet, now)

    def _send(self, inlet: Inlet, now: datetime) -> None:
        """Send a canary, written down first: one that cannot be sent does not come back either."""
        id_, queue = self.new_id(), inlet.shown
        with self.store.transaction() as connection:
            launch(connection, id_, queue, now)
        try:
            with closing(self.connect(*inlet)) as place:
                place.send(canary_body(id_))
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("canary.not_sent queue=%s code=%s", queue, problem.vendor_code)


class Inlet(NamedTuple):
    """One queue of an account."""

    account: AccountSettings
    queue: str

    @property
    def shown(self) -> str:
        """Its name as people see it."""
        return f"{self.account.name}/{self.queue}"


def inlets_of(accounts: Sequence[AccountSettings]) -> list[Inlet]:
    """Return the queues of all accounts."""
    return [Inlet(account, one.name) for account in accounts for one in account.inlets]


def age_watch(queue: str) -> str:
    """Name the watch of a queue's age."""
    return f"queue.late {queue}"


def canary_watch(queue: str) -> str:
    """Name the watch of a queue's canaries."""
    return f"canary.missing {queue}"


def source_watch(account: AccountSettings) -> str:
    """Name the watch of an account's events."""
    return f"source.silent {account.name}"


def _tell(
    connection: sa.Connection,
    turn: Turn | None,
    topics: tuple[Topic, Topic],
    about: str,
    facts: Mapping[str, str],
    now: datetime,
) -> None:
    """Tell people of a turn, for the worse or for the better."""
    if turn is not None:
        topic = topics[0] if turn is Turn.WORSE else topics[1]
        log.warning("%s about=%s", topic, about) if turn is Turn.WORSE else log.info("%s about=%s", topic, about)
        key = f"{topic}|{about}"
        tell(connection, Notice(topic, now, key, key, facts))
