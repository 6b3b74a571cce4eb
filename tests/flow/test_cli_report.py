"""What an operator types to look back."""

from __future__ import annotations

import pytest

from tests.flow.operators import Operator


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def test_a_report_is_shown_written_and_read_by_programs(operator: Operator) -> None:
    """Terminal, JSON and a page; a place that cannot be written is said."""
    shown = operator.done("report", "--html", "report.html")
    assert "Avoided ahead of time: -" in shown
    text = (operator.folder / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert operator.json("report")["avoided_rate"] is None
    refused = operator("report", "--html", "nowhere/report.html")
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr
    operator.settings(language="zh")
    assert "提前避免" in operator.done("report")
