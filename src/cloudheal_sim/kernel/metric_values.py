"""Metric values as a pure function of seed, metric, dimensions and time; nothing is stored for a point.

A point with timestamp t tells of the time (t - period, t]. Every value is made from cells of one minute: a longer
period is the mean of its cells' averages, the least of their minima, the greatest of their maxima; a quarter of a
minute is a part of its cell such that the four parts agree with the cell. A point can be seen only some time after t,
drawn for each series and t alone. So a value never changes once it can be seen, whoever asks, in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import cos, pi
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Every value is made from cells of this many seconds.
CELL_SECONDS = 60
CELL = CELL_SECONDS * 1000
QUARTER = CELL // 4
_MASK = (1 << 64) - 1
_SHARE = float(1 << 21)
_WEEK_MINUTES = 7 * 24 * 60
#: The rhythm follows the clock of China; 1970-01-01 was a Thursday there as well.
_LOCAL_MINUTES = 8 * 60
_EPOCH_WEEKDAY = 3
_BUSIEST_HOUR = 14.5
_WEEKEND = 0.6


@dataclass(frozen=True, slots=True)
class Nature:
    """How values behave: a level with a rhythm of this share of it, noise, and the limits of what is possible."""

    level: float
    rhythm: float
    noise: float
    floor: float = 0.0
    ceiling: float = float("inf")


class Cell(NamedTuple):
    """The three statistics of one stretch of time."""

    average: float
    minimum: float
    maximum: float


def mixed(number: int) -> int:
    """Scramble 64 bits (the finalizer of splitmix64); cheap enough to be called for every cell."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def series_key(seed: int, namespace: str, metric: str, identity: str) -> int:
    """Return the 64 bits from which everything about one series is drawn."""
    return mixed(_digest(f"{seed}/{namespace}/{metric}") ^ _digest(identity))


@lru_cache(maxsize=50_000)
def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=1)
def _rhythm() -> tuple[float, ...]:
    """How busy each minute of the week is, from -1 to 1."""
    minutes = range(_WEEK_MINUTES)
    return tuple(_busy(minute // 1440, (minute % 1440) / 60) for minute in minutes)


def _busy(weekday: int, hour: float) -> float:
    wave = cos(2 * pi * (hour - _BUSIEST_HOUR) / 24)
    return wave * _WEEKEND - (1 - _WEEKEND) if weekday >= 5 else wave


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: the key it is drawn from and the nature of its metric."""

    key: int
    nature: Nature

    def cell(self, end: int) -> Cell:
        """Return the cell of one minute that ends at `end` (epoch milliseconds, a whole minute)."""
        minute = end // CELL
        bits = mixed(self.key ^ (minute * 0x9E3779B97F4A7C15 & _MASK))
        nature = self.nature
        week = (minute + _LOCAL_MINUTES + _EPOCH_WEEKDAY * 1440) % _WEEK_MINUTES
        own = 0.75 + (self.key & 0xFFFF) / 0x20000
        level = nature.level * own * (1 + nature.rhythm * _rhythm()[week])
        floor, ceiling, noise = nature.floor, nature.ceiling, nature.noise
        average = level + noise * ((bits >> 43) / _SHARE - 0.5)
        average = floor if average < floor else min(average, ceiling)
        minimum = average - noise * ((bits >> 22) & 0x1FFFFF) / _SHARE
        maximum = average + noise * (bits & 0x1FFFFF) / _SHARE
        return Cell(average, max(minimum, floor), min(maximum, ceiling))

    def quarter(self, end: int) -> Cell:
        """Return a quarter of a minute that ends at `end`; the four of a minute make up its cell."""
        whole = -(-end // CELL) * CELL
        index = 3 - (whole - end) // QUARTER
        return quarters(self.cell(whole), mixed(self.key ^ whole))[index]

    def delay(self, end: int, span: tuple[int, int]) -> int:
        """Return how many milliseconds after `end` its point can be seen, within `span`."""
        least, most = span
        return least + mixed(self.key ^ mixed(end)) % (most - least + 1)


def quarters(cell: Cell, bits: int) -> tuple[Cell, Cell, Cell, Cell]:
    """Divide a cell into four whose mean, least and greatest are the cell's."""
    reach = min(cell.average - cell.minimum, cell.maximum - cell.average)
    one, two = reach * ((bits & 0xFF) / 0xFF), reach * ((bits >> 8 & 0xFF) / 0xFF)
    lowest, highest = bits >> 16 & 3, bits >> 18 & 3
    averages = (cell.average + one, cell.average - two, cell.average - one, cell.average + two)
    first, second, third, fourth = (
        Cell(
            average,
            cell.minimum if index == lowest else (cell.minimum + average) / 2,
            cell.maximum if index == highest else (cell.maximum + average) / 2,
        )
        for index, average in enumerate(averages)
    )
    return first, second, third, fourth


def joined(cells: Sequence[Cell]) -> Cell:
    """Return the statistics over several stretches of equal length."""
    return Cell(
        sum(cell.average for cell in cells) / len(cells),
        min(cell.minimum for cell in cells),
        max(cell.maximum for cell in cells),
    )


def ends(start: int, stop: int, step: int) -> range:
    """Return the period ends in (start, stop], in milliseconds; periods are aligned to the epoch."""
    return range((start // step + 1) * step, stop + 1, step)


def cell_ends(end: int, period: int) -> Iterable[int]:
    """Return the ends of the cells that make up the period that ends at `end`."""
    return range(end - period + CELL, end + 1, CELL)
