"""What counting comes to, by the oracle: figures that can be added up, and bytes that carry them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import reduce
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudheal.errors import SettingsError
from cloudheal.logs.asked import asked, predicate
from cloudheal.logs.counting import (
    EXACT,
    KEPT_HASHES,
    MOST_CELL,
    MOST_VALUE,
    Distinct,
    Fed,
    Reason,
    Row,
    Values,
    cell_of,
    hash_of,
    merged,
    rank,
    value_of,
)
from cloudheal.logs.definition import (
    AllOf,
    AnyOf,
    Compare,
    Definition,
    Filter,
    Function,
    Measure,
    Metric,
    Operator,
    UrlRule,
    Urls,
)
from cloudheal.logs.formats import preset
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.wire import PackedCells, Writer, packed, unpacked, unpacked_plainly

LINE = '1.1.1.{0} - - [10/Jul/2015:15:{1:02}:09 +0800] "GET {2} HTTP/1.0" {3:.3f} 129 {4} 168 "-" "{5}"\n'
START = 1436514660


def line(minute: int = 51, url: str = "/", took: float = 0.01, status: int = 200, agent: str = "x") -> bytes:
    """Return a line as the sample of the manual."""
    return LINE.format(1, minute, url, took, status, agent).encode()


def definition(*metrics: Metric, urls: Urls | None = None) -> Definition:
    """Return a definition over the sample format."""
    return Definition("site", ("/var/log/nginx/access.log",), preset("timed"), metrics, urls)


def percentile(field: str, *percents: float) -> Measure:
    """Return a measure of percentiles."""
    return Measure(f"{field}_p", Function.PERCENTILE, field, percents)


integers = st.integers(-(10**14), 10**14)


@given(integers)
def test_a_cell_is_exact_when_small_and_within_a_percent_when_large(value: int) -> None:
    """Exact below 128 units, else at most 0.78 % off, on both sides of nought."""
    middle = value_of(cell_of(value))
    assert abs(middle - value) <= abs(value) / 128
    assert abs(value) >= EXACT or middle == value
    assert cell_of(middle) == cell_of(value)


@given(st.lists(integers, min_size=1), st.sampled_from([50.0, 75.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_of_cells_is_close_to_that_of_the_values(values: list[int], percent: float) -> None:
    """The cell of the percentile is that of the value at its rank."""
    exact = sorted(values)[rank(len(values), percent) - 1]
    parts = [Values(1, one, one, one, {cell_of(one): 1}) for one in values]
    found = reduce(add, parts).percentile(percent)
    assert found is not None
    assert abs(found - exact) <= abs(exact) / 128


def test_the_percentile_of_a_million_values_is_within_a_percent() -> None:
    """S4.5: within one per cent on a million samples, and far nearer."""
    chance = random.Random(4)
    values = [int(chance.lognormvariate(4, 1)) for _ in range(100_000)]
    cells: dict[int, int] = {}
    for one in values:
        cells[cell_of(one)] = cells.get(cell_of(one), 0) + 10
    whole = Values(10 * len(values), 10 * sum(values), min(values), max(values), cells)
    ordered = sorted(values)
    for percent in (50.0, 90.0, 99.0, 99.9):
        found = whole.percentile(percent)
        assert found == pytest.approx(ordered[rank(len(ordered), percent) - 1], rel=0.0079)


@given(st.lists(st.integers(0, 5000), max_size=40), st.lists(st.integers(0, 5000), max_size=40))
def test_distinct_values_add_up_without_being_counted_twice(one: list[int], other: list[int]) -> None:
    """The union of two machines is exact while it is small."""
    sets = [Distinct(tuple(sorted({hash_of(str(value).encode()) for value in part}))) for part in (one, other)]
    assert (sets[0] + sets[1]).count == len({*one, *other})


def test_many_distinct_values_are_estimated() -> None:
    """A hundred thousand are told within seven per cent, by the smallest hashes alone."""
    hashes = sorted(hash_of(str(value).encode()) for value in range(100_000))[:KEPT_HASHES]
    assert Distinct(tuple(hashes)).count == pytest.approx(100_000, rel=0.07)


values_of = st.builds(
    lambda numbers: reduce(add, [Values(1, one, one, one, {cell_of(one): 1}, {99.9: one}) for one in numbers]),
    st.lists(integers, min_size=1, max_size=9),
)
texts = st.text(max_size=9).filter(lambda text: text.isprintable())
rows = st.builds(
    Row,
    st.tuples(texts, texts),
    st.integers(0, 2**70),
    st.dictionaries(texts, values_of, max_size=2),
    st.dictionaries(
        texts, st.sets(st.integers(0, 2**64 - 1)).map(lambda one: Distinct(tuple(sorted(one)))), max_size=2
    ),
    st.dictionaries(texts, st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=2),
)


@settings(max_examples=40)
@given(st.lists(rows, max_size=4))
def test_rows_survive_as_bytes(some: list[Row]) -> None:
    """What is stored or shipped is what was counted."""
    assert unpacked(packed(some)) == unpacked_plainly(packed(some)) == tuple(some)


@settings(max_examples=40)
@given(st.binary(max_size=60), st.lists(rows, min_size=1, max_size=2), st.data())
def test_bytes_of_a_stranger_are_refused_and_never_hang(noise: bytes, some: list[Row], data: st.DataObject) -> None:
    """Noise and changed rows are a ValueError or other rows, the same in C as in Python."""
    good = bytearray(packed(some))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    for one in (noise, bytes(good), bytes(good[:-1])):
        assert _outcome(unpacked, one) == _outcome(unpacked_plainly, one)


@given(st.dictionaries(st.integers(-MOST_CELL, MOST_CELL), st.integers(0, 2**70), max_size=9))
def test_cells_are_read_when_somebody_looks_and_written_as_they_were(cells: dict[int, int]) -> None:
    """Rows that are stored and shipped have cells that equal those that were counted, and the same bytes."""
    data = packed([Row(("a",), 1, {"t": Values(1, 5, 5, 5, cells)})])
    (row,) = unpacked(data)
    assert packed([row]) == data
    assert row.values["t"].cells == cells
    assert (dict(row.values["t"].cells), len(row.values["t"].cells)) == (cells, len(cells))
    assert repr(row) == repr(unpacked_plainly(data)[0])
    written = Writer()
    written.cells(cells)
    assert PackedCells(bytes(written.data)) == cells


def _outcome(read: Callable[[bytes], tuple[Row, ...]], data: bytes) -> tuple[Row, ...] | None:
    try:
        return read(data)
    except ValueError:
        return None


def test_a_cell_beyond_every_value_is_refused() -> None:
    """Whoever ships rows cannot have a reader work out a number of a billion digits."""
    for cell in (MOST_CELL + 1, -MOST_CELL - 1, 2**62):
        data = packed([Row((), 1, {"t": Values(1, 5, 5, 5, {cell: 1})})])
        for read in (unpacked, unpacked_plainly):
            with pytest.raises(ValueError, match=r"cell|cut"):
                read(data)


def test_a_number_of_more_bits_than_any_sum_is_refused_by_both() -> None:
    """What C could not hold is no number in Python either."""
    for bits, read_well in ((125, True), (126, False), (127, False), (133, False), (140, False)):
        data = packed([Row((), 1 << bits)])
        assert [_outcome(read, data) is not None for read in (unpacked, unpacked_plainly)] == [read_well] * 2


def test_distributions_before_and_after_a_change_of_bounds_are_no_error() -> None:
    """A window that holds both, from a restart or another host, has the fuller one; everything else adds up."""
    one, other = Row(("a",), 1, buckets={"d": (1, 0)}), Row(("a",), 2, buckets={"d": (1, 0, 1)})
    assert merged([one, other]) == merged([other, one]) == (Row(("a",), 3, buckets={"d": (1, 0, 1)}),)


def test_rows_of_one_key_are_one_row() -> None:
    """Counts and classes add up, and so do values that only one of them has."""
    one = Row(("a",), 1, {"t": Values(1, 5, 5, 5, {5: 1}, {50.0: 5})}, buckets={"d": (1, 0)})
    other = Row(("a",), 2, buckets={"d": (1, 1)})
    assert merged([one, Row(("0",), 1), other]) == (
        Row(("0",), 1),
        Row(("a",), 3, {"t": Values(1, 5, 5, 5, {5: 1}, {50.0: 5})}, {}, {"d": (2, 1)}),
    )


def test_lines_are_counted_by_minute_and_group() -> None:
    """Ten thousand mixed lines: counts and failures are exact, URLs are named without ids and queries."""
    metric = Metric("by_url", by=("url", "status"), measures=(Measure("n", Function.COUNT, "url"),))
    oracle = Oracle(definition(metric, urls=Urls("url", (UrlRule("/u/[a-z]+", "/u/{name}"),))))
    good = line(51, "/item/123?x=1") + line(51, "/item/4") + line(52, "/u/jo") + line(52, "/u/jo", status=500)
    fed = oracle.feed((good + b"garbage\n") * 2_000)
    assert fed == Fed(10_000, 8_000, 2_000, 0, START + 69, {Reason.SHAPE: 2_000})
    first, second = oracle.close(START + 120)
    assert (first.start, first.rows) == (START, (Row(("/item/{id}", "200"), 4_000),))
    assert (second.start, second.rows) == (
        START + 60,
        (Row(("/u/{name}", "200"), 2_000), Row(("/u/{name}", "500"), 2_000)),
    )
    assert second.error == 0


def test_percentiles_are_of_good_answers_only_when_asked() -> None:
    """S4.6: 2xx and 3xx, with 399 in and 400 out."""
    where = AllOf((Compare("status", Operator.FROM, "200"), Compare("status", Operator.UP_TO, "399")))
    metric = Metric("good", where, measures=(percentile("request_time", 50.0, 99.0),))
    oracle = Oracle(definition(metric))
    for status, took in ((200, 0.1), (399, 0.3), (400, 9.0), (199, 9.0)):
        oracle.feed(line(took=took, status=status))
    ((row,),) = [minute.rows for minute in oracle.close(START + 60)]
    assert row.count == 2
    assert row.values["request_time"].exact == {50.0: 100, 99.0: 300}
    assert row.values["request_time"].total == 400


def test_a_distribution_is_open_on_the_left_and_closed_on_the_right() -> None:
    """(0.1 s, 0.5 s] has what took half a second and not what took a tenth."""
    metric = Metric("spread", measures=(Measure("d", Function.DISTRIBUTION, "request_time", (0.1, 0.5)),))
    oracle = Oracle(definition(metric))
    for took in (0.1, 0.101, 0.5, 0.501):
        oracle.feed(line(took=took))
    assert oracle.close(START + 60)[0].rows[0].buckets == {"d": (1, 2, 1)}


def test_a_late_line_opens_its_minute_again() -> None:
    """It is counted, called late, and handed out to be added."""
    oracle = Oracle(definition(Metric("all")))
    oracle.feed(line(51) + line(52))
    assert [minute.start for minute in oracle.close(START + 60)] == [START]
    assert oracle.feed(line(51)).late == 1
    assert [(minute.start, minute.rows[0].count) for minute in oracle.close(START + 60)] == [(START, 1)]


def test_a_key_forges_no_series() -> None:
    """What a client sends as `__other__`, or with an escape of a terminal, is a series of another name."""
    oracle = Oracle(definition(Metric("agents", by=("http_user_agent",))))
    oracle.feed(line(agent="__other__") + line(agent="\x1b[31m") + line(agent="中").replace("中".encode(), b"\xff"))
    keys = [row.key[0] for row in oracle.close(START + 60)[0].rows]
    assert "__other__" not in keys
    assert all(key.isprintable() for key in keys)


def test_filters_compare_numbers_as_numbers_and_texts_as_texts() -> None:
    """Every operator, both relations, and a missing number that meets none."""
    format_ = preset("timed")
    values: dict[str, bytes | int | None] = {"request_time": 32, "url": b"/a/b", "body_bytes_sent": None}
    cases: list[tuple[Filter, bool]] = [
        (Compare("request_time", Operator.EQUAL, "0.0320"), True),
        (Compare("request_time", Operator.UNEQUAL, "0.032"), False),
        (Compare("request_time", Operator.BELOW, "0.0331"), True),
        (Compare("url", Operator.CONTAINS, "a/"), True),
        (Compare("url", Operator.LACKS, "a/"), False),
        (Compare("body_bytes_sent", Operator.UNEQUAL, "1"), False),
        (AnyOf((Compare("url", Operator.EQUAL, "/"), Compare("request_time", Operator.ABOVE, "0.031"))), True),
        (AnyOf(()), False),
        (AllOf(()), True),
    ]
    for where, met in cases:
        assert predicate(where, format_)(values) is met, where


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (Metric("m", by=("nope",)), "no field 'nope'"),
        (Metric("m", measures=(Measure("x", Function.SUM, "url"),)), "x: sum is for numbers, and url is text"),
        (Metric("m", Compare("url", Operator.ABOVE, "1")), "> does not go with url, which is text"),
        (Metric("m", Compare("status", Operator.CONTAINS, "1")), "contains does not go with status"),
        (Metric("m", Compare("status", Operator.ABOVE, "many")), "status is a number, and 'many' is none"),
    ],
)
def test_what_cannot_be_counted_is_refused(metric: Metric, said: str) -> None:
    """The field, the operator or the value is named."""
    with pytest.raises(SettingsError, match=said):
        (asked(metric, preset("timed")), predicate(metric.where, preset("timed")))


def test_a_number_too_large_is_no_number() -> None:
    """Nothing overflows in any engine."""
    oracle = Oracle(definition(Metric("m", measures=(Measure("s", Function.SUM, "request_time"),))))
    fed = oracle.feed(line().replace(b"0.010", str(MOST_VALUE).encode()))
    assert fed.reasons == {Reason.NUMBER: 1}
