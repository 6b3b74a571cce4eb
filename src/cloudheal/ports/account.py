"""One account of a cloud, with everything that it offers. Adapters stand in `clouds/`, one folder each.

What a cloud has not is None, and whoever needs it says so to the operator; nothing is stood in for by something else.
A verb that a cloud lacks raises CloudPermanentError with the code NotOffered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cloudheal.errors import CloudPermanentError
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Compute, Verbs
from cloudheal.ports.drills import Drills
from cloudheal.ports.excerpt import LedgerSink, Post
from cloudheal.ports.findings import Finding
from cloudheal.ports.fleet import Announcements, Fleet
from cloudheal.ports.queue import Queue
from cloudheal.ports.trail import Trail

#: The code of what a cloud has not.
NOT_OFFERED = "NotOffered"


def not_offered(what: str, cloud: str) -> CloudPermanentError:
    """Return the error of a verb that a cloud has not."""
    return CloudPermanentError(f"{cloud} has no {what}", vendor_code=NOT_OFFERED)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is asked for of a cloud's monitoring; the metric is known to the vendor by these words."""

    region: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period: timedelta


class Metrics(Protocol):
    """The monitoring of one account."""

    def points(self, metric: Metric, since: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
        """Yield what was measured, several series after each other. Raises Cloud*Error, also in the middle."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What an account is used for, as far as permissions hang on it; `verbs` are those of its rules' playbooks."""

    verbs: frozenset[str] = frozenset()
    canaries: bool = False
    metrics: bool = False
    setup: bool = False
    drills: bool = False
    log_stores: tuple[tuple[str, str], ...] = ()
    """Stores of logs that are written: the address of the project, and the name."""


@dataclass(frozen=True, slots=True)
class RoleState:
    """How the short-lived keys of an account's role stand; without `until` there are none that hold."""

    role: str
    until: datetime | None
    problem: str = ""
    """The vendor's code of the last try to fetch others, when it failed."""
    what_to_do: str = ""


class Account(Protocol):
    """One account of a cloud; `hurried` work is counted by our own rates and does not wait for them."""

    @property
    def compute(self) -> Compute:
        """The servers."""

    def verbs(self, compute: Compute | None = None, *, hurried: bool = False) -> Verbs:
        """Return everything that playbooks may ask; `compute` in place of the account's own."""

    def fleet(self) -> Fleet:
        """Return what a sweep looks at."""

    def announcements(self) -> Announcements:
        """Return what the cloud announces."""

    def drills(self) -> Drills | None:
        """Return the simulated events; None when the cloud has none."""

    def trail(self) -> Trail | None:
        """Return the audit trail; None when the settings do not ask for it, or the cloud's is not known here."""

    def metrics(self) -> Metrics | None:
        """Return the monitoring; None when the cloud's is not known here."""

    def queue(self, name: str) -> Queue | None:
        """Open a connection to a queue of events; None when the account has none of that name."""

    def log_store(self, url: str, name: str, post: Post) -> LedgerSink | None:
        """Return a store of logs that takes the ledger, at its project's address; None when the cloud has none."""

    def role(self) -> RoleState | None:
        """Say how the keys of its role stand; None when it has none."""

    def examine(self, duties: Duties, clock: Clock) -> Iterator[Finding]:
        """Look whether it can be used for its duties, without touching anything."""
