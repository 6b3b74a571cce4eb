"""Where CloudMonitor keeps what it is told: frozen records by key, each with its past for stale reads.

A record is at once what a handler works on and what the world document shows, so that a world that is read back says
exactly what was set. Every change goes through the journal. Records are replaced, never altered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter
from pydantic.types import AwareDatetime

from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import WorldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloudheal_sim.kernel.core import Kernel

_MOMENT: TypeAdapter[AwareDatetime] = TypeAdapter(AwareDatetime)
#: Removed records that a stale read may still show; by feel, more than a test removes within a stale read's age.
_REMEMBERED = 1000


def _instant(value: object) -> object:
    if isinstance(value, bool | int) or value is None:
        return value
    return to_millis(_MOMENT.validate_python(value))


#: Epoch milliseconds in the record, ISO text in the world document; None until the world is installed.
Instant = Annotated[
    int | None,
    BeforeValidator(_instant),
    PlainSerializer(lambda value: None if value is None else iso_millis(value), when_used="json"),
]


class Record(BaseModel):
    """Base of every kept record; unknown keys in a world document are errors, because they are misspelt ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def shown(self) -> dict[str, Any]:
        """Return the full form for the world document and the journal."""
        return self.model_dump(mode="json")


K = TypeVar("K", int, str)
R = TypeVar("R", bound=Record)


class Store(Generic[K, R]):
    """The records of one kind, in order of their creation."""

    def __init__(self, kernel: Kernel, what: str) -> None:
        self._kernel = kernel
        self._what = what
        self._kept: dict[K, Timeline[R | None]] = {}
        self._taken: set[K] = set()
        self.version = 0
        """Grows with every change, so that what is derived from the records can be remembered."""

    def put(self, key: K, record: R) -> R:
        """Keep a record under its key, in place of an earlier one."""
        return self._set(key, record) or record

    def remove(self, key: K) -> R | None:
        """Forget a record and return it; None when there was none."""
        found = self.get(key)
        if found is not None:
            self._set(key, None)
            self._prune()
        return found

    def get(self, key: K, as_of: int | None = None) -> R | None:
        """Return the record that a read answering for `as_of` shows; None means now."""
        timeline = self._kept.get(key)
        return None if timeline is None else timeline.at(as_of)

    def all(self, as_of: int | None = None) -> Iterator[R]:
        """Iterate over the records that a read answering for `as_of` shows."""
        seen = (timeline.at(as_of) for timeline in self._kept.values())
        return (record for record in seen if record is not None)

    def clear(self, taken: Iterable[K | None] = ()) -> None:
        """Forget every record; the keys `taken` will be used by records to come and are not free."""
        self._kept = {}
        self._taken = {key for key in taken if key is not None}
        self.version += 1

    def free(self, draw: Callable[[], K]) -> K:
        """Draw keys until one is free, and take it."""
        while (key := draw()) in self._taken or key in self._kept:
            pass
        self._taken.add(key)
        return key

    def replace(self, records: Iterable[tuple[K, R]]) -> None:
        """Begin again with these records."""
        now = self._kernel.clock.now()
        self._kept = {key: Timeline[R | None](record, now) for key, record in records}
        self.version += 1

    def dump(self) -> list[dict[str, Any]]:
        """Return the full form of every record."""
        return [record.shown() for record in self.all()]

    def _set(self, key: K, record: R | None) -> R | None:
        now, timeline = self._kernel.clock.now(), self._kept.get(key)
        before = timeline.value if timeline is not None else None
        if timeline is None or (before is None and record is not None):
            self._kept.pop(key, None)
            timeline = self._kept[key] = timeline or Timeline[R | None](None, now)
        timeline.set(record, now)
        self.version += 1
        self._kernel.journal.change(self._what, str(key), *_difference(before, record))
        return record

    def _prune(self) -> None:
        gone = [key for key, timeline in self._kept.items() if timeline.value is None]
        for key in gone[:-_REMEMBERED]:
            del self._kept[key]


def _difference(before: Record | None, after: Record | None) -> tuple[object, object]:
    """Return what the journal shows: both sides whole, or only the fields that differ when there are two."""
    if before is None or after is None:
        return before.shown() if before else None, after.shown() if after else None
    old, new = before.shown(), after.shown()
    changed = [name for name in new if old[name] != new[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


def only_once(keys: Iterable[object], where: str) -> None:
    """Raise WorldError when a key of a world document's list is there twice."""
    seen: set[object] = set()
    for key in keys:
        if key is not None and key in seen:
            msg = f"{where}: {key!r} is there twice"
            raise WorldError(msg)
        seen.add(key)
