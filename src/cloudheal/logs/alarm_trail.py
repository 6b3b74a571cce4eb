"""The last hour or two of a series under an alarm: where it stood at their beginning, and its level after each period.

A correction of a closed period (a line that came late, a host that made up for an outage) changes what was judged.
Judging anew needs a standing from before that period; there are two, an hour apart, and the older one is given up for a
new one when both are more than an hour old. So nothing is read twice while nothing is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from cloudheal.logs.alarms import Alarm, Standing
from cloudheal.model.alarm import Level

#: Corrections of periods that ended within this are judged; older ones are in the figures and change no alarm.
CORRECTED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stood:
    """How a series stood at an instant (epoch seconds), before the period that begins then."""

    at: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Trail:
    """One or two marks, the older first, and the level after each period since the first of them."""

    marks: tuple[Stood, ...] = ()
    levels: tuple[Level, ...] = ()

    def walked(self, alarm: Alarm, start: int, before: Standing, after: Standing) -> Trail:
        """Return the trail with one more period, which began at `start`; one that leads elsewhere begins anew."""
        step, most = alarm.minutes * 60, corrected_periods(alarm)
        here = self
        if not here.marks or here.marks[0].at + len(here.levels) * step != start:
            here = Trail((Stood(start, before),))
        here = replace(here, levels=(*here.levels, after.level))
        end = Stood(start + step, after)
        if len(here.marks) == 1 and len(here.levels) == most:
            return replace(here, marks=(*here.marks, end))
        if len(here.levels) == 2 * most:
            return Trail((here.marks[1], end), here.levels[most:])
        return here


def corrected_periods(alarm: Alarm) -> int:
    """Return how many periods back corrections are judged."""
    return max(1, int(CORRECTED.total_seconds()) // (alarm.minutes * 60))
