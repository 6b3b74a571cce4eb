"""Metrics from logs are what CloudMonitor's manual promises of them, and right where it was not."""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest

from cloudheal.logs.alarm_rehearsal import rehearsed
from cloudheal.logs.alarms import alarm_of
from cloudheal.logs.counting import KEPT_HASHES, Distinct, Reason, Row, Values, cell_of
from cloudheal.logs.figures import Figures, classes
from cloudheal.logs.names import OTHER
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.sql import sql
from cloudheal.logs.windows import Window, capped, windows_of
from cloudheal.settings.alarms import AlarmSettings
from tests.unit.log_cases import MORNING, access, defined, figures_of, metric, minutes_of, points_of

STATISTICS = """
by: [status]
measures:
  - count() as count
  - countps(status) as countps
  - sum(request_time) as sum
  - sumps(body_bytes_sent) as sumps
  - avg(request_time) as avg
  - min(request_time) as min
  - max(request_time) as max
  - distinct(url) as distinct
  - p50(request_time) as p50
  - P99.9(request_time) as p999
  - distribution(request_time, 0.1, 0.5, 1) as spread
derived: {mean_ms: sum / count * 1000}
"""


def test_ten_thousand_mixed_lines_are_counted_exactly_and_failures_too() -> None:
    """S4.1: every line is either counted or refused for a reason, and ids are out of the URLs."""
    definition = metric("{by: [url], measures: [count()]}", urls={"field": "url"})
    lines = [access(f"/item/{number}?x={number}", at=number % 60) for number in range(9_000)]
    lines += [b"no access line", access()[:40]] * 500
    random.Random(1).shuffle(lines)
    counter = Oracle(definition)
    fed = counter.feed(b"".join(line + b"\n" for line in lines))
    assert (fed.lines, fed.counted, fed.rejected) == (10_000, 9_000, 1_000)
    assert fed.reasons == {Reason.SHAPE: 1_000}
    (row,) = [row for minute in counter.close(1 << 40) for row in minute.rows]
    assert (row.key, row.count) == (("/item/{id}",), 9_000)


def test_each_statistic_equals_a_reference_on_random_data() -> None:
    """S4.2: the twelve kinds of figures, by group, against sums over plain lists."""
    chance = random.Random(2)
    rows = [
        (
            chance.choice([200, 404, 500]),
            chance.choice("abc"),
            round(chance.lognormvariate(-2, 1), 3),
            chance.randrange(5000),
        )
        for _ in range(600)
    ]
    lines = [access(f"/{url}", status, rt, at=n % 60, size=size) for n, (status, url, rt, size) in enumerate(rows)]
    found = figures_of(metric(STATISTICS), lines)
    for status in (200, 404, 500):
        times = sorted(rt for code, _, rt, _ in rows if code == status)
        sizes = [size for code, _, _, size in rows if code == status]
        assert found[(str(status),)] == pytest.approx(
            {
                "count": len(times),
                "countps": len(times) / 60,
                "sum": sum(times),
                "sumps": sum(sizes) / 60,
                "avg": fmean(times),
                "min": times[0],
                "max": times[-1],
                "distinct": len({url for code, url, _, _ in rows if code == status}),
                "p50": times[-(-len(times) // 2) - 1],
                "p999": times[-1],
                "spread (-∞, 0.1]": sum(rt <= 0.1 for rt in times),
                "spread (0.1, 0.5]": sum(0.1 < rt <= 0.5 for rt in times),
                "spread (0.5, 1]": sum(0.5 < rt <= 1 for rt in times),
                "spread (1, +∞)": sum(rt > 1 for rt in times),
                "mean_ms": fmean(times) * 1000,
            }
        )


def test_ninety_lines_in_a_minute_are_one_and_a_half_a_second() -> None:
    """S4.2: a rate is over the seconds of the window, however the lines lie in it."""
    lines = [access(at=second % 3) for second in range(90)]
    assert figures_of(metric("measures: [countps(status) as qps]"), lines) == {(): {"qps": 1.5}}
    assert figures_of(metric("{measures: [countps() as qps], minutes: 5}"), lines) == {(): {"qps": 0.3}}


@pytest.mark.parametrize("low", [399, 400, 499, 599])
def test_classes_of_a_distribution_are_open_on_the_left_and_closed_on_the_right(low: int) -> None:
    """S4.2: `(499, 599]` has 599 and not 499."""
    definition = metric(f"measures: ['distribution(status, {low}, {low + 100}) as codes']")
    lines = [access(status=code) for code in (low, low + 1, low + 100, low + 101)]
    counted = {f"codes {within}": count for within, count in zip(classes((low, low + 100)), (1, 2, 1), strict=True)}
    assert figures_of(definition, lines) == {(): counted}


def test_a_derived_figure_is_a_ratio_of_sums_and_no_point_without_one() -> None:
    """S4.2: over five minutes errors are divided by requests, not minutes' ratios averaged."""
    text = """
    by: [url]
    measures: [sum(status) as total, count() as TotalNumber, sum(body_bytes_sent) as 5XXNumber]
    derived: {percent: 5XXNumber / TotalNumber * 100, none: TotalNumber / 5XXNumber}
    minutes: 5
    """
    lines = [access("/a", size=1)] + [access("/a", size=0, at=60)] * 9 + [access("/b", size=0)]
    found = figures_of(metric(text), lines)
    assert found["/a",]["percent"] == pytest.approx(10)
    assert found["/a",]["none"] == pytest.approx(10)
    assert "none" not in found["/b",]


def test_a_metric_is_shown_as_the_sql_that_it_means() -> None:
    """S4.2: the statement that the manual shows, and one that says everything."""
    text = """
    where: [status >= 200, status <= 399]
    measures: [avg(request_time) as rt_avg]
    """
    definition = metric(text)
    assert sql(definition, definition.metrics[0]).splitlines() == [
        "select avg(request_time) as rt_avg",
        "from access",
        "where status >= 200 and status <= 399",
    ]
    text = """
    where: {and: [{or: [status = 500, url contains "/50%_'x"]}, method != HEAD, line notContains bot]}
    by: [url]
    measures: [distinct(remote_addr), p99(request_time), 'distribution(status, 399) as codes', count() as n]
    derived: {each: -n / (n - 1)}
    """
    definition = metric(text)
    assert sql(definition, definition.metrics[0]).splitlines() == [
        (
            "select url, count(distinct remote_addr) as remote_addr_distinct, "
            "approx_percentile(request_time, 0.99) as request_time_p99, "
            "sum(case when status <= 399 then 1 else 0 end) as codes_1, "
            "sum(case when status > 399 then 1 else 0 end) as codes_2, count(*) as n, "
            "(cast((-count(*)) as double) / nullif((count(*) - 1), 0)) as each"
        ),
        "from access",
        "where (status = 500 or url like '%/50\\%\\_''x%' escape '\\') and method != 'HEAD' and line not like '%bot%'",
        "group by url",
    ]


def test_the_sql_that_is_shown_comes_to_the_same_figures() -> None:
    """S4.2: another engine, asked with our statement over the same rows, agrees."""
    text = """
    where: {and: [status >= 200, {or: [url contains a_, method = POST]}, method != PUT]}
    by: [url, method]
    measures: [count() as n, countps() as qps, sum(status), avg(request_time), min(request_time), max(request_time),
               distinct(status), 'distribution(request_time, 0.1, 0.2) as spread']
    derived: {ratio: n / (status_distinct - 1), per: status_sum / n}
    """
    chance, definition = random.Random(3), metric(text)
    rows = [
        (chance.choice(["/a_1", "/ab", "/b"]), chance.choice(["GET", "POST", "PUT"]), chance.choice([199, 200, 500]),
         chance.randrange(300) / 1000)
        for _ in range(400)
    ]  # fmt: skip
    database = sqlite3.connect(":memory:")
    database.execute("create table access (url text, method text, status integer, request_time real)")
    database.executemany("insert into access values (?, ?, ?, ?)", rows)
    told = database.execute(sql(definition, definition.metrics[0])).fetchall()
    lines = [access(url, status, rt, method=method) for url, method, status, rt in rows]
    found = figures_of(definition, lines)
    assert len(told) == len(found) > 3
    for url, method, *values in told:
        mine = list(found[url, method].values())
        assert mine == pytest.approx([value for value in values if value is not None])


def test_fifteen_hundred_urls_are_a_thousand_series_and_the_rest() -> None:
    """S4.4: the largest stay, whoever came first, nothing is lost, and that it was too much is told."""
    definition = metric("{by: [url], measures: [count() as n, sum(body_bytes_sent) as bytes]}")
    small, large = [n for n in range(1_500) if n % 3 == 0], [n for n in range(1_500) if n % 3]
    lines = [access(f"/page-{number}", size=1) for number in small]
    lines += [access(f"/page-{number}", size=2) for number in large] * 2
    (minute,) = minutes_of(definition, lines)
    kept, overflow = capped(minute, definition.metrics[0].most)
    assert len(kept.rows) == 1_001
    assert sum(row.count for row in kept.rows) == len(lines)
    assert {row.key[0] for row in kept.rows} == {OTHER, *(f"/page-{number}" for number in large)}
    assert overflow is not None
    assert (overflow.series, overflow.kept, overflow.lines) == (1_500, 1_000, 500)
    found = figures_of(definition, lines)
    assert found[OTHER,] == {"n": 500, "bytes": 500}
    assert sum(one["bytes"] for one in found.values()) == 500 + 4_000
    assert capped(kept, 1_000) == (kept, None)


def test_series_that_take_turns_are_no_more_in_an_hour_than_in_a_minute() -> None:
    """S4.4: minutes are added up before the largest are chosen again, and what was left over before is added too."""
    definition = metric("{by: [url, method], measures: [count() as n], minutes: 60, most: 5}")
    lines = [access(f"/{number}", at=60 * (number % 20)) for number in range(200) for _ in range(1 + number // 20)]
    minutes = [capped(one, 5)[0] for one in minutes_of(definition, lines)]
    (window,) = windows_of(minutes, 60, 5)
    assert len(window.rows) == 6
    assert sum(row.count for row in window.rows) == len(lines)
    assert sum(row.key == (OTHER, OTHER) for row in window.rows) == 1
    assert {row.count for row in window.rows if row.key != (OTHER, OTHER)} == {10}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 10, 15, 20, 30, 60])
def test_windows_of_every_length_are_sums_of_their_minutes(length: int) -> None:
    """A window begins at a multiple of its length, and a minute handed out again for a late line is added to it."""
    definition = metric(f"{{measures: [count() as n, max(request_time) as slowest], minutes: {length}}}")
    lines = [access(at=60 * minute, seconds=minute / 1000) for minute in range(120)]
    minutes = minutes_of(definition, lines) + minutes_of(definition, [access(at=61, seconds=9)])
    windows = windows_of(minutes, length, 1000)
    assert [window.start for window in windows] == list(range(MORNING, MORNING + 7200, 60 * length))
    assert sum(window.rows[0].count for window in windows) == 121
    assert max(window.rows[0].values["request_time"].most for window in windows) == 9_000


@pytest.mark.parametrize("samples", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_percentiles_of_a_million_samples_are_within_a_hundredth_of_rank(samples: int) -> None:
    """S4.5: also when they are added up from ten machines, which averages of percentiles are not."""
    chance = random.Random(4)
    times = [int(chance.lognormvariate(4, 1.2)) + 1 for _ in range(samples)]
    parts = [times[start::10] for start in range(10)]
    whole = sum(
        (Values(len(one), sum(one), min(one), max(one), Counter(map(cell_of, one))) for one in parts),
        Values(0, 0, 0, 0),
    )
    times.sort()
    for percent in (50, 75, 90, 95, 99, 99.9):
        value = whole.percentile(percent)
        assert value is not None
        below, up_to = bisect_left(times, value), bisect_right(times, value)
        assert below / samples - 0.01 <= percent / 100 <= up_to / samples + 0.01


def test_a_minute_without_lines_has_no_points() -> None:
    """S4.5: nothing is not zero."""
    definition = metric("measures: [count() as n, avg(request_time) as rt]")
    starts = {start for start, _ in points_of(definition, [access(at=0), access(at=180)])}
    assert starts == {MORNING, MORNING + 180}
    upstream = defined(
        "metrics: [{name: m, measures: [count() as n, avg(upstream_response_time), p99(upstream_response_time)]}]",
        format={"nginx": "[$time_iso8601] $upstream_response_time"},
    )
    assert figures_of(upstream, [b"[2026-03-02T09:00:00+00:00] -"]) == {(): {"n": 1}}


def test_good_answers_are_told_from_bad_ones_at_the_boundary() -> None:
    """S4.6: 399 is one, 400 is not, and the figures are those of a filter by hand."""
    definition = metric(
        "{where: [status >= 200, status <= 399], measures: [avg(request_time) as rt_avg, count() as n]}"
    )
    codes = (199, 200, 399, 400)
    found = figures_of(definition, [access(status=code, seconds=code / 1000) for code in codes])
    assert found == {(): {"rt_avg": pytest.approx((0.2 + 0.399) / 2), "n": 2}}


def test_failures_by_url_and_in_total_agree() -> None:
    """S4.7: two metrics over the same lines."""
    chance = random.Random(5)
    lines = [access(f"/{chance.choice('abcd')}", chance.choice([200, 404, 500, 599, 600])) for _ in range(1_000)]
    where = "where: [status >= 400, status <= 599]"
    (total,) = figures_of(metric(f"{{{where}, measures: [count(status) as status_count]}}"), lines).values()
    by_url = figures_of(metric(f"{{{where}, by: [url], measures: [count(status) as status_count]}}"), lines)
    assert sum(one["status_count"] for one in by_url.values()) == total["status_count"]
    assert total["status_count"] == sum(b'" 0.032 129 404 ' in one or b" 129 5" in one for one in lines)


def test_page_views_by_status_are_all_page_views() -> None:
    """S4.8: the sum over codes is the total."""
    chance = random.Random(6)
    lines = [access(status=chance.choice([200, 301, 404, 500])) for _ in range(1_000)]
    found = figures_of(metric("{by: [status], measures: [count() as pv]}"), lines)
    assert found.keys() == {("200",), ("301",), ("404",), ("500",)}
    assert sum(one["pv"] for one in found.values()) == len(lines)


def test_a_figure_that_the_application_logs_is_averaged_by_host() -> None:
    """S4.9: the queue sizes of the manual's chart."""
    text = """
    format: {key_value: true}
    fields: {name: text, transaction: text, host: text, value: number}
    metrics:
      - name: m
        where: [name = queue_size, transaction = 'logService#acs/host']
        by: [host]
        measures: [avg(value) as host_queue_size]
    """
    line = "2026-03-02T09:00:01Z INFO name={} transaction={} host={} value={}"
    rows = [
        ("queue_size", "logService#acs/host", host, value)
        for host, value in zip("ababa", ("212.97", "370.53", "213", "370", "212"), strict=True)
    ]
    rows += [("other", "logService#acs/host", "a", "9999"), ("queue_size", "logService", "b", "9999")]
    found = figures_of(defined(text), [line.format(*row).encode() for row in rows])
    assert found == {
        ("a",): {"host_queue_size": pytest.approx(fmean([212.97, 213, 212]))},
        ("b",): {"host_queue_size": pytest.approx(fmean([370.53, 370]))},
    }


def test_a_keyword_is_counted_wherever_it_stands_in_a_line() -> None:
    """S4.10: lines that contain ERROR, each minute; so many of them are an alarm, and one less is none."""
    text = """
    format: {regex: '(?P<time>\\S+) (?P<message>.*)', time: time}
    metrics: [{name: m, where: line contains ERROR, measures: [count() as errors]}]
    """
    words = ["ERROR a", "an ERROR", "error", "INFO", "WARN ERROR ERROR"]
    lines = [f"2026-03-02T09:0{minute}:01Z {word}".encode() for minute in range(3) for word in words]
    definition = defined(text)
    found = [(start, point.value) for start, point in points_of(definition, lines)]
    assert found == [(MORNING, 3), (MORNING + 60, 3), (MORNING + 120, 3)]
    for least, levels in ((3, ["warn"]), (4, [])):
        written = {"name": "a", "metric": "m", "value": "errors", "levels": {"warn": {"at_least": least, "times": 1}}}
        alarm = alarm_of(AlarmSettings.model_validate(written), definition.name, (), 1)
        turns = rehearsed(definition, alarm, minutes_of(definition, lines), ZoneInfo("UTC"))
        assert [one.after.word for one in turns] == levels


def test_an_estimate_of_distinct_values_is_never_above_the_lines() -> None:
    """Values whose hashes are small can be computed by anybody; they would be billions, and raise any alarm."""
    definition = metric("{measures: [distinct(url) as urls]}")
    row = Row((), 3_000, distinct={"url": Distinct(tuple(range(KEPT_HASHES)))})
    (point,) = Figures(definition, definition.metrics[0]).of(Window(definition.metrics[0].name, MORNING, 1, (row,)))
    assert point.value == 3_000
