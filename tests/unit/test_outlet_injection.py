"""What a client sent, from its line through every outlet: a label's value of one series, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.counting import Row
from cloudheal.logs.figures import Point
from cloudheal.logs.names import OTHER, shown
from cloudheal.logs.wire import packed as packed_rows
from cloudheal.outlets import clickhouse, otlp, remote_write, shipment
from cloudheal.outlets.exposition import exposition
from cloudheal.outlets.sample import Origin, Sample, samples_of
from tests.unit.log_cases import MORNING, metric, minutes_of, points_of
from tests.unit.prometheus_text import lines_of
from tests.unit.remote_write_reader import series_in
from tests.unit.test_log_injection import HOSTILE, JSON, entry
from tests.unit.test_outlet_formats import FORGED

DEFINITION = metric("{by: [page], measures: [count() as n]}", **JSON)
SENT = [
    *HOSTILE,
    FORGED,
    "\\",
    '"',
    "\\\\n",
    "# TYPE cloudheal_log_n counter",
    '"},{"field":"",',
    "\u2028{}\ufeff",
    "\U000e0001",
]
#: A name, labels and a value of each series, as a stranger to our code reads them.
Read = list[tuple[str, dict[str, str], float]]


def by_text(samples: Sequence[Sample]) -> Read:
    """Read the page that Prometheus scrapes."""
    return lines_of(exposition(samples))


def by_remote_write(samples: Sequence[Sample]) -> Read:
    """Read a body of remote-write."""
    raw = bytes(cramjam.snappy.decompress_raw(remote_write.write_request(samples, "web-1")))
    read = list(series_in(raw))
    for labels, _ in read:
        assert all(before < after for before, after in pairwise(labels))
        assert labels.pop("instance") == "web-1"
    return [(labels.pop("__name__"), labels, value) for labels, found in read for value in found.values()]


def by_otlp(samples: Sequence[Sample]) -> Read:
    """Read a body of OTLP with its official library."""
    from google.protobuf.json_format import Parse  # noqa: PLC0415 - only here
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415 - only here
        ExportMetricsServiceRequest,
    )

    body = Parse(otlp.export_request(samples, "web-1"), ExportMetricsServiceRequest())
    metrics = [one for some in body.resource_metrics for scope in some.scope_metrics for one in scope.metrics]
    return [
        (one.name, {label.key: label.value.string_value for label in point.attributes}, point.as_double)
        for one in metrics
        for point in one.gauge.data_points
    ]


@pytest.mark.parametrize("read", [by_text, by_remote_write, by_otlp])
@given(st.lists(st.sampled_from(SENT) | st.text(min_size=1, max_size=300), min_size=1, max_size=5, unique_by=shown))
def test_whatever_a_client_sends_is_one_label_of_one_series(
    read: Callable[[Sequence[Sample]], Read], pages: list[str]
) -> None:
    """As many series as there are pages, under the names of the settings, printable, short, with their own counts."""
    found = [point for _, point in points_of(DEFINITION, [entry(page) for page in pages])]
    series = read(list(samples_of(Origin("access", "m", ("page",)), found, int(MORNING) + 60)))
    assert {name for name, _, _ in series} == {"cloudheal_log_n"}
    assert {frozenset(labels) for _, labels, _ in series} == {frozenset({"by_page", "log", "metric"})}
    assert {(labels["log"], labels["metric"]) for _, labels, _ in series} == {("access", "m")}
    assert sorted((labels["by_page"], value) for _, labels, value in series) == sorted(
        (shown(page), 1.0) for page in pages
    )
    assert all(labels["by_page"].isprintable() and len(labels["by_page"]) <= 256 for _, labels, _ in series)


@given(st.lists(st.sampled_from(SENT) | st.text(min_size=1, max_size=300), min_size=1, max_size=5, unique_by=shown))
def test_rows_and_shipments_hold_it_as_a_key_and_nowhere_else(pages: list[str]) -> None:
    """ClickHouse reads a row of JSON in each line, and the other cloudheal what was counted."""
    (minute,) = minutes_of(DEFINITION, [entry(page) for page in pages])
    sent = shipment.ShippedMinute("access", "m", minute.start, 1, 0, packed_rows(minute.rows))
    whole = shipment.Shipment("web-1", "e1", (sent,))
    assert shipment.opened(shipment.packed(whole)) == whole
    lines = clickhouse.rows_of(whole).splitlines()
    assert all(line.isascii() for line in lines)
    rows = [json.loads(line) for line in lines]
    assert sorted(row["key"][0] for row in rows) == sorted(shown(page) for page in pages)
    assert {(row["log"], row["metric"], row["host"], row["field"], row["count"]) for row in rows} == {
        ("access", "m", "web-1", "", 1)
    }


@pytest.mark.parametrize("part", ["a" * 257, "/\x1b[31m", "\u202e", "\n"], ids=ascii)
def test_an_agent_names_no_series_as_no_counter_would(part: str) -> None:
    """Whoever holds an agent's key is no more trusted with names than who writes a log."""
    sent = shipment.ShippedMinute("access", "m", 60, 1, 0, packed_rows((Row(("/fair",), 1), Row((part,), 1))))
    with pytest.raises(ValueError, match="not printable, or longer than 256"):
        shipment.opened(shipment.packed(shipment.Shipment("web-1", "e1", (sent,))))


def test_a_series_of_other_groups_poses_as_no_other() -> None:
    """One with more or fewer groups than the metric has would lose its labels, and pass for the sum of all."""
    points = [Point((), "n", 1.0), Point(("/a",), "n", 2.0), Point(("/a", "x"), "n", 3.0), Point((OTHER,), "n", 4.0)]
    assert [one.value for one in samples_of(Origin("access", "m"), points, 60)] == [1.0]
    assert [one.value for one in samples_of(Origin("access", "m", ("page",)), points, 60)] == [2.0, 4.0]
