"""The journal: what was asked, what was answered, what changed and why; the simulator's own proof.

Entries are appended in one order and numbered from 1. A request's entry carries the changes it caused at once; what a
timer, chaos or the control API causes stands as an entry of its own with that cause. Secrets never enter: a refused
signature shows both strings to sign, which hold the access key id but no secret. Old entries fall off the end.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.kernel.clock import Clock

Kind = Literal["request", "change", "event", "delivery"]

#: Entries kept; an entry is about 1 kB, so a full journal is about 200 MB at the very most.
CAPACITY = 200_000
#: Parameters whose values are replaced before anything is remembered.
SECRET_NAMES = frozenset({"password", "securitytoken", "x-acs-security-token", "secretkey", "signature", "token"})


@dataclass(frozen=True, slots=True)
class Change:
    """One fact about one object became another."""

    what: str
    id: str
    before: object
    after: object


@dataclass(slots=True)
class Entry:
    """One line of the journal; open while its request is being served."""

    seq: int
    at: int
    kind: Kind
    service: str = ""
    action: str = ""
    region: str = ""
    resources: tuple[str, ...] = ()
    access_key: str = ""
    verdict: str = ""
    fault: str = ""
    status: int = 0
    code: str = ""
    request_id: str = ""
    cause: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


class Journal:
    """An append-only, bounded, numbered list of entries."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._open: Entry | None = None
        self._cause = "timer"
        self.last_seq = 0

    def append(self, kind: Kind, **facts: object) -> Entry:
        """Add an entry and return it, so that its request can complete it."""
        self.last_seq += 1
        entry = Entry(self.last_seq, self._clock.now(), kind, **facts)  # type: ignore[arg-type]
        self._entries.append(entry)
        return entry

    @contextmanager
    def within(self, entry: Entry) -> Iterator[Entry]:
        """Attribute every change made inside the block to `entry`. The block must not await."""
        outer, self._open = self._open, entry
        try:
            yield entry
        finally:
            self._open = outer

    @contextmanager
    def caused_by(self, cause: str) -> Iterator[None]:
        """Attribute changes outside any request to `cause` (`chaos`, `control`, ...) instead of `timer`."""
        outer, self._cause = self._cause, cause
        try:
            yield
        finally:
            self._cause = outer

    def change(self, what: str, id_: str, before: object, after: object) -> Change:
        """Record that a fact changed: under the request being served, else as an entry of its own."""
        change = Change(what, id_, before, after)
        if self._open is not None:
            self._open.changes.append(change)
        else:
            self.append("change", resources=(id_,), cause=self._cause, changes=[change])
        return change

    def clear(self) -> None:
        """Forget every entry; numbering starts at 1 again."""
        self._entries.clear()
        self.last_seq = 0

    def entries(self, since: int = 0) -> tuple[Entry, ...]:
        """Return the entries numbered above `since`, oldest first."""
        if not self._entries:
            return ()
        skip = max(0, since + 1 - self._entries[0].seq)
        return tuple(islice(self._entries, skip, None))

    def newest(self, before: int = 0) -> Iterator[Entry]:
        """Iterate from the youngest entry to the oldest, beginning below number `before` (0 begins at the end)."""
        skip = max(0, self.last_seq - before + 1) if before else 0
        return islice(reversed(self._entries), skip, None)


def redacted(parameters: Mapping[str, str]) -> dict[str, str]:
    """Copy request parameters with secret values replaced and long ones cut; a nested one goes by its last name."""
    limit = 2000
    return {
        name: "***"
        if name.rpartition(".")[2].lower() in SECRET_NAMES
        else value
        if len(value) <= limit
        else value[:limit] + "..."
        for name, value in parameters.items()
    }
