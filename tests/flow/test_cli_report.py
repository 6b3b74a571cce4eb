"""What an operator types to look back."""

from __future__ import annotations

import pytest

from tests.flow.operators import Operator
from tests.flow.test_cli_work import message


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def test_a_report_is_shown_written_and_read_by_programs(operator: Operator) -> None:
    """Terminal, JSON and a page, which is said to be written; a place that cannot be written is said, too."""
    operator.done("feed", "-", typed=message("i-bp1web01"))
    shown = operator.done("report", "--since", "2020-01-01", "--html", "report.html")
    assert "Avoided ahead of time: -" in shown
    assert "Remedies: none" in shown
    assert shown.splitlines()[-1] == "The page was written to report.html."
    text = (operator.folder / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert operator.json("report")["avoided_rate"] is None
    refused = operator("report", "--html", "nowhere/report.html")
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr
    operator.settings(language="zh")
    assert "提前避免" in operator.done("report", "--since", "2020-01-01")


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "No events and no incidents in this span."), ("zh", "这段时间内没有事件，也没有故障。")],
)
def test_a_report_on_nothing_is_one_sentence(operator: Operator, language: str, said: str) -> None:
    """Below the span stands that there was nothing, and no table without a title."""
    operator.settings(language=language)
    _, told = operator.done("report").splitlines()
    assert told == said
