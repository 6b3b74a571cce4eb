"""Measured traffic: a profile of the usual week from points, and the quietest cells of a grid.

Traffic follows people, so a profile counts in the wall time of its zone. Fifty levels up to the busiest time of the
week tell quiet from busy; within a level the difference is noise, and other reasons choose. What was never measured
counts as the busiest time: not knowing is no reason to reboot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from math import isfinite
from statistics import fmean
from zoneinfo import ZoneInfo

from cloudheal.decide.planning.grid import Grid
from cloudheal.model.plan import STEP, STEPS_OF_WEEK, LoadProfile

LEVELS = 50
STEPS_OF_DAY = timedelta(days=1) // STEP
#: For each level: what makes a digit of each level, 1 up to it and 0 above it.
_UPTO = [b"1" * (level + 1) + b"0" * (255 - level) for level in range(LEVELS)]


def profile_of(
    points: Iterable[tuple[datetime, float]], zone: str = "UTC", period: timedelta = STEP
) -> LoadProfile | None:
    """Return the usual week of measured points, each a moment and a load of any unit that held for `period` from there.

    Several weeks are averaged. A time that was measured on other days only gets their mean. None when there is no
    point. Numbers that are not finite are left out, negative ones count as none.
    """
    local, sums, counts = ZoneInfo(zone), [0.0] * STEPS_OF_WEEK, [0] * STEPS_OF_WEEK
    for moment, load in points:
        if isfinite(load):
            for step in range(max(1, period // STEP)):
                place = _place(moment + step * STEP, local)
                sums[place] += max(0.0, load)
                counts[place] += 1
    measured = [total / count if count else None for total, count in zip(sums, counts, strict=True)]
    known = [one for one in measured if one is not None]
    if not known:
        return None
    usual = fmean(known) or 1.0
    return LoadProfile(tuple(one / usual for one in _filled(measured, max(known))), zone)


def _filled(measured: Sequence[float | None], busiest: float) -> Iterable[float]:
    for place, load in enumerate(measured):
        others = [one for one in measured[place % STEPS_OF_DAY :: STEPS_OF_DAY] if one is not None]
        yield load if load is not None else fmean(others) if others else busiest


def _place(moment: datetime, zone: ZoneInfo) -> int:
    wall = moment.astimezone(zone)
    return wall.weekday() * STEPS_OF_DAY + (wall.hour * 60 + wall.minute) // 5


def places(zone: str, grid: Grid) -> tuple[int, ...]:
    """Return for each cell of a grid which step of the week it is in a zone."""
    local = ZoneInfo(zone)
    return tuple(_place(grid.moment(cell), local) for cell in range(grid.size))


@dataclass(slots=True)
class Traffic:
    """How busy slots of one length are, over a grid."""

    means: tuple[float, ...]
    places: tuple[int, ...]
    _levels: bytes = b""
    _ordered: list[float] = field(default_factory=list)
    _quieter: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        peak = max(self.means)
        scale = (LEVELS - 1) / peak if peak > 0 else 0.0
        ranks = bytes([int(mean * scale) for mean in self.means])
        self._levels = bytes(map(ranks.__getitem__, self.places))[::-1]
        self._ordered = sorted(self.means)

    def quietest(self, begins: int) -> int:
        """Return those of some beginnings, not none, which are on the quietest level among them."""
        low, high = 0, LEVELS - 1
        while low < high:
            middle = (low + high) // 2
            if begins & self._upto(middle):
                high = middle
            else:
                low = middle + 1
        return begins & self._upto(low)

    def load(self, begin: int) -> float:
        """Return the load of a slot, relative to the mean of the week."""
        return self.means[self.places[begin]]

    def busier(self, begin: int) -> float:
        """Return which part of the week is busier than a slot: 1 is all of it."""
        return 1 - bisect_right(self._ordered, self.load(begin)) / len(self._ordered)

    def _upto(self, level: int) -> int:
        found = self._quieter.get(level)
        if found is None:
            found = self._quieter[level] = int(self._levels.translate(_UPTO[level]), 2)
        return found


def traffic(profile: LoadProfile, length: int, where: tuple[int, ...]) -> Traffic:
    """Return how busy slots of `length` cells are; `where` holds the places of the grid in the profile's zone."""
    turns = -(-length // STEPS_OF_WEEK) + 1
    sums = [0.0, *accumulate(profile.loads * turns)]
    ends = sums[length : length + STEPS_OF_WEEK]
    # Rounded, because differences of sums are equal only nearly where loads are equal.
    means = (round((end - begin) / length, 9) for begin, end in zip(sums, ends, strict=False))
    return Traffic(tuple(means), where)
