"""A drill's report as one HTML page: the verdict, the scope, the steps with bars for their latencies. It loads nothing.

Whatever came from a cloud or a message is escaped: a name must not be able to write into the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

from cloudheal.cli.report_page import STYLE, bars
from cloudheal.drills.outcome import DrillReport, Result, StepResult

if TYPE_CHECKING:
    from cloudheal.cli.desk import Desk

_COLOURS = {Result.PASS: "#2e8b57", Result.FAIL: "#c0392b", Result.SKIPPED: "#5a6b7b", Result.DONE: "#3b6fb6"}
_MARKS = {Result.PASS: "\N{CHECK MARK}", Result.FAIL: "\N{BALLOT X}", Result.SKIPPED: "-", Result.DONE: ">"}
_COLUMNS = ("number", "step", "result", "latency", "limit", "seen")


def page(report: DrillReport, at: Desk) -> str:
    """Return the whole page."""
    text = at.show.text
    title = escape(text("drill.page.title", scenario=report.scenario))
    when = escape(text("drill.page.when", began=report.began, ended=report.ended, zone=str(at.zone)))
    latencies = {f"{one.number} {one.title}": _rounded(one.latency) for one in report.steps if one.latency is not None}
    colours = {f"{one.number} {one.title}": _COLOURS[one.result] for one in report.steps}
    parts = [
        f"<h1>{title}</h1><p>{escape(report.description)}<br>{when}</p>",
        _facts(report, at),
        *(f'<p class="fail">{escape(one)}</p>' for one in _troubles(report, at)),
        f"<h2>{escape(text('title.drill.steps'))}</h2>",
        _steps(report, at),
        f"<h2>{escape(text('drill.page.latencies'))}</h2>",
        bars(latencies, colours),
        f"<h2>{escape(text('drill.page.scope'))}</h2>",
        f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in _scope(report, at))}</ul>",
    ]
    style = f"{STYLE}.fail{{color:#c0392b;font-weight:600}}td b{{font-weight:600}}"
    head = f'<meta charset="utf-8"><title>cloudheal {title}</title><style>{style}</style>'
    language = escape(at.show.language)
    return f'<!DOCTYPE html>\n<html lang="{language}"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _facts(report: DrillReport, at: Desk) -> str:
    verdict = "pass" if report.passed else "fail"
    asked = [one for one in report.steps if one.result in {Result.PASS, Result.FAIL, Result.SKIPPED}]
    shown = {
        "drill.page.result": at.show.text(f"drill.page.verdict.{verdict}"),
        "drill.page.passed": f"{sum(one.result is Result.PASS for one in asked)} / {len(asked)}",
        "drill.page.length": str(timedelta(seconds=round((report.ended - report.began).total_seconds()))),
        "drill.page.cancelled": str(report.cancelled),
    }
    told = "".join(f"<div>{escape(at.show.text(key))}<b>{escape(value)}</b></div>" for key, value in shown.items())
    return f'<div class="facts">{told}</div>'


def _troubles(report: DrillReport, at: Desk) -> Iterator[str]:
    failed = report.failed
    if report.problem:
        yield at.show.text("drill.broken", scenario=report.scenario, problem=report.problem)
    elif failed is not None:
        facts = {"number": failed.number, "step": failed.title, "why": failed.why}
        yield at.show.text("drill.failed", scenario=report.scenario, **facts)
    if report.left:
        yield at.show.text("drill.left", left=", ".join(report.left))


def _steps(report: DrillReport, at: Desk) -> str:
    head = "".join(f"<th>{escape(at.show.text(f'column.{one}'))}</th>" for one in _COLUMNS)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(_row(one, at) for one in report.steps)}</tbody></table>"
    )


def _row(step: StepResult, at: Desk) -> str:
    word = escape(at.show.text(f"drill.result.{step.result}"))
    result = f'<b style="color:{_COLOURS[step.result]}">{_MARKS[step.result]} {word}</b>'
    told = [*step.seen, *([step.why] if step.why else []), *([", ".join(step.missing)] if step.missing else [])]
    cells = (str(step.number), step.title)
    rest = (_length(step.latency), _length(step.limit), "; ".join(told))
    first, last = ("".join(f"<td>{escape(one)}</td>" for one in some) for some in (cells, rest))
    return f"<tr>{first}<td>{result}</td>{last}</tr>"


def _scope(report: DrillReport, at: Desk) -> Iterator[str]:
    scope, text = report.scope, at.show.text
    servers = ", ".join(scope.servers)
    facts = {"account": scope.account, "region": scope.region, "count": len(scope.servers), "servers": servers}
    yield text("drill.scope.servers", **facts).strip()
    yield text("drill.scope.rules" if scope.rules else "drill.scope.nobody", rules=", ".join(scope.rules)).strip()
    if scope.calls:
        yield text("drill.scope.real" if scope.real else "drill.scope.dry").strip()
        yield text("drill.scope.limits", calls=scope.calls, scheduled=scope.scheduled).strip()
    yield from (text("drill.warning", warning=one).strip() for one in scope.warnings)


def _rounded(length: timedelta) -> int:
    return round(length.total_seconds())


def _length(length: timedelta | None) -> str:
    return "" if length is None else f"{length.total_seconds():.1f} s"
