"""Planning: scheduled maintenance of 100,000 servers in 1,000 groups, and the plan after one event moved.

Groups have windows in four zones, a load profile, both or neither; events fall due within two weeks. Everything is
planned by one thread. The baseline of the same run is the plain way on the same requests, a small part of them,
because it tries one beginning after the other and looks at every cell and hour of it.

Run: make bench, or python benchmarks/plan.py [SERVERS]
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from bench.figures import Spent, met, resident_mib, shown, spending

from cloudheal.decide.planning.load import profile_of
from cloudheal.decide.planning.planner import plan, replan
from cloudheal.model.plan import (
    STEP,
    STEPS_OF_WEEK,
    Budgets,
    LoadProfile,
    Maintenance,
    PlanRequest,
    Policy,
    Schedule,
    Terms,
)
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.window import Window, is_in_any

SERVERS, GROUPS, NAIVE_GROUPS, MOST_SECONDS = 100_000, 1_000, 20, 10
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC")
HOUR = timedelta(hours=1)


def profile(chance: random.Random, zone: str) -> LoadProfile:
    """Return a week with quiet nights and some noise."""
    monday = datetime(2026, 2, 23, tzinfo=UTC)
    points = []
    for step in range(STEPS_OF_WEEK):
        day = 1 + math.sin(2 * math.pi * (step % 288) / 288 - 2)
        points.append((monday + step * STEP, 10 + 100 * day + chance.uniform(0, 20)))
    made = profile_of(points, zone)
    assert made is not None
    return made


def terms(chance: random.Random) -> Terms:
    """Return what a group agrees to."""
    zone = chance.choice(ZONES)
    window = Window("FREQ=DAILY", time(chance.randrange(24)), chance.choice((3, 4, 6)) * HOUR, zone)
    windows = (window,) if chance.random() < 0.6 else ()
    return Terms(windows, profile(chance, zone) if chance.random() < 0.3 else None)


def request(servers: int, groups: int) -> PlanRequest:
    """Return events for so many servers, a hundred or so in each group."""
    chance = random.Random(7)
    events = tuple(
        Maintenance(
            f"e-{number:06d}",
            ResourceId(Cloud.ALIBABA, "1", "cn-beijing", "instance", f"i-{number:06d}"),
            NOW + timedelta(minutes=chance.randrange(36 * 60, 14 * 24 * 60)),
            timedelta(minutes=chance.choice((5, 8, 10, 15))),
            group=f"g{number % groups}",
            policy=Policy.HANDLE,
        )
        for number in range(servers)
    )
    return PlanRequest(NOW, events, {f"g{number}": terms(chance) for number in range(groups)}, Budgets(400, 2_000))


def naive(wanted: PlanRequest) -> int:
    """Place each event, earliest deadline first, at the first beginning at which every cell is free."""
    everywhere: dict[datetime, int] = {}
    groups: dict[tuple[str, datetime], int] = {}
    begun: dict[datetime, int] = {}
    ordered = sorted(wanted.maintenances, key=lambda one: one.not_before - one.lasts - one.margin)
    return sum(_placed(wanted, one, everywhere, groups, begun) for one in ordered)


def _placed(
    wanted: PlanRequest,
    one: Maintenance,
    everywhere: dict[datetime, int],
    groups: dict[tuple[str, datetime], int],
    begun: dict[datetime, int],
) -> bool:
    windows, begin = wanted.terms[one.group].windows, wanted.now
    while begin < one.not_before - one.lasts - one.margin:
        cells = [begin + step * STEP for step in range(-(-one.lasts // STEP))]
        hour = sum(begun.get(begin - step * STEP, 0) for step in range(12))
        if (
            hour < wanted.budgets.per_hour
            and all(not windows or is_in_any(windows, cell) for cell in cells)
            and all((one.group, cell) not in groups for cell in cells)
            and all(everywhere.get(cell, 0) < wanted.budgets.at_once for cell in cells)
        ):
            begun[begin] = begun.get(begin, 0) + 1
            for cell in cells:
                groups[one.group, cell] = 1
                everywhere[cell] = everywhere.get(cell, 0) + 1
            return True
        begin += STEP
    return False


def planned(
    wanted: PlanRequest, before: Schedule | None = None, touched: Sequence[str] | None = None
) -> tuple[Schedule, Spent]:
    """Plan, or plan again, and time it."""
    with spending() as spent:
        made = plan(wanted) if before is None else replan(wanted, before, touched)
    return made, spent


def moved(wanted: PlanRequest, events: Sequence[int]) -> PlanRequest:
    """Return the same request after some events are due a day earlier."""
    changed = list(wanted.maintenances)
    for number in events:
        one = changed[number]
        earlier = one.not_before - timedelta(days=1)
        changed[number] = Maintenance(
            one.event, one.resource, earlier, one.lasts, group=one.group, policy=Policy.HANDLE
        )
    return PlanRequest(wanted.now, tuple(changed), wanted.terms, wanted.budgets)


def main() -> int:
    """Measure and print everything."""
    servers = int(sys.argv[1]) if len(sys.argv) > 1 else SERVERS
    wanted = request(servers, GROUPS)
    made, spent = planned(wanted)
    goal = f"< {MOST_SECONDS} s: {met(spent.cpu < MOST_SECONDS)}"
    shown(
        f"plan of {servers:,} events over {GROUPS:,} groups, CPU (wall)",
        f"{spent.cpu:.2f} s ({spent.wall:.2f} s)",
        goal,
    )
    shown("  with a slot, without one", f"{len(made.rows):,}, {len(made.unplaced):,}")
    shown("  memory after it", f"{resident_mib():.0f} MiB")
    changes = range(0, servers, servers // 10)
    later = moved(wanted, changes)
    whole, entire = planned(later, made)
    again, after = planned(later, made, [wanted.maintenances[number].group for number in changes])
    shown("planned again after ten events moved, CPU", f"{entire.cpu:.2f} s", "- (baseline)")
    figure = f"{after.cpu:.2f} s (1/{entire.cpu / after.cpu:.1f})"
    shown("  the same when the groups of the events are named", figure)
    assert again.rows == whole.rows
    old = {row.resource: row.begin for row in made.rows}
    shown("  slots that moved", f"{sum(old.get(row.resource) != row.begin for row in again.rows):,}")
    part = request(NAIVE_GROUPS * servers // GROUPS, NAIVE_GROUPS)
    few, ours = planned(part)
    with spending() as theirs:
        placed = naive(part)
    shown(
        f"the plain way, {len(part.maintenances):,} events over {NAIVE_GROUPS} groups, CPU",
        f"{theirs.cpu:.2f} s",
        "- (baseline)",
    )
    shown("  with a slot: plain, ours", f"{placed:,}, {len(few.rows):,}")
    shown("ours on the same part, times faster", f"{theirs.cpu / ours.cpu:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
