"""From minutes to windows: added up, and no more series in them than a metric may have.

A window of 60 minutes is the sum of 60 minutes, row by row and cell by cell, so that nothing in it is a mean of means.
Windows begin at whole multiples of their length since 1970. Which series stay is decided when a window is whole, by
how many lines each had, never by who came first; what the others had is in the row `__other__`, so that the sum over
the rows is the number of lines, and that they were too many is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from math import lcm

from cloudheal.logs.counting import Minute, Row, merged
from cloudheal.logs.names import OTHER

#: How long windows may be, in minutes.
LENGTHS = (1, 2, 3, 4, 5, 10, 15, 20, 30, 60)


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of one metric in a window; `start` in seconds since 1970. `error`: how many lines a row may lack.

    `left_out` counts the series that are in `__other__` because there were too many; at least, when minutes had too
    many themselves.
    """

    metric: str
    start: int
    minutes: int
    rows: tuple[Row, ...]
    error: int = 0
    left_out: int = 0

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.minutes * 60


@dataclass(frozen=True, slots=True)
class Overflow:
    """A metric had more series than it may have. `series` there were, `kept` have a row; the rest had `lines`."""

    metric: str
    start: int
    series: int
    kept: int
    lines: int


def lengths_together(minutes: Iterable[int]) -> int:
    """Return the shortest window that windows of all these lengths fill; at most an hour, which all of them fill."""
    return lcm(*minutes)


def is_other(row: Row) -> bool:
    """Say whether a row is what was left over, and not a group."""
    return bool(row.key) and all(part == OTHER for part in row.key)


def windows_of(minutes: Iterable[Minute], length: int, most: int) -> tuple[Window, ...]:
    """Add minutes of one metric up to windows, earliest first; minutes that were handed out twice are added too."""
    found: dict[int, list[Minute]] = defaultdict(list)
    for minute in minutes:
        found[minute.start - minute.start % (length * 60)].append(minute)
    return tuple(_window(start, found[start], length, most) for start in sorted(found))


def capped(minute: Minute, most: int) -> tuple[Minute, Overflow | None]:
    """Return a minute with the largest series only, and what was too much, if anything was."""
    rows, left_over = _largest(minute.rows, most)
    if not left_over:
        return minute, None
    series = sum(not is_other(row) for row in minute.rows)
    lines = sum(row.count for row in rows if is_other(row))
    return replace(minute, rows=rows), Overflow(minute.metric, minute.start, series, most, lines)


def _window(start: int, minutes: list[Minute], length: int, most: int) -> Window:
    rows = merged(chain.from_iterable(minute.rows for minute in minutes))
    kept, left_out = _largest(rows, most)
    return Window(minutes[0].metric, start, length, kept, sum(minute.error for minute in minutes), left_out)


def _largest(rows: tuple[Row, ...], most: int) -> tuple[tuple[Row, ...], int]:
    """Return so many rows with the most lines and one of all others, by key, and how many the others were."""
    groups = [row for row in rows if not is_other(row)]
    if len(groups) <= most:
        return rows, 0
    groups.sort(key=lambda row: (-row.count, row.key))
    other = (OTHER,) * len(groups[0].key)
    rest = [replace(row, key=other) for row in (*groups[most:], *filter(is_other, rows))]
    return merged([*groups[:most], *rest]), len(groups) - most
