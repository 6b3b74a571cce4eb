"""The mathematics of metric values, asked directly: what no client could see from outside in reasonable time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal_sim.alibaba.cms.model.metric_catalogue import NAMESPACES, Metric
from cloudheal_sim.alibaba.cms.model.metric_lines import DrawnLine, Override, ever_running, running
from cloudheal_sim.kernel.metric_values import CELL, QUARTER, Series, ends, quarters, series_key

METRICS = [metric for namespace in NAMESPACES for metric in namespace.metrics]
MINUTE_ENDS = st.integers(1, 40_000_000).map(lambda minute: minute * CELL)
DELAYS = st.tuples(st.integers(0, 600_000), st.integers(0, 600_000)).map(lambda pair: (min(pair), max(pair)))
CHANGES = st.lists(
    st.tuples(st.integers(0, 10_000_000), st.sampled_from(["Running", "Stopped"])), max_size=6, unique_by=lambda e: e[0]
).map(lambda entries: tuple(sorted(entries)))


def line(metric: Metric, seed: int = 7, instance: str = "i-a", **facts: object) -> DrawnLine:
    """Return a series of one instance."""
    dimensions = {"userId": "1", "instanceId": instance}
    series = Series(series_key(seed, metric.namespace, metric.name, instance), metric.nature)
    given_facts: dict[str, object] = {"delay": (60_000, 180_000), **facts}
    return DrawnLine(instance, dimensions, metric, series, **given_facts)  # type: ignore[arg-type]


@given(metric=st.sampled_from(METRICS), end=MINUTE_ENDS, seed=st.integers(0, 2**32))
def test_a_value_is_the_same_whoever_asks_again(metric: Metric, end: int, seed: int) -> None:
    """Two series made alike say the same; nothing is remembered between questions."""
    one, other = line(metric, seed), line(metric, seed)
    other.point(end - CELL, CELL)
    assert one.point(end, CELL) == other.point(end, CELL)


@given(metric=st.sampled_from(METRICS), end=MINUTE_ENDS)
def test_statistics_are_in_order_and_possible(metric: Metric, end: int) -> None:
    """The average is between minimum and maximum, and none is beyond what the metric can be."""
    cell = line(metric).series.cell(end)
    assert metric.nature.floor <= cell.minimum <= cell.average <= cell.maximum <= metric.nature.ceiling


@given(metric=st.sampled_from(METRICS), hour=st.integers(1, 600_000), period=st.sampled_from([300, 900, 3600]))
def test_a_longer_period_is_made_of_its_minutes(metric: Metric, hour: int, period: int) -> None:
    """Average is the mean, minimum the least, maximum the greatest of the minutes within."""
    end, one = hour * 3_600_000, line(metric)
    minutes = [one.series.cell(minute) for minute in range(end - period * 1000 + CELL, end + 1, CELL)]
    point = one.point(end, period * 1000)
    assert point is not None
    assert point["Average"] == pytest.approx(sum(cell.average for cell in minutes) / len(minutes), abs=0.001)
    if "Minimum" in point:
        assert point["Minimum"] == pytest.approx(min(cell.minimum for cell in minutes), abs=0.001)
        assert point["Maximum"] == pytest.approx(max(cell.maximum for cell in minutes), abs=0.001)


@given(metric=st.sampled_from(METRICS), end=MINUTE_ENDS)
def test_the_quarters_of_a_minute_make_up_the_minute(metric: Metric, end: int) -> None:
    """Four points of 15 seconds agree with the point of 60."""
    series = line(metric).series
    whole, parts = series.cell(end), [series.quarter(end - QUARTER * back) for back in range(4)]
    assert sum(part.average for part in parts) / 4 == pytest.approx(whole.average, rel=1e-9, abs=1e-6)
    assert min(part.minimum for part in parts) == pytest.approx(whole.minimum)
    assert max(part.maximum for part in parts) == pytest.approx(whole.maximum)
    assert all(part.minimum <= part.average <= part.maximum for part in parts)


@given(bits=st.integers(0, 2**64 - 1), average=st.floats(0, 100), below=st.floats(0, 50), above=st.floats(0, 50))
def test_quarters_stay_within_their_minute(bits: int, average: float, below: float, above: float) -> None:
    """No quarter is lower than the minute's minimum or higher than its maximum."""
    whole = type(line(METRICS[0]).series.cell(CELL))(average, average - below, average + above)
    for part in quarters(whole, bits):
        assert whole.minimum - 1e-9 <= part.minimum <= part.maximum <= whole.maximum + 1e-9


@given(end=MINUTE_ENDS, delay=DELAYS, later=st.integers(0, 10_000_000))
def test_a_point_is_seen_within_the_delay_and_then_for_good(end: int, delay: tuple[int, int], later: int) -> None:
    """Never before the shortest delay, always after the longest, and once seen always seen."""
    one = line(METRICS[0], delay=delay)
    seen_at = end + one.series.delay(end, delay)
    assert end + delay[0] <= seen_at <= end + delay[1]
    assert not one.seen(end, seen_at - 1)
    assert one.seen(end, seen_at + later)


@given(end=MINUTE_ENDS, since=st.integers(0, 3_600_000), value=st.floats(0, 100))
def test_a_value_that_can_be_seen_is_not_changed_by_what_begins_now(end: int, since: int, value: float) -> None:
    """A load that begins at some moment leaves every point up to that moment as it was."""
    moment = end + since
    chosen = Override(value=value, since=moment)
    assert line(METRICS[0]).point(end, CELL) == line(METRICS[0], overrides=(chosen,)).point(end, CELL)
    after = (moment // CELL + 1) * CELL
    point = line(METRICS[0], overrides=(chosen,)).point(after, CELL)
    assert point is not None
    assert point["Average"] == pytest.approx(value, abs=0.001)


@given(history=CHANGES, start=st.integers(0, 10_000_000), length=st.integers(1, 3_600_000))
def test_a_span_without_a_running_moment_is_found_as_such(
    history: tuple[tuple[int, str], ...], start: int, length: int
) -> None:
    """Leaving series out early agrees with asking at every change."""
    moments = [start, start + length, *(since for since, _ in history if start < since <= start + length)]
    assert ever_running(history, start, start + length) == any(running(history, moment) for moment in moments)


@given(
    start=st.integers(0, 10**9),
    length=st.integers(1, 10**7),
    step=st.sampled_from([15_000, 60_000, 300_000, 3_600_000]),
)
def test_a_range_excludes_its_start_and_includes_its_end(start: int, length: int, step: int) -> None:
    """Every period end in (start, stop] is there once, and no other moment."""
    stop = start + length
    around = range(start // step * step, stop + step, step)
    assert list(ends(start, stop, step)) == [at for at in around if start < at <= stop]


def test_days_differ_from_nights_and_weekends_from_weekdays() -> None:
    """A week of CPU shows the rhythm: afternoons above nights, working days above weekends."""
    series = line(next(metric for metric in METRICS if metric.name == "cpu_total")).series
    monday = 1772380800000  # 2026-03-02 00:00 in China
    hour = 3_600_000

    def mean(first: int, last: int) -> float:
        cells = [series.cell(at).average for at in range(first + CELL, last + 1, CELL)]
        return sum(cells) / len(cells)

    assert mean(monday + 13 * hour, monday + 16 * hour) > 2 * mean(monday + 1 * hour, monday + 4 * hour)
    saturday = monday + 5 * 24 * hour
    assert mean(monday, monday + 24 * hour) > 1.2 * mean(saturday, saturday + 24 * hour)


def test_instances_differ_and_seeds_differ() -> None:
    """Neither two instances nor two seeds draw the same line."""
    end = 1772420400000
    points = [line(METRICS[0], seed, instance).point(end, CELL) for seed in (1, 2) for instance in ("i-a", "i-b")]
    assert len({str(point) for point in points}) == 4


def test_chosen_series_of_values_are_told_one_per_period() -> None:
    """Three values of a minute each are three points; after them the drawn values go on."""
    start = 1772420400000
    chosen = Override(values=(1.0, 2.0, 3.0), since=start, period=60)
    plain, overridden = line(METRICS[0]), line(METRICS[0], overrides=(chosen,))
    told = [overridden.point(start + CELL * number, CELL) for number in range(1, 4)]
    assert [point and point["Average"] for point in told] == [1.0, 2.0, 3.0]
    assert overridden.point(start + CELL * 4, CELL) == plain.point(start + CELL * 4, CELL)
    assert overridden.point(start, CELL) == plain.point(start, CELL)
