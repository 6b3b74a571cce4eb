"""The laws of a plan, read from the request by brute force: moment by moment, without the planner's own arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cloudheal.model.plan import STEP, Choice, Maintenance, PlanRequest, Policy, Schedule, Slot, Taken, Terms
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.window import is_in_any

#: A Monday noon in Shanghai.
NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def server(name: str) -> ResourceId:
    """Return a server's full name."""
    return ResourceId(Cloud.ALIBABA, "1", "cn-beijing", "instance", name)


def due(name: str, within: timedelta, *, lasts: timedelta = 5 * MINUTE, event: str = "", **more: object) -> Maintenance:
    """Return an event that is to be handled, whose platform acts after some time from now."""
    made = Maintenance(event or f"e-{name}", server(name), NOW + within, lasts, name=name, policy=Policy.HANDLE)
    values = {field: getattr(made, field) for field in Maintenance.__slots__} | more
    return Maintenance(**values)


def broken_laws(request: PlanRequest, schedule: Schedule) -> list[str]:
    """Return every law that a plan breaks, in words."""
    return [
        *_rows(request, schedule),
        *_complete(request, schedule),
        *_budgets(request, schedule),
        *(f"{row} outside its windows" for row in schedule.rows if not _in_windows(request, row)),
    ]


def _rows(request: PlanRequest, schedule: Schedule) -> Iterator[str]:
    known = {one.event: one for one in request.maintenances}
    for row in schedule.rows:
        events = [known[event] for event in row.events]
        lasts = max(one.lasts for one in events)
        if (row.begin - datetime(2001, 1, 1, tzinfo=UTC)) % STEP or (row.end - row.begin) % STEP:
            yield f"{row} off the grid"
        if row.begin < request.now - request.catch_up or row.end - row.begin < lasts:
            yield f"{row} begins in the past or is too short"
        for one in events:
            if not row.begin + lasts + one.margin < one.not_before or row.begin < (one.earliest or row.begin):
                yield f"{row} breaks the times of {one}"
            if one.resource != row.resource:
                yield f"{row} holds an event of another server"


def _complete(request: PlanRequest, schedule: Schedule) -> Iterator[str]:
    placed = [event for row in schedule.rows for event in row.events]
    missing = [event for one in schedule.unplaced for event in one.events]
    left = [one.event for one in schedule.left]
    if sorted([*placed, *missing, *left]) != sorted({one.event for one in request.maintenances}):
        yield "an event is lost or counted twice"
    if len({row.resource for row in schedule.rows}) != len(schedule.rows):
        yield "a server has two slots"


def _in_windows(request: PlanRequest, row: Slot) -> bool:
    windows = request.terms.get(row.group, Terms()).windows
    anywhere = any(one.anywhere and one.resource == row.resource for one in request.pins)
    if not windows or (anywhere and row.why.choice is Choice.PINNED):
        return True
    return all(is_in_any(windows, row.begin + minute * MINUTE) for minute in range((row.end - row.begin) // MINUTE))


def _budgets(request: PlanRequest, schedule: Schedule) -> Iterator[str]:
    slots = [*(Taken(row.begin, row.end, row.group, row.resource) for row in schedule.rows), *request.taken]
    for row in schedule.rows:
        together = [one for one in slots if one.begin <= row.begin < one.end or row.begin <= one.begin < row.end]
        for moment in {max(one.begin, row.begin) for one in together}:
            at_once = [one for one in slots if one.begin <= moment < one.end]
            if len(at_once) > request.budgets.at_once:
                yield f"{len(at_once)} at once at {moment}"
            if sum(one.group == row.group for one in at_once) > request.terms.get(row.group, Terms()).at_once:
                yield f"too many of {row.group} at once at {moment}"
        if any(_in_hour(slots, row.begin - back) > request.budgets.per_hour for back in _hours()):
            yield f"too many within an hour of {row.begin}"


def _hours() -> Sequence[timedelta]:
    return [step * STEP for step in range(12)]


def _in_hour(slots: Sequence[Taken], begin: datetime) -> int:
    return sum(begin <= one.begin < begin + HOUR for one in slots)
