"""Instants and values with a past, between a world document and the objects that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

V = TypeVar("V")


def timeline(value: V, since: int, history: Sequence[tuple[datetime, V]]) -> Timeline[V]:
    """Build a value with its past from a document."""
    if not history:
        return Timeline(value, since)
    (first, oldest), *others = history
    made = Timeline(oldest, to_millis(first))
    for moment, earlier in others:
        made.set(earlier, to_millis(moment))
    made.set(value, since)
    return made


def timeline_document(of: Timeline[V], written_as: Callable[[V], object] = lambda value: value) -> dict[str, object]:
    """Write a value with its past as `status`, `since` and, where there is a past, `history`."""
    *past, (since, value) = [(moment, written_as(one)) for moment, one in of.entries()]
    written: dict[str, object] = {"status": value, "since": iso_millis(since)}
    if past:
        written["history"] = [[iso_millis(moment), earlier] for moment, earlier in past]
    return written


def moments(**instants: int | None) -> dict[str, object]:
    """Write those instants that there are."""
    return {name: iso_millis(instant) for name, instant in instants.items() if instant is not None}


def instant_of(moment: datetime | None, otherwise: V) -> int | V:
    """Read an instant of a document; what stands there otherwise when it is absent."""
    return otherwise if moment is None else to_millis(moment)
