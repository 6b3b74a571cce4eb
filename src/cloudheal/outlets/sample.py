"""One figure of one series as other systems take it: a name, labels, a value, a moment.

Names come from the settings and are reduced to letters, digits and underscores; whatever a log said stands in the value
of a label and nowhere else. A label for a group field begins with `by_`, so that none can take the place of `log`,
`metric` or `class`, which are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloudheal.logs.figures import Point

PREFIX = "cloudheal_log_"
_ODD = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which metric of which log figures are of, and the fields by which its lines are grouped."""

    log: str
    metric: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value at the end of its window, in seconds since 1970; labels in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at: int


def samples_of(origin: Origin, points: Iterable[Point], at: int) -> Iterator[Sample]:
    """Return the figures of a window that ends at `at`.

    A series that has more or fewer groups than the metric, because an agent has another definition or says so, is left
    out: without its labels it would pass for another one.
    """
    by = _labels(origin.by)
    ours = (("log", clean(origin.log)), ("metric", clean(origin.metric)))
    for point in points:
        if not math.isfinite(point.value) or len(point.key) != len(by):
            continue
        groups = zip(by, map(clean, point.key), strict=True)
        within = (("class", point.within),) if point.within else ()
        yield Sample(f"{PREFIX}{_plain(point.alias)}", tuple(sorted((*ours, *groups, *within))), float(point.value), at)


def clean(value: str) -> str:
    """Return a text without control characters, marks that turn writing, and what is no text at all."""
    if value.isprintable():
        return value
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value)


def _labels(fields: Sequence[str]) -> list[str]:
    """Name the labels of group fields; two that come to the same name are numbered."""
    found: list[str] = []
    for field in fields:
        name = f"by_{_plain(field)}"
        while name in found:
            name = f"{name}_{len(found)}"
        found.append(name)
    return found


def _plain(name: str) -> str:
    return _ODD.sub("_", name)
