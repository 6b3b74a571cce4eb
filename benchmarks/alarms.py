"""Alarms on log metrics: how many series times rules are evaluated in a second, on one core.

One period of a thousand series, the most that a metric has, and of a hundred thousand, as of many hosts, under thirty
rules: one to three levels, in a row and n of m, bounds and comparisons with yesterday, one series in a hundred without
data. The baseline of the same run is the definition in plain Python; before any time is printed both have made the same
of the same values.

Run: make bench, or python benchmarks/alarms.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from bench.figures import met, shown

from cloudheal.logs.alarm_board import Board, Floats, RuleTable, advance, rule_table
from cloudheal.logs.alarms import Alarm, Seen, Standing, alarm_of, stepped, unheard
from cloudheal.model.alarm import Than
from cloudheal.settings.alarms import AlarmSettings

GOAL = 100e6
SIZES = (1_000, 100_000)
PERIODS, BEST_OF, COMPARED = 5, 20, 1_000


def alarms() -> list[Alarm]:
    """Return alarms with thirty rules in all."""
    mixed: list[dict[str, Any]] = [
        {"warn": {"over": 80, "times": 3}},
        {"critical": {"over": 95, "times": 2}, "warn": {"over": 90, "times": 3}, "info": {"over": 70, "times": 5}},
        {"critical": {"at_least": 99, "times": 3, "of": 5}},
        {"warn": {"under": 5, "times": 3}},
        {"warn": {"up": 50, "than": "yesterday", "over": 10, "times": 1}, "info": {"up": 20, "than": "previous"}},
        {"critical": {"over": 60, "times": 8, "of": 8}, "warn": {"over": 50, "times": 4}},
    ]
    levels = [one for _ in range(3) for one in mixed]
    settings = ({"name": f"a{row}", "metric": "m", "value": "v", "levels": one} for row, one in enumerate(levels))
    return [alarm_of(AlarmSettings.model_validate(one), "web", ("url",), 1) for one in settings]


def best(work: Callable[[], object]) -> float:
    """Return the shortest of some times, in CPU seconds: the machine may have other things to do."""
    times = []
    for _ in range(BEST_OF):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def in_plain_python(table: RuleTable, values: list[Floats], references: dict[Than, Floats], series: int) -> list[Any]:
    """Return the standings of the first series after some periods."""
    found: list[list[Standing]] = [[unheard(one)] * series for one in table.alarms]
    for period in values:
        seen_values = [None if np.isnan(one) else float(one) for one in period[:series]]
        seen = [
            Seen(one, {than: float(many[column]) for than, many in references.items()})
            for column, one in enumerate(seen_values)
        ]
        found = [
            [stepped(one, before, at, in_hours=True) for before, at in zip(row, seen, strict=True)]
            for one, row in zip(table.alarms, found, strict=True)
        ]
    return found


def drawn(series: int, chance: random.Random) -> list[Floats]:
    """Return the values of some periods; one in a hundred is none."""
    return [
        np.array([np.nan if chance.random() < 0.01 else chance.random() * 100 for _ in range(series)])
        for _ in range(PERIODS)
    ]


def main() -> None:
    """Print the figures."""
    table = rule_table(alarms())
    rules, hours = len(table.low), [True] * len(table.alarms)
    for series in SIZES:
        values = drawn(series, random.Random(7))
        references = {than: np.roll(values[0], number + 1) for number, than in enumerate(Than)}
        boards = [Board.fresh(table, series)]
        for period in values:
            boards.append(advance(table, boards[-1], period, references, hours))
        few = min(series, COMPARED)
        began = time.process_time()
        plain = in_plain_python(table, values, references, few)
        slow = PERIODS * few * rules / (time.process_time() - began)
        assert [row[:few] for row in boards[-1].standings(table)] == plain, "the two do not agree"
        once = partial(advance, table, boards[-2], values[-1], references, hours)
        fast = series * rules / best(once)
        times = f"{fast / slow:,.0f} x plain Python"
        shown(
            f"{series:,} series x {rules} rules",
            f"{fast / 1e6:.0f} million/s",
            f"{GOAL / 1e6:.0f} million/s {met(fast >= GOAL)}",
        )
        shown("  the same in plain Python", f"{slow / 1e6:.2f} million/s", times)


if __name__ == "__main__":
    main()
