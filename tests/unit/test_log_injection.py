"""Nothing that a client sends can forge a series, a figure or what a terminal shows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.names import OTHER
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.preview import previewed
from cloudheal.logs.windows import capped, is_other
from tests.unit.log_cases import access, defined, figures_of, metric, minutes_of

HOSTILE = [
    "\n",
    "\r\n2026",
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\x00",
    "\u202e",
    "\u2028",
    "\x7f",
    OTHER,
    "a" * 5_000,
]
JSON = {"format": {"json": True, "time": "time"}, "fields": {"page": "text", "cost": "number"}}


def entry(page: str, cost: float = 1) -> bytes:
    """Return a line of JSON, in which anything can be escaped."""
    return json.dumps({"time": "2026-03-02T09:00:00Z", "page": page, "cost": cost}).encode()


@pytest.mark.parametrize("page", HOSTILE, ids=repr)
def test_a_value_names_a_series_of_one_line_without_escapes(page: str) -> None:
    """Line breaks, escapes, marks of direction, endless values and the reserved name are shown for what they are."""
    found = figures_of(metric("{by: [page], measures: [count() as n]}", **JSON), [entry(page), entry("/fair")])
    ((name,), fair) = sorted(found, key=lambda key: key == ("/fair",))
    assert fair == ("/fair",)
    assert name.isprintable()
    assert len(name) <= 256
    assert name != OTHER


def test_nobody_can_pose_as_what_was_left_over() -> None:
    """A client that asks for `__other__` is a series like any other, and what is left over stays apart from it."""
    definition = metric("{by: [page], measures: [count() as n], most: 2}", **JSON)
    pages = [OTHER] * 5 + ["/a"] * 4 + ["/b", "/c", "/d"]
    (minute,) = minutes_of(definition, [entry(page) for page in pages])
    kept, _ = capped(minute, 2)
    assert {row.key: row.count for row in kept.rows} == {('"__other__"',): 5, ("/a",): 4, (OTHER,): 3}
    assert [is_other(row) for row in kept.rows] == [row.key == (OTHER,) for row in kept.rows]


def test_a_client_cannot_write_a_second_line_or_another_field() -> None:
    """What nginx and Apache escape stays in the field that it was sent in."""
    definition = metric("{by: [url, status], measures: [count() as n]}")
    sent = [r"/\x22 0.001 1 500 1 \x22", r"/\" 0.001 1 500 1 \"", r"/%0a192.0.2.9"]
    found = figures_of(definition, [access(url) for url in sent])
    assert {status for _, status in found} == {"200"}
    assert len(found) == 3


@given(st.lists(st.text(max_size=30) | st.sampled_from(HOSTILE), min_size=1, max_size=20))
def test_whatever_is_sent_every_line_is_in_exactly_one_series(pages: list[str]) -> None:
    """Values that are shown alike are one series, so that the sum is right."""
    definition = metric("{by: [page], measures: [count() as n, sum(cost) as cost], most: 3}", **JSON)
    (minute,) = minutes_of(definition, [entry(page, cost=2) for page in pages])
    kept, _ = capped(minute, 3)
    assert sum(row.count for row in kept.rows) == len(pages)
    assert sum(row.values["cost"].total for row in kept.rows) == 2_000 * len(pages)
    assert len({row.key for row in kept.rows}) == len(kept.rows) <= 4
    assert all(part.isprintable() for row in kept.rows for part in row.key)


def test_a_preview_shows_hostile_lines_without_what_drives_terminals() -> None:
    """Fields, refused lines and figures alike."""
    definition = defined("metrics: [{name: m, by: [page], measures: [count() as n]}]", **JSON)
    lines = [entry("\x1b[2J\n"), b"\x1b]0;owned\x07 not JSON", b"\xff\xfe"]
    seen = previewed(definition, lines, Oracle(definition))
    texts = [one.example for one in seen.fields] + [one.text for one in seen.refused]
    texts += [part for window in seen.metrics[0].windows for point in window.points for part in point.key]
    assert len(seen.refused) == 2
    assert all(text.isprintable() for text in texts)
