"""Sends what the outbox holds: one worker at a time, with retries and backoff on the operator's clock.

A message is sent first and marked afterwards, so that a crash in between sends it again and never loses it. A target
that fails is tried again after 10 s, 20 s and so on up to an hour, and given up after a day; the others do not notice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cloudheal.notifiers.wording import Wording
from cloudheal.ports.clock import Clock
from cloudheal.ports.notify import Target
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.record.outbox import (
    Due,
    address,
    due,
    give_up,
    has_work,
    mark_failed,
    mark_sent,
    postpone,
    quiet_until,
)

log = logging.getLogger("cloudheal.notify")

#: Above the longest that one message may take at one target: the library's time-outs are 4 s each way.
LEASE_NAME, LEASE_MILLIS = "notify", 60_000
#: Messages to one target in one pass; what is more becomes one digest, so that no chat is flooded or throttles us.
MOST_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """When messages go out."""

    gather: timedelta = timedelta(seconds=5)
    """How long notices of one bundle are gathered into one message."""
    mute: timedelta = timedelta(minutes=30)
    """How long the same thing is not told again."""
    first_retry: timedelta = timedelta(seconds=10)
    longest_retry: timedelta = timedelta(hours=1)
    patience: timedelta = timedelta(days=1)

    def again(self, attempts: int) -> timedelta:
        """Return the pause after so many attempts that failed."""
        doubled: timedelta = self.first_retry * (1 << min(attempts, 16))
        return min(doubled, self.longest_retry)


@dataclass(frozen=True, slots=True)
class Sender:
    """Empties the outbox of one database; every worker has one, the lease lets one of them work."""

    store: Store
    worker: str
    targets: Sequence[Target]
    wording: Wording
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    second: frozenset[str] = frozenset()
    """The names of those targets that are told only of what was escalated."""

    def send_due(self) -> int:
        """Send everything that is due now; returns the number of messages that were taken."""
        with self.store.snapshot() as connection:
            if not has_work(connection, self.clock.now()):
                return 0
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return 0
            names = [one.name for one in self.targets]
            address(connection, names, self.pace.gather, self.clock.now(), self.second)
        return sum(self._send_to(target) for target in self.targets)

    def _send_to(self, target: Target) -> int:
        return sum(self._send(target, bundle) for bundle in bundles(self._ripe(target.name)))

    def _ripe(self, target: str) -> list[Due]:
        """Return what may be told now; what was told lately is put off to the end of its quiet time."""
        now = self.clock.now()
        with self.store.snapshot() as connection:
            found = due(connection, target, now)
            quiet = quiet_until(connection, target, [one.notice.key for one in found], self.pace.mute, now)
        if quiet:
            with self.store.transaction() as connection:
                for key, until in quiet.items():
                    postpone(connection, target, key, until)
        return [one for one in found if one.notice.key not in quiet]

    def _send(self, target: Target, bundle: Sequence[Due]) -> bool:
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return False
        problem = target.send(self.wording.letter([one.notice for one in bundle]))
        now = self.clock.now()
        with self.store.transaction() as connection:
            if not problem:
                mark_sent(connection, bundle, now)
                return True
            late = [one for one in bundle if now - one.notice.at >= self.pace.patience]
            rest = [one for one in bundle if now - one.notice.at < self.pace.patience]
            give_up(connection, late, problem, now)
            mark_failed(connection, rest, problem, self._again(bundle, now))
        log.warning(
            "notify.failed target=%s problem=%r notices=%d given_up=%d", target.name, problem, *_sizes(rest, late)
        )
        return False

    def _again(self, bundle: Sequence[Due], now: datetime) -> datetime:
        return now + self.pace.again(max(one.attempts for one in bundle))


def bundles(found: Sequence[Due]) -> list[list[Due]]:
    """Sort what is due into messages: one per bundle, repeats with the first of them, one digest beyond the most."""
    sorted_: dict[str, list[Due]] = {}
    home: dict[str, str] = {}
    for one in found:
        bundle = home.setdefault(one.notice.key, one.notice.bundle)
        sorted_.setdefault(bundle, []).append(one)
    messages = list(sorted_.values())
    if len(messages) <= MOST_MESSAGES:
        return messages
    digest = [one for message in messages[MOST_MESSAGES - 1 :] for one in message]
    return [*messages[: MOST_MESSAGES - 1], digest]


def _sizes(rest: Sequence[Due], late: Sequence[Due]) -> tuple[int, int]:
    return len(rest) + len(late), len(late)
