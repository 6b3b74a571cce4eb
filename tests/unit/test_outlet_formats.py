"""What outlets write is what others read: judged by the official libraries, and by texts that try to break out."""

from __future__ import annotations

import json
import string
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.counting import Distinct, Row, Values
from cloudheal.logs.figures import Point
from cloudheal.logs.wire import packed as packed_rows
from cloudheal.outlets import clickhouse, otlp, remote_write, shipment
from cloudheal.outlets.exposition import exposition
from cloudheal.outlets.sample import Origin, Sample, samples_of
from cloudheal.sources.webhook import MOST_SHIPPED
from tests.unit.prometheus_text import lines_of
from tests.unit.remote_write_reader import series_in

AT = 1_772_420_400
ORIGIN = Origin("shop", "per_url", ("url", "user.id", "user-id"))
#: What a client may send as a path or a browser's name, to become a metric of his own.
FORGED = 'x"} 1\ncloudheal_log_errors{log="shop"} 999\n# HELP \\\x1b[31m\u202e'


SAMPLES = st.tuples(
    st.text(string.ascii_lowercase, min_size=1, max_size=5),
    st.text(max_size=20),
    st.floats(-1e12, 1e12),
    st.integers(0, 2**33),
)


def test_names_come_from_settings_and_words_of_a_log_stand_in_labels_only() -> None:
    """Fields that come to one name are told apart, and none can be `log` or `metric`."""
    (one,) = samples_of(ORIGIN, [Point(("/a", "7", "8"), "rt_p99", 0.032)], AT)
    assert one.name == "cloudheal_log_rt_p99"
    assert dict(one.labels) == {
        "log": "shop",
        "metric": "per_url",
        "by_url": "/a",
        "by_user_id": "7",
        "by_user_id_2": "8",
    }


@given(st.lists(st.sampled_from(["a.", "a-", "a__2", "a__3", "a_", "a"]), unique=True))
def test_no_two_fields_share_a_label(fields: list[str]) -> None:
    """However alike their names come to be."""
    key = tuple(map(str, range(len(fields))))
    (one,) = samples_of(Origin("shop", "m", tuple(fields)), [Point(key, "n", 1.0)], AT)
    assert sorted(value for name, value in one.labels if name.startswith("by_")) == sorted(key)
    assert len({name for name, _ in one.labels}) == len(one.labels)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_no_word_of_a_log_makes_a_line_of_the_page(words: list[str]) -> None:
    """Whatever is in a label, the page has one line for each sample, and reading it gives the label back."""
    for key in (tuple(words), (FORGED,)):
        origin = Origin("shop", "m", tuple(f"f{number}" for number in range(len(key))))
        some = list(samples_of(origin, [Point(key, "n", 1.5)], AT))
        page = exposition(some)
        assert sum(not line.startswith("#") for line in page.splitlines()) == 1
        assert lines_of(page) == [(one.name, dict(one.labels), one.value) for one in some]


def test_samples_of_one_name_stand_together() -> None:
    """As the text format demands, with their kind once."""
    samples = [Sample("b", (), 1.0, AT), Sample("a", (("x", "1"),), 2.0, AT), Sample("b", (("y", "2"),), 3.0, AT)]
    page = exposition(samples)
    assert page.count("# TYPE b gauge") == 1
    assert [name for name, _, _ in lines_of(page)] == ["b", "b", "a"]
    assert exposition([]) == ""


@given(st.lists(SAMPLES, max_size=20))
def test_remote_write_is_read_by_the_official_libraries(some: list[tuple[str, str, float, int]]) -> None:
    """Protobuf unpacks the messages, Snappy the block; labels are in order and every moment is there once."""
    samples = [
        Sample(f"n_{name}", (("by_url", value), ("log", "shop")), number, at) for name, value, number, at in some
    ]
    series = series_in(cramjam.snappy.decompress_raw(remote_write.write_request(samples, "web-1")).read())
    wanted: dict[tuple[str, str], dict[int, float]] = {}
    for one in samples:
        wanted.setdefault((one.name, dict(one.labels)["by_url"]), {})[one.at * 1000] = one.value
    found = {(labels["__name__"], labels["by_url"]): values for labels, values in series}
    assert found == wanted
    for labels, values in series:
        assert labels["instance"] == "web-1"
        assert list(labels) == sorted(labels)
        assert list(values) == sorted(values)


def test_a_large_body_is_more_than_one_literal() -> None:
    """A literal holds 64 KiB."""
    raw = bytes(range(256)) * 1000
    assert bytes(cramjam.snappy.decompress_raw(remote_write.snappy(raw))) == raw


def test_otlp_is_read_by_the_official_library() -> None:
    """The JSON form comes to the same message as the binary one, with the words of a log in attributes."""
    from google.protobuf.json_format import Parse  # noqa: PLC0415 - only here
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415 - only here
        ExportMetricsServiceRequest,
    )

    samples = [Sample("cloudheal_log_qps", (("by_url", FORGED), ("log", "shop")), 2.5, AT)]
    found = Parse(otlp.export_request(samples, "web-1"), ExportMetricsServiceRequest())
    resource = found.resource_metrics[0]
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["host.name"] == "web-1"
    (metric,) = resource.scope_metrics[0].metrics
    (point,) = metric.gauge.data_points
    assert (metric.name, point.as_double, point.time_unix_nano) == ("cloudheal_log_qps", 2.5, AT * 10**9)
    assert {one.key: one.value.string_value for one in point.attributes} == {"by_url": FORGED, "log": "shop"}


@pytest.mark.parametrize(
    ("answer", "number"),
    [(b"", 0), (b"{}", 0), (b'{"partialSuccess": {"rejectedDataPoints": "3"}}', 3), (b"<html>", 0), (b"[]", 0)],
)
def test_a_receiver_that_took_a_part_says_how_much_it_refused(answer: bytes, number: int) -> None:
    """Whatever else it answers counts as all taken."""
    assert otlp.rejected(answer) == number


def row(key: str = "/a") -> Row:
    """Return a row with everything in it."""
    values = {"rt": Values(3, 60, 10, 30, {10: 1, 20: 1, 30: 1})}
    return Row((key,), 3, values, {"user": Distinct((5, 7))}, {"rt_classes": (1, 2)})


def minute(sequence: int = 1, *rows: Row) -> shipment.ShippedMinute:
    """Return a minute on its way."""
    return shipment.ShippedMinute("shop", "per_url", AT - AT % 60, sequence, 0, packed_rows(rows or (row(),)))


def test_a_shipment_arrives_as_it_was_sent() -> None:
    """Rows and cells, with the numbers under which their host keeps them."""
    sent = shipment.Shipment("web-1.example", "e1", (minute(1), minute(2, row("/b"))), (("shop", AT),))
    assert shipment.opened(shipment.packed(sent)) == sent


@given(st.binary(max_size=200))
def test_a_shipment_that_is_none_is_refused_with_a_reason(body: bytes) -> None:
    """Never an endless loop, never another error."""
    whole = shipment.packed(shipment.Shipment("h", "e1", (minute(),)))
    for one in (body, whole[: len(body)], whole + body[:1] if body else whole[:-1]):
        with pytest.raises(ValueError, match=r"."):
            shipment.opened(one)


@pytest.mark.parametrize(
    "broken",
    [
        shipment.Shipment("web\n1", "e1", ()),
        shipment.Shipment("w", "e1", (shipment.ShippedMinute("a b", "m", 60, 1, 0, packed_rows(())),)),
        shipment.Shipment("w", "e1", (shipment.ShippedMinute("a", "m", 61, 1, 0, packed_rows(())),)),
        shipment.Shipment("w", "e1", (shipment.ShippedMinute("a", "m", 60, 1, 0, b"rows"),)),
        shipment.Shipment("w", "e1", (minute(1, row("/a\x1b[31m")),)),
        shipment.Shipment("w", "e1", (shipment.ShippedMinute("a", "m", 60, 1 << 63, 0, packed_rows(())),)),
    ],
    ids=["host", "log", "minute", "rows", "series", "number"],
)
def test_nothing_of_a_shipment_is_taken_on_trust(broken: shipment.Shipment) -> None:
    """Names, minutes, rows and what series are called are looked at before anything is kept."""
    with pytest.raises(ValueError, match=r"."):
        shipment.opened(shipment.packed(broken))


def test_shipments_are_of_a_size_that_a_server_takes() -> None:
    """However much waits, and in the order in which it waits."""
    minutes = [minute(number, *(row(f"/{one}") for one in range(2000))) for number in range(40)]
    sent = list(shipment.loads("h", "e1", minutes))
    assert [one for load in sent for one in load.minutes] == minutes
    assert len(sent) > 1
    assert all(len(shipment.packed(one)) < MOST_SHIPPED for one in sent)


def test_clickhouse_gets_a_row_for_every_group_and_field() -> None:
    """One JSON object a line, whatever the log said; numbers that JSON cannot hold are texts."""
    body = clickhouse.rows_of(shipment.Shipment("web-1", "e1", (minute(7, row('/a"}\u2028')),)))
    rows: list[dict[str, Any]] = [json.loads(line) for line in body.split(b"\n") if line]
    assert [one["field"] for one in rows] == ["", "rt", "user:distinct", "rt_classes:distribution"]
    assert {(one["log"], one["metric"], one["host"], one["sequence"]) for one in rows} == {
        ("shop", "per_url", "web-1", 7)
    }
    assert rows[1]["cells"] == {"10": 1, "20": 1, "30": 1}
    assert rows[1]["total"] == "60"


@pytest.mark.parametrize("table", ["t; DROP TABLE x", "a b", "", "a.b.c", "1t"])
def test_a_table_has_a_name_and_nothing_else(table: str) -> None:
    """It stands in a statement."""
    with pytest.raises(ValueError, match="table"):
        clickhouse.creation(table)
