"""Both engines against the oracle: on right lines, on wrong ones, on blocks cut anywhere, and beyond their limits."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudheal.errors import SettingsError
from cloudheal.logs import engines
from cloudheal.logs.counting import Engine, Fed, Limits, Minute, Reason, merged
from cloudheal.logs.definition import (
    AllOf,
    Compare,
    Definition,
    Field,
    Filter,
    Function,
    Kind,
    Measure,
    Metric,
    Operator,
    UrlRule,
    Urls,
)
from cloudheal.logs.engines import fallback, pick
from cloudheal.logs.formats import json_lines, key_value, nginx, preset, regex
from cloudheal.logs.names import OTHER
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.state import sealed
from cloudheal.logs.wire import Writer
from tests.unit.log_lines import FORMATS, definition, logs, site

FOREVER = 2**40
RULES = (UrlRule("/u/[a-z]+", "/u/{name}"), UrlRule("中", "zh"))


def _engines() -> Iterator[Engine]:
    yield fallback()
    if pick().name == "native":
        yield pick()


ENGINES = {one.name: one for one in _engines()}
engine = pytest.mark.parametrize("name", [*ENGINES])


def summed(minutes: tuple[Minute, ...]) -> dict[tuple[str, int], Minute]:
    """Return minutes by metric and start."""
    return {(one.metric, one.start): one for one in minutes}


@engine
@pytest.mark.parametrize("flavour", [*FORMATS])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_engine_comes_to_what_the_oracle_comes_to(name: str, flavour: str, data: st.DataObject) -> None:
    """Every figure, every rejected line and its reason, whatever the log holds."""
    log = data.draw(logs(flavour))
    what = definition(flavour, data.draw(st.sampled_from([(), (), RULES, None])))
    limits = Limits(line=200, value=12, minutes=3)
    counter, oracle = ENGINES[name].counter(what, limits), Oracle(what, limits)
    until = data.draw(st.sampled_from([FOREVER, FOREVER, 1436514669, 1436514670]))
    assert counter.feed(log, until) == oracle.feed(log, until)
    before = data.draw(st.sampled_from([1436514720, FOREVER]))
    assert counter.close(before) == oracle.close(before)
    assert counter.feed(log) == oracle.feed(log)
    assert counter.close(FOREVER) == oracle.close(FOREVER)


@engine
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_blocks_may_end_after_any_line_and_counters_anywhere(name: str, data: st.DataObject) -> None:
    """Fed in pieces, and dumped and loaded in between by either engine, a log comes to the same."""
    log = data.draw(logs("timed"))
    what = definition("timed")
    oracle = Oracle(what)
    oracle.feed(log)
    counter = ENGINES[name].counter(what)
    breaks = [0, *(at + 1 for at, byte in enumerate(log) if byte == 10), len(log)]
    for start, end in pairwise(breaks):
        counter.feed(log[start:end])
        if data.draw(st.booleans()):
            counter = ENGINES[data.draw(st.sampled_from([*ENGINES]))].load(what, counter.dump())
    assert [_inexact(one) for one in counter.close(FOREVER)] == [_inexact(one) for one in oracle.close(FOREVER)]


def _inexact(minute: Minute) -> object:
    """Return a minute without exact percentiles, which a dump does not carry."""
    rows = [
        (
            *(row.key, row.count, row.distinct, row.buckets),
            *((one, v.count, v.total, v.least, v.most, v.cells) for one, v in sorted(row.values.items())),
        )
        for row in minute.rows
    ]
    return minute.metric, minute.start, rows


@engine
def test_a_busy_log_is_counted_in_blocks(name: str) -> None:
    """Thousands of lines in blocks of a few hundred kilobytes, percentiles exact to the unit."""
    log = site(2_000, 100)
    what = definition("timed")
    oracle, counter = Oracle(what), ENGINES[name].counter(what)
    oracle.feed(log)
    fed = Fed()
    at = 0
    while at < len(log):
        end = log.index(b"\n", min(at + 100_000, len(log) - 1)) + 1
        fed += counter.feed(log[at:end])
        at = end
    assert (fed.lines, fed.counted, fed.rejected) == (2_000, 2_000, 0)
    assert counter.close(FOREVER) == oracle.close(FOREVER)


@engine
def test_a_dump_within_a_minute_costs_no_precision(name: str) -> None:
    """Who dumps goes on with exact percentiles; who loads has those of the cells for that minute."""
    log = site(300, 30)
    what = definition("timed")
    oracle, counter = Oracle(what), ENGINES[name].counter(what)
    oracle.feed(log + log)
    counter.feed(log)
    loaded = ENGINES[name].load(what, counter.dump())
    loaded.feed(log)
    counter.feed(log)
    exact = summed(oracle.close(FOREVER))
    assert summed(counter.close(FOREVER)) == exact
    for minute in loaded.close(FOREVER):
        assert _inexact(minute) == _inexact(exact[minute.metric, minute.start])
        for row, other in zip(minute.rows, exact[minute.metric, minute.start].rows, strict=True):
            values, right = row.values.get("request_time"), other.values.get("request_time")
            if values and right and right.exact:
                assert values.percentile(99.0) == pytest.approx(right.percentile(99.0), rel=0.008)


@engine
def test_groups_without_end_do_not_take_memory_without_end(name: str) -> None:
    """Beyond the limit the large ones stay, the sum stays right, and no row lacks more than the error says."""
    metric = Metric("by_url", by=("url",), measures=(Measure("p", Function.PERCENTILE, "request_time", (50.0,)),))
    what = Definition("site", (), preset("timed"), (metric,))
    counter, line = ENGINES[name].counter(what, Limits(groups=64)), site(1, 1)
    urls = [url for number in range(1_000) for url in ("/popular", f"/n{number}", f"/some/x{number % 7}")]
    truth = Counter(urls)
    for start in range(0, len(urls), 200):
        some = urls[start : start + 200]
        counter.feed(b"".join(line.replace(b"/api/v1/shop/0/item?session=0", url.encode()) for url in some))
    (minute,) = counter.close(FOREVER)
    counts = {row.key[0]: row.count for row in minute.rows}
    assert len(counts) <= 65
    assert sum(counts.values()) == sum(truth.values())
    assert counts["/popular"] == 1_000
    assert 0 < minute.error <= len(urls) // 64 + 64
    for url, count in counts.items():
        if url != OTHER:
            assert count <= truth[url] <= count + minute.error
    assert all(truth[url] <= minute.error for url in truth if url not in counts)
    assert sum(row.values["request_time"].count for row in minute.rows) == sum(truth.values())


@engine
def test_a_limit_of_memory_is_kept(name: str) -> None:
    """Small groups make room before memory grows; what is dropped is still in the sum."""
    metric = Metric("by_url", by=("url",), measures=(Measure("d", Function.DISTINCT, "remote_addr"),))
    counter = ENGINES[name].counter(Definition("site", (), preset("timed"), (metric,)), Limits(memory=200_000))
    fed = counter.feed(site(2_000, 2_000).replace(b"/item", b"-"))
    (minute,) = counter.close(FOREVER)
    assert minute.error
    assert len(minute.rows) < 1_000
    assert sum(row.count for row in minute.rows) == fed.counted == 2_000


@engine
def test_percentiles_come_from_cells_when_samples_are_too_many(name: str) -> None:
    """Within a percent, and still for every value."""
    log = site(300, 30)
    what = definition("timed")
    counter, oracle = ENGINES[name].counter(what, Limits(samples=100)), Oracle(what)
    counter.feed(log)
    oracle.feed(log)
    (row,), (exact,) = counter.close(FOREVER)[0].rows, oracle.close(FOREVER)[0].rows
    assert row.values["request_time"].cells == exact.values["request_time"].cells
    assert not row.values["request_time"].exact


@engine
@settings(max_examples=12, deadline=None)
@given(noise=st.binary(max_size=300), data=st.data())
def test_bytes_of_a_stranger_are_no_open_minutes(name: str, noise: bytes, data: st.DataObject) -> None:
    """Noise, and a dump that was changed under its seal, are refused or loaded; nothing else happens."""
    what = definition("timed")
    counter = ENGINES[name].counter(what)
    counter.feed(site(30, 5))
    good = bytearray(counter.dump())
    with pytest.raises(ValueError, match="another definition"):
        ENGINES[name].load(what, noise)
    for _ in range(3):
        good[data.draw(st.integers(16, len(good) - 1))] = data.draw(st.integers(0, 255))
    for one in (bytes(good), bytes(good[:16]) + noise):
        try:
            loaded = ENGINES[name].load(what, one)
        except ValueError:
            continue
        loaded.feed(site(30, 5))
        loaded.close(FOREVER)


@engine
@pytest.mark.parametrize("at", range(0, 40, 3))
def test_a_line_is_read_the_same_near_the_end_of_a_block(name: str, at: int) -> None:
    """Where the block ends is no part of a line."""
    what = definition("timed")
    log = site(3, 2) + b"x" * at
    oracle, counter = Oracle(what), ENGINES[name].counter(what)
    assert counter.feed(log) == oracle.feed(log)
    assert counter.close(FOREVER) == oracle.close(FOREVER)


@engine
def test_an_endless_line_is_one_rejected_line(name: str) -> None:
    """Megabytes without a line break cost no more than their reading."""
    counter = ENGINES[name].counter(definition("timed"))
    fed = counter.feed(site(1) + b"\x00" * (3 << 20) + b"\n" + site(1) + b'"' * (1 << 20))
    assert (fed.lines, fed.counted, fed.reasons) == (4, 2, {Reason.LONG: 2})


@engine
def test_many_rules_of_urls_ask_python_once_for_each(name: str) -> None:
    """More URLs than are remembered come to the same rows."""
    what = definition("timed", RULES)
    oracle, counter = Oracle(what), ENGINES[name].counter(what, Limits(urls=8))
    log = site(500, 100)
    assert (counter.feed(log), counter.close(FOREVER)) == (oracle.feed(log), oracle.close(FOREVER))


@engine
@pytest.mark.parametrize(
    ("format_", "line"),
    [
        (json_lines([Field("ms", Kind.NUMBER, 1), Field("who")], "at"), b'{"at":1436514669,"ms":1.25,"who":"a"}'),
        (key_value([Field("ms", Kind.NUMBER, 1), Field("who")]), b"2015-07-10T07:51:09Z took ms=1.25 who=a"),
        (regex(r"(?P<at>\d+) (?P<ms>\S+) (?P<who>.*)", [Field("ms", Kind.NUMBER, 1)], "at"), b"1436514669 1.25 a"),
    ],
    ids=["json", "key_value", "regex"],
)
def test_logs_of_applications_are_counted_by_every_engine(name: str, format_: object, line: bytes) -> None:
    """JSON lines, pairs and regular expressions, through the same rows, dumps included."""
    metric = Metric("m", by=("who", "ms"), measures=(Measure("ms_sum", Function.SUM, "ms"),))
    what = Definition("app", (), format_, (metric,))  # type: ignore[arg-type]
    counter, oracle = ENGINES[name].counter(what), Oracle(what)
    assert counter.feed(line + b"\nnoise\n" + line) == oracle.feed(line + b"\nnoise\n" + line)
    assert ENGINES[name].load(what, counter.dump()).close(FOREVER) == oracle.close(FOREVER)


@engine
def test_rows_of_several_counters_add_up(name: str) -> None:
    """Two machines with half of the lines each are one with all of them, but for exact percentiles."""
    what = definition("timed")
    log = site(300, 30).splitlines(keepends=True)
    halves = [ENGINES[name].counter(what), ENGINES[name].counter(what)]
    for number, half in enumerate(halves):
        half.feed(b"".join(log[number::2]))
    oracle = Oracle(what)
    oracle.feed(b"".join(log))
    parts = [summed(half.close(FOREVER)) for half in halves]
    for minute in oracle.close(FOREVER):
        rows = merged(row for part in parts for row in part[minute.metric, minute.start].rows)
        assert _inexact(Minute(minute.metric, minute.start, rows)) == _inexact(minute)


def test_a_counter_is_one_thread_at_a_time() -> None:
    """While one counts, asking the counter for more is an error and no corruption."""
    if "native" not in ENGINES:
        pytest.skip("the engine was not compiled here")
    what = Definition("site", (), preset("timed"), (Metric("m", by=("url",)),), Urls("url", (UrlRule("x", "y"),)))
    told: list[str] = []
    native = sys.modules["cloudheal.logs._native"]
    plans = sys.modules["cloudheal.logs.native"]

    def name_of(url: bytes) -> bytes:
        try:
            counter.dump()
        except RuntimeError as error:
            told.append(str(error))
        return url

    counter = native.Counter(plans.plan_of(what, Limits(), 1), name_of)
    counter.feed(site(5, 2))
    assert told
    assert len(counter.dump()) > 20


def test_a_rule_that_fails_is_an_error_and_not_a_crash() -> None:
    """What naming a URL raises comes out of `feed`."""
    if "native" not in ENGINES:
        pytest.skip("the engine was not compiled here")
    what = Definition("site", (), preset("timed"), (Metric("m", by=("url",)),), Urls("url", (UrlRule("x", "y"),)))
    native = sys.modules["cloudheal.logs._native"]
    plans = sys.modules["cloudheal.logs.native"]

    def fails(url: bytes) -> bytes:
        raise KeyError(url)

    with pytest.raises(KeyError):
        native.Counter(plans.plan_of(what, Limits(), 1), fails).feed(site(1))
    with pytest.raises(TypeError):
        native.Counter(plans.plan_of(what, Limits(), 1), lambda _: "text").feed(site(1))


@given(st.binary(max_size=200), st.data())
@settings(max_examples=40, deadline=None)
def test_a_wrong_plan_is_refused(noise: bytes, data: st.DataObject) -> None:
    """The engine follows only plans that it understands to the end."""
    if "native" not in ENGINES:
        pytest.skip("the engine was not compiled here")
    native = sys.modules["cloudheal.logs._native"]
    plan = bytearray(
        sys.modules["cloudheal.logs.native"].plan_of(definition("timed"), Limits(memory=1 << 20, samples=99), 1)
    )
    plan[data.draw(st.integers(12, len(plan) - 1))] = data.draw(st.integers(0, 255))
    for one in (noise, bytes(plan)):
        try:
            counter = native.Counter(one, lambda url: url)
        except (ValueError, MemoryError):
            continue
        counter.feed(site(20, 3))
        counter.close(FOREVER)


def lying(*, start: int = 1436514660, closed: int = 0, key: bytes = b"/a", classes: int = 2, field: str = "n") -> bytes:
    """Return a dump of the metric of `LIED_TO`, with one group."""
    out = Writer().number(1).signed(closed).number(1).signed(start)
    out.number(0).number(1)
    out.number(2).block(key).block((200).to_bytes(8, "little")[: 8 if field != "short" else 7]).number(3)
    out.number(1).text("bytes_sent" if field == "n" else field).number(3).signed(9).signed(1).signed(5).number(
        0
    ).number(0)
    out.number(1).text("url").number(1).number(77)
    out.number(1).text("spread").number(classes)
    for _ in range(classes):
        out.number(1)
    return sealed(LIED_TO, bytes(out.data))


LIED_TO = Definition(
    "site",
    (),
    nginx('[$time_local] "$request" $status $bytes_sent'),
    (
        Metric(
            "m",
            by=("url", "status"),
            measures=(
                Measure("sum", Function.SUM, "bytes_sent"),
                Measure("urls", Function.DISTINCT, "url"),
                Measure("spread", Function.DISTRIBUTION, "bytes_sent", (1.0,)),
            ),
        ),
    ),
)


@engine
@pytest.mark.parametrize(
    "lie",
    [
        {"start": 2**63 - 8},
        {"start": 1436514661},
        {"start": -60},
        {"start": 2**64 + 60},
        {"closed": 2**63 - 1},
        {"closed": -1},
        {"closed": 2**64},
        {"classes": 1},
        {"classes": 3},
        {"field": "other"},
        {"field": "short"},
    ],
    ids=str,
)
def test_a_dump_that_lies_is_refused(name: str, lie: dict[str, int | str]) -> None:
    """Times of no line, classes and fields that the metric has not: an error at once, not later."""
    (minute,) = ENGINES[name].load(LIED_TO, lying()).close(FOREVER)
    assert (minute.rows[0].key, minute.rows[0].count) == (("/a", "200"), 3)
    with pytest.raises(ValueError, match=r"open minutes|a minute|a row|a time"):
        ENGINES[name].load(LIED_TO, lying(**lie))  # type: ignore[arg-type]


@engine
def test_what_was_closed_for_good_is_not_later_than_every_time(name: str) -> None:
    """However far a counter was closed, its dump is one that can be loaded."""
    counter = ENGINES[name].counter(LIED_TO)
    assert counter.close(2**62) == ()
    assert ENGINES[name].load(LIED_TO, counter.dump()).close(FOREVER) == ()


@engine
@pytest.mark.parametrize(
    "request_line",
    [
        "GET / a HTTP/1",
        "GET /a xx HTTP/",
        "GET /b HTTP/1.1",
        "GET  HTTP/1.1",
        "GET HTTP/1.1",
        "GET /a HTTP/ 1",
        " / HTTP/2",
    ],
)
def test_a_request_is_taken_apart_alike(name: str, request_line: str) -> None:
    """A protocol that is none, or short: the same method, URL and protocol from every engine."""
    metric = Metric("m", by=("method", "url", "protocol"))
    what = Definition("site", (), preset("common"), (metric,))
    line = f'1.1.1.1 - - [10/Jul/2015:15:51:09 +0800] "{request_line}" 200 1\n'.encode()
    counter, oracle = ENGINES[name].counter(what), Oracle(what)
    assert counter.feed(line) == oracle.feed(line)
    assert counter.close(FOREVER) == oracle.close(FOREVER)


@engine
def test_the_largest_metric_of_a_settings_file_is_counted(name: str) -> None:
    """Ten fields to group by, a hundred classes, and a filter in a filter forty times over."""
    fields = [f"http_x{number}" for number in range(9)]
    where: Filter = Compare("http_x0", Operator.EQUAL, "a")
    for _ in range(40):
        where = AllOf((where,))
    measures = (Measure("spread", Function.DISTRIBUTION, "status", tuple(map(float, range(100)))),)
    some = (Metric("m", by=(*fields, "status"), measures=measures), Metric("deep", where))
    for metrics in (some[:1], some):
        what = Definition("site", (), nginx("[$time_local] $" + " $".join(fields) + " $status"), metrics)
        counter, oracle = ENGINES[name].counter(what), Oracle(what)
        line = b"[10/Jul/2015:15:51:09 +0800] a" + b" b" * 8 + b" 37\n"
        assert counter.feed(line) == oracle.feed(line)
        state = counter.dump()
        assert ENGINES[name].load(what, state).close(FOREVER) == counter.close(FOREVER) == oracle.close(FOREVER)


def test_the_compiled_engine_takes_bytes_and_sane_limits_only() -> None:
    """What another thread may change while it is read is refused, as is a line longer than memory."""
    if "native" not in ENGINES:
        pytest.skip("the engine was not compiled here")
    native, plans = sys.modules["cloudheal.logs._native"], sys.modules["cloudheal.logs.native"]
    counter = native.Counter(plans.plan_of(LIED_TO, Limits(), 1), lambda url: url)
    for refuses in (counter.feed, counter.load):
        with pytest.raises(TypeError):
            refuses(bytearray(b"line\n"))
    for limits in (Limits(line=2**64 - 1), Limits(value=2**64 - 1), Limits(memory=2**63)):
        with pytest.raises(ValueError, match="larger than the engine can follow"):
            native.Counter(plans.plan_of(LIED_TO, limits, 1), lambda url: url)


def test_other_threads_run_while_a_block_is_counted() -> None:
    """The lock is released; two counters count at the same time and come to the same."""
    if "native" not in ENGINES:
        pytest.skip("the engine was not compiled here")
    log, what = site(3_000), definition("timed")
    found: list[tuple[Minute, ...]] = []

    def count() -> None:
        counter = ENGINES["native"].counter(what)
        counter.feed(log)
        found.append(counter.close(FOREVER))

    threads = [threading.Thread(target=count) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found[0] == found[1]


def test_without_the_compiled_engine_the_fallback_counts_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, with why, however many threads ask at once; and without its packages, what to install."""
    engines.picked.cache_clear()
    monkeypatch.setitem(sys.modules, "cloudheal.logs.native", None)
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as threads:
        assert {one.name for one in threads.map(lambda _: pick(), range(8))} == {"fallback"}
    assert [record.message.split(":")[0] for record in caplog.records] == ["logs.engine.fallback"]
    monkeypatch.setitem(sys.modules, "cloudheal.logs.fallback", None)
    with pytest.raises(SettingsError, match="neither is the compiled engine"):
        engines.fallback()
    engines.picked.cache_clear()
