"""Event patterns match as EventBridge users expect, say why they do not, and the index never changes the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.decide.index import PatternIndex
from cloudheal.decide.pattern import Pattern, compiled
from cloudheal.errors import SettingsError

EVENT = {
    "source": "alibaba.ecs",
    "type": "Instance:StateChange",
    "data": {"state": "Stopped", "count": 7, "flag": True, "tags": ["a", "b"], "empty": []},
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"type": ["Instance:StateChange"]}, True),
        ({"type": ["Other", "Instance:StateChange"], "data": {"state": ["Stopped"]}}, True),
        ({"type": ["Instance:StateChange"], "data": {"state": ["Running"]}}, False),
        ({"data": {"state": [{"prefix": "Sto"}]}}, True),
        ({"data": {"state": [{"suffix": "ed"}, "x"]}}, True),
        ({"data": {"state": [{"anything-but": ["Running", "Starting"]}]}}, True),
        ({"data": {"state": [{"anything-but": "Stopped"}]}}, False),
        ({"data": {"nothing": [{"anything-but": "x"}]}}, False),
        ({"data": {"nothing": [{"exists": False}]}}, True),
        ({"data": {"nothing": [None]}}, True),
        ({"data": {"state": [{"exists": True}]}}, True),
        ({"data": {"count": [{"numeric": [">", 5, "<=", 7]}]}}, True),
        ({"data": {"count": [{"numeric": ["<", 7]}]}}, False),
        ({"data": {"flag": [{"numeric": [">", 0]}]}}, False),
        ({"data": {"flag": [1]}}, False),
        ({"data": {"tags": ["b"]}}, True),
        ({"data": {"empty": ["b"]}}, False),
        ({"data": {"state": [{"equals-ignore-case": "STOPPED"}]}}, True),
        ({"data": {"state": {"deeper": ["x"]}}}, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_does(pattern: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """Fields are joined by and, alternatives by or."""
    assert compiled(pattern).matches(EVENT) is expected
    assert (not list(compiled(pattern).failures(EVENT))) is expected


def test_a_failure_names_the_clause_and_what_was_found() -> None:
    """An operator reads which clause failed and what would have matched."""
    (failure,) = compiled({"data": {"state": ["Running", {"prefix": "Start"}]}}).failures(EVENT)
    assert str(failure) == "data.state is 'Stopped', wanted 'Running' or prefix 'Start'"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({}, "when: an empty pattern selects nothing"),
        ({"type": []}, "when.type: expected a list"),
        ({"type": "x"}, "when.type: expected a list"),
        ({"data": {}}, "when.data: an empty pattern"),
        ({"type": [{"prefix": 3}]}, "unknown alternative"),
        ({"type": [{"glob": "x"}]}, "unknown alternative"),
        ({"type": [{"prefix": "a", "suffix": "b"}]}, "exactly one operator"),
        ({"type": [["x"]]}, "not lists"),
        ({"n": [{"numeric": [">"]}]}, "numeric takes pairs"),
        ({"n": [{"numeric": ["~", 1]}]}, "numeric takes pairs"),
    ],
)
def test_a_pattern_that_cannot_be_understood_is_an_error(pattern: dict[str, Any], reason: str) -> None:
    """A mistake is told when the file is read, never turned into a rule that matches nothing."""
    with pytest.raises(SettingsError, match=reason):
        compiled(pattern)


VALUES = st.sampled_from(["a", "b", "c", 1, 0, True, False, None])
ALTERNATIVES = st.lists(
    st.one_of(VALUES, st.just({"exists": True}), st.just({"prefix": "a"}), st.just({"anything-but": ["b", 1]})),
    min_size=1,
    max_size=3,
)
PATTERNS = st.dictionaries(st.sampled_from(["x", "y", "z"]), ALTERNATIVES, min_size=1).map(compiled)
FIELDS = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.one_of(VALUES, st.lists(VALUES, max_size=3)))


@given(st.lists(PATTERNS, max_size=12), FIELDS)
def test_the_index_finds_exactly_what_trying_all_finds(patterns: list[Pattern], fields: dict[str, Any]) -> None:
    """The index only saves work; the answer and its order are those of trying every pattern."""
    index = PatternIndex(enumerate(patterns))
    assert index.matching(fields) == [n for n, pattern in enumerate(patterns) if pattern.matches(fields)]


def test_a_thousand_rules_for_a_thousand_servers_cost_one_try() -> None:
    """Rules that differ in the server only are told apart by the server, not by trying them all."""
    tried: list[int] = []

    def seen(number: int) -> bool:
        tried.append(number)
        return True

    def spy(number: int) -> Pattern:
        pattern = compiled({"type": ["t"], "subject": [f"i-{number}"], "data": {"n": [{"exists": True}]}})
        clause = pattern.clauses[2]
        counting = replace(clause, tests=(("spy", lambda _value: seen(number)),))
        return Pattern((*pattern.clauses[:2], counting))

    index = PatternIndex((number, spy(number)) for number in range(1000))
    assert index.matching({"type": "t", "subject": "i-7", "data": {"n": 1}}) == [7]
    assert tried == [7]
