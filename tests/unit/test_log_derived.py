"""Arithmetic over statistics says what it cannot do, and has no value rather than a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.derived import expression

NAMES = ("5XXNumber", "TotalNumber", "rt_avg", "1e5")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5XXNumber/TotalNumber*100", 12.5),
        ("(TotalNumber - 5XXNumber) / TotalNumber", 0.875),
        ("-rt_avg + 2 * .5", 0.75),
        ("rt_avg*1000", 250.0),
        ("1e5 + 1", 8.0),
        ("TotalNumber\n/ 2.", 4.0),
        ("+3", 3.0),
    ],
)
def test_names_may_begin_with_figures_and_precedence_is_the_usual(text: str, value: float) -> None:
    """CloudMonitor's own example is one of them."""
    values = {"5XXNumber": 1.0, "TotalNumber": 8.0, "rt_avg": 0.25, "1e5": 7.0}
    assert expression(text, NAMES).value(values) == pytest.approx(value)


@pytest.mark.parametrize("text", ["5XXNumber / TotalNumber", "1 / (TotalNumber - 0)", "rt_avg / 2"])
def test_a_division_by_zero_or_of_nothing_has_no_value(text: str) -> None:
    """No point is not zero."""
    assert expression(text, NAMES).value({"5XXNumber": 1.0, "TotalNumber": 0.0, "rt_avg": None}) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Total / 2", "no measure is called Total; known are 5XXNumber"),
        ("TotalNumber ** 2", "not arithmetic"),
        ("TotalNumber % 2", "not arithmetic"),
        ("rt_avg if rt_avg else 1", "no measure is called if"),
        ("__import__('os')", "no measure is called __import__"),
        ("rt_avg(1)", "not arithmetic"),
        ("rt_avg[0]", "not arithmetic"),
        ("rt_avg, rt_avg", "not arithmetic"),
        ("rt_avg < 1", "not arithmetic"),
        ("'1'", "not arithmetic"),
        ("rt_avg +", "not an expression"),
        ("", "not an expression"),
        ("rt_avg; 1", "not an expression"),
        ("(" * 240 + "1" + ")" * 240, "not an expression"),
        ("1+" * 250 + "1", "at most 500 characters"),
    ],
)
def test_what_is_no_arithmetic_is_refused_with_what_was_expected(text: str, told: str) -> None:
    """Nothing that could run is let in."""
    with pytest.raises(ValueError, match=told):
        expression(text, NAMES)


@given(st.text("rt_avg+-*/(). 19\n", max_size=30), st.floats())
def test_whatever_is_written_there_is_a_finite_value_or_none(text: str, value: float) -> None:
    """An expression that was let in never fails later."""
    try:
        found = expression(text, NAMES)
    except ValueError:
        return
    result = found.value(dict.fromkeys(NAMES, value))
    assert result is None or abs(result) < float("inf")
