"""`report`: the review of a span of time, in the terminal, as JSON, and as one page that opens offline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.options import HERE, AsJson, Config, Since, moment_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

    from cloudheal.record.review import Remedy, Review

app = typer.Typer()
#: The span when none is given.
SPAN = "30d"


@dataclass(frozen=True, slots=True)
class RemedyRow:
    """One playbook as people read it."""

    playbook: str
    incidents: int
    healed: int
    not_healed: int
    not_needed: int
    unknown: int
    open: int
    rate: str
    median: timedelta | None
    p95: timedelta | None
    looks: int
    calls: int
    worked: timedelta


#: Planned events in the terminal, where nobody reads tens of thousands and drawing them takes minutes.
MOST_SHOWN = 200


@app.command()
def report(
    config: Config = HERE,
    since: Since = SPAN,
    until: Annotated[str, typer.Option(help="Only before then: 1d, or 2026-03-02T11:00 in your zone.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write one page with charts, which needs no network.")] = None,
    as_json: AsJson = False,
) -> None:
    """Review a span of time: events by month, maintenance and the time left, remedies and how fast they healed."""
    from cloudheal.record.review import review

    with desk(config, as_json=as_json) as at:
        now = at.clock.now()
        begin = moment_of(since or SPAN, now, at.zone, "--since") or now
        end = moment_of(until, now, at.zone, "--until") or now
        with at.database.snapshot() as connection:
            found = review(connection, begin, end, at.zone)
        if html is not None:
            _write(found, html, at)
        if as_json:
            at.show.document(asdict(found))
        else:
            _show(found, at)
        if html is not None:
            at.show.say("report.written", file=html)


def _show(found: Review, at: Desk) -> None:
    at.show.say("report.span", since=found.since, until=found.until)
    if not (found.tallies or found.announced or found.remedies):
        at.show.say("report.nothing")
        return
    _rows(at, "title.report.events", found.tallies, ("month", "type", "events"))
    columns = ("event", "type", "resource", "published", "decided", "acted", "verified", "not_before", "left", "status")
    _rows(at, "title.report.announced", found.announced[-MOST_SHOWN:], columns)
    if (left := len(found.announced) - MOST_SHOWN) > 0:
        at.show.say("report.earlier", events=left)
    endings = ", ".join(f"{status} {number}" for status, number in found.endings.items()) or "-"
    at.show.say("report.endings", endings=endings, rate=rate(found.avoided_rate), left=found.left.median)
    _rows(at, "title.report.remedies", [_row(one) for one in found.remedies], tuple(RemedyRow.__annotations__))


def _rows(at: Desk, title: str, rows: Sequence[DataclassInstance], columns: Sequence[str]) -> None:
    """Print a table, or that there is nothing for the one of that title."""
    if rows:
        at.show.rows(title, rows, columns)
    else:
        at.show.say("report.none", title=at.show.text(title))


def _row(one: Remedy) -> RemedyRow:
    numbers = (one.incidents, one.healed, one.not_healed, one.not_needed, one.unknown, one.open)
    spent = (one.looks, one.calls, one.worked)
    return RemedyRow(one.playbook, *numbers, rate(one.rate), one.to_heal.median, one.to_heal.p95, *spent)


def _write(found: Review, html: Path, at: Desk) -> int:
    from cloudheal.cli.report_page import page

    try:
        return html.write_text(page(found, at.settings.language, at.zone, at.clock.now()), encoding="utf-8")
    except OSError as problem:
        raise typer.BadParameter(f"{html} cannot be written: {problem.strerror}", param_hint="--html") from None


def rate(value: float | None) -> str:
    """Write a share of one; what is not all of it is never written as 100 %, nor what is something as none."""
    if value is None:
        return "-"
    rounded = round(value * 100)
    return f"{max(rounded, 1) if 0 < value < 0.5 else min(rounded, 99) if value < 1 else rounded}%"
