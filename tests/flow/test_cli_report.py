"""What an operator types to look back."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from cloudheal.cli.report import MOST_SHOWN
from cloudheal.record.database import open_database
from cloudheal.record.tables import SYSTEM_EVENT
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


def test_of_tens_of_thousands_of_planned_events_the_terminal_shows_the_newest(operator: Operator) -> None:
    """Drawing them all took minutes; how many are left out is said, and programs get every one."""
    operator.settings()
    database = open_database(f"sqlite:///{operator.folder / 'c.db'}")
    now = round(time.time() * 1000)
    row: dict[str, object] = {
        "cloud": "alibaba",
        "account": "1000000000000001",
        "region": "cn-hangzhou",
        "kind": "instance",
    }
    row |= {"type": "SystemMaintenance.Reboot", "status": "Scheduled", "simulated": False, "changed": now}
    many = MOST_SHOWN + 3
    with database.transaction() as connection:
        for number in range(many):
            at = {"published": now - (many - number) * 1000, "not_before": now + 86_400_000, "first_heard": now}
            told = {**row, **at, "id": f"e-{number:04}", "resource": f"i-{number}"}
            connection.execute(sa.insert(SYSTEM_EVENT).values(told))
    database.close()
    shown = operator.done("report")
    assert ("e-0002" in shown, "e-0003" in shown) == (False, True)
    assert "Before these: 3 events more" in shown
    assert len(operator.json("report")["announced"]) == many
