"""A drill's report as one HTML page: the verdict, the scope, the steps with bars for their latencies. It loads nothing.

Whatever came from a cloud or a message is escaped: a name must not be able to write into the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta, tzinfo
from html import escape

from cloudheal.cli.report_page import STYLE, bars
from cloudheal.cli.show import Show
from cloudheal.drills.outcome import DrillReport, Note, Result, StepResult
from cloudheal.model.instant import localised

_COLOURS = {Result.PASS: "#2e8b57", Result.FAIL: "#c0392b", Result.SKIPPED: "#5a6b7b", Result.DONE: "#3b6fb6"}
_MARKS = {Result.PASS: "\N{CHECK MARK}", Result.FAIL: "\N{BALLOT X}", Result.SKIPPED: "-", Result.DONE: ">"}
_COLUMNS = ("number", "step", "result", "latency", "limit", "seen")


def page(report: DrillReport, show: Show, zone: tzinfo) -> str:
    """Return the whole page."""
    text = show.text
    title = escape(text("drill.page.title", scenario=report.scenario))
    when = escape(text("drill.page.when", began=report.began, ended=report.ended, zone=str(zone)))
    latencies = {f"{one.number} {one.title}": _rounded(one.latency) for one in report.steps if one.latency is not None}
    colours = {f"{one.number} {one.title}": _COLOURS[one.result] for one in report.steps}
    parts = [
        f"<h1>{title}</h1><p>{escape(report.description)}<br>{when}</p>",
        _facts(report, show),
        *(f'<p class="fail">{escape(one)}</p>' for one in _troubles(report, show)),
        f"<h2>{escape(text('title.drill.steps'))}</h2>",
        _steps(report, show),
        f"<h2>{escape(text('drill.page.latencies'))}</h2>",
        bars(latencies, colours),
        f"<h2>{escape(text('drill.page.scope'))}</h2>",
        f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in _scope(report, show))}</ul>",
    ]
    style = f"{STYLE}.fail{{color:#c0392b;font-weight:600}}td b{{font-weight:600}}"
    head = f'<meta charset="utf-8"><title>cloudheal {title}</title><style>{style}</style>'
    language = escape(show.language)
    body = localised("".join(parts), zone)
    return f'<!DOCTYPE html>\n<html lang="{language}"><head>{head}</head><body>{body}</body></html>\n'


def _facts(report: DrillReport, show: Show) -> str:
    verdict = "pass" if report.passed else "fail"
    asked = [one for one in report.steps if one.result in {Result.PASS, Result.FAIL, Result.SKIPPED}]
    shown = {
        "drill.page.result": show.text(f"drill.page.verdict.{verdict}"),
        "drill.page.passed": f"{sum(one.result is Result.PASS for one in asked)} / {len(asked)}",
        "drill.page.length": str(timedelta(seconds=round((report.ended - report.began).total_seconds()))),
        "drill.page.cancelled": str(report.cancelled),
    }
    told = "".join(f"<div>{escape(show.text(key))}<b>{escape(value)}</b></div>" for key, value in shown.items())
    return f'<div class="facts">{told}</div>'


def _troubles(report: DrillReport, show: Show) -> Iterator[str]:
    failed = report.failed
    if report.problem:
        yield show.text("drill.broken", scenario=report.scenario, problem=report.problem)
    elif failed is not None:
        facts = {"number": failed.number, "step": failed.title, "why": why(failed.why, show)}
        yield show.text("drill.failed", scenario=report.scenario, **facts)
    if report.left:
        yield show.text("drill.left", left=", ".join(report.left))


def _steps(report: DrillReport, show: Show) -> str:
    head = "".join(f"<th>{escape(show.text(f'column.{one}'))}</th>" for one in _COLUMNS)
    body = "".join(_row(one, show) for one in report.steps)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(step: StepResult, show: Show) -> str:
    word = escape(show.text(f"drill.result.{step.result}"))
    result = f'<b style="color:{_COLOURS[step.result]}">{_MARKS[step.result]} {word}</b>'
    told = [
        *step.seen,
        *([why(step.why, show)] if step.why else []),
        *([", ".join(step.missing)] if step.missing else []),
    ]
    cells = (str(step.number), step.title)
    rest = (_length(step.latency), _length(step.limit), "; ".join(told))
    first, last = ("".join(f"<td>{escape(one)}</td>" for one in some) for some in (cells, rest))
    return f"<tr>{first}<td>{result}</td>{last}</tr>"


def _scope(report: DrillReport, show: Show) -> Iterator[str]:
    scope, text = report.scope, show.text
    servers = ", ".join(scope.servers)
    facts = {"account": scope.account, "region": scope.region, "count": len(scope.servers), "servers": servers}
    yield text("drill.scope.servers", **facts).strip()
    yield text("drill.scope.rules" if scope.rules else "drill.scope.nobody", rules=", ".join(scope.rules)).strip()
    if scope.calls:
        yield text("drill.scope.real" if scope.real else "drill.scope.dry").strip()
        yield text("drill.scope.limits", calls=scope.calls, scheduled=scope.scheduled).strip()
    yield from (text("drill.note", note=note(one, show)).strip() for one in scope.notes)


def why(reason: str, show: Show) -> str:
    """Say why a step is as it is; the words of an error stay as they are."""
    key = f"drill.why.{reason}"
    return show.text(key) if show.knows(key) else reason


def note(one: Note, show: Show) -> str:
    """Say what may make a drill come out otherwise than people expect."""
    return show.text(f"drill.note.{one.code}", **one.facts)


def _rounded(length: timedelta) -> int:
    return round(length.total_seconds())


def _length(length: timedelta | None) -> str:
    return "" if length is None else f"{length.total_seconds():.1f} s"
