"""What alarms would have made of a log that is there already: period by period, as a worker would have seen it live.

Nothing is stored and nobody is told. Lines that came late are where they belong, so that nothing is corrected here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cloudheal.logs.alarm_cap import EVERY_METRIC
from cloudheal.logs.alarm_rounds import Key, Line, Period, Turn, Values, keys_of, one_by_one, rounded
from cloudheal.logs.alarms import Alarm, start_of
from cloudheal.logs.counting import Minute
from cloudheal.logs.definition import Definition, Metric
from cloudheal.logs.figures import Figures
from cloudheal.logs.windows import Window, windows_of


def watched(figures: Figures, window: Window, alarm: Alarm) -> Values:
    """Return the value that an alarm watches, of every series of a window."""
    points = figures.of(window)
    return {one.key: float(one.value) for one in points if one.alias == alarm.alias and not one.within}


def left_out(alarm: Alarm, windows: Iterable[Window]) -> Mapping[int, Values]:
    """Return how many series windows of several metrics left out, the most of each metric within each period."""
    found: dict[int, dict[Key, float]] = defaultdict(dict)
    step = alarm.minutes * 60
    for one in windows:
        values, key = found[one.start - one.start % step], (one.metric,)
        values[key] = max(values.get(key, 0.0), float(one.left_out))
    return found


def rehearsed(definition: Definition, alarm: Alarm, minutes: Sequence[Minute], zone: ZoneInfo) -> Iterator[Turn]:
    """Yield what an alarm would have turned to, in the order of time, each with what people would have been told."""
    values = _values(definition, alarm, minutes)
    lines: Mapping[Key, Line] = {}
    step = alarm.minutes * 60
    begins = [one.start - one.start % step for one in minutes]
    for start in range(min(begins, default=0), max(begins, default=-1) + 1, step):
        references = {than: values.get(start_of(start, than, alarm.minutes, zone), {}) for than in alarm.compared}
        period = Period(start, start + step, values.get(start, {}), references)
        standings = one_by_one(alarm, keys_of(alarm, lines, [period]), lines, [period])
        made = rounded(alarm, lines, [period], standings, datetime.fromtimestamp(period.end, UTC))
        lines = made.lines
        yield from made.turns


def _values(definition: Definition, alarm: Alarm, minutes: Sequence[Minute]) -> Mapping[int, Values]:
    """Return what an alarm watches, by the beginning of each period."""
    if alarm.metric == EVERY_METRIC:
        grouped = [one for one in definition.metrics if one.by]
        return left_out(alarm, (window for one in grouped for window in _windows(one, minutes, one.minutes)))
    metric = next(one for one in definition.metrics if one.name == alarm.metric)
    figures = Figures(definition, metric)
    return {one.start: watched(figures, one, alarm) for one in _windows(metric, minutes, alarm.minutes)}


def _windows(metric: Metric, minutes: Sequence[Minute], length: int) -> tuple[Window, ...]:
    return windows_of([one for one in minutes if one.metric == metric.name], length, metric.most)
