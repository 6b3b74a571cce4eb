"""Commands about logs: whether their definitions can be counted by, and what they make of the last lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import settings_of, show_of
from cloudheal.cli.log_definitions import definition_named, definitions, no_file
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.cli.show import Show
    from cloudheal.logs.definition import Definition
    from cloudheal.logs.preview import LineRefused, MetricSeen, Preview
    from cloudheal.settings.schema import Settings

app = typer.Typer(no_args_is_help=True, help="Logs: check, preview, follow, look back.")
#: Rows of a table in a terminal; programs get all of them.
MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class LogRow:
    """A log, and how its last lines are read."""

    log: str
    metrics: int
    files: int
    newest: str
    read: int
    refused: int


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that is not counted."""

    line: int
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class PointRow:
    """A figure of a series in a window."""

    window: datetime
    series: str
    figure: str
    value: str


@app.command()
def check(config: Config = HERE, as_json: AsJson = False) -> None:
    """Say whether every definition can be counted by, and how the last lines of each log are read."""
    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    found = definitions(settings, config)
    rows = [_log_row(one, _now(settings)) for one in found]
    if not rows and not as_json:
        show.say("logs.none")
    else:
        show.rows("title.logs.check", rows, ("log", "metrics", "files", "newest", "read", "refused"))
    bad = sum(not row.files or (row.refused > 0 and not row.read) for row in rows)
    for one in found:
        if one.guessed:
            show.say("logs.guessed", log=one.name, format=one.guessed)
    if rows:
        show.say("logs.bad" if bad else "logs.good", count=bad)
    raise typer.Exit(1 if bad else 0)


@app.command()
def preview(
    name: Annotated[str, typer.Argument(help="The log's name.", metavar="NAME")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A file; absent: the newest of the log. - reads standard input.", metavar="FILE"),
    ] = None,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what a definition makes of the last 100 lines: fields, metrics, and lines that are not counted, with why."""
    from cloudheal.cli.log_lines import files_of, last_lines
    from cloudheal.logs.preview import LINES

    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    definition = definition_named(name, show, settings, config)
    found = [file] if file else files_of(definition.files)
    if not found:
        no_file(definition, show, "preview")
    seen = _previewed(definition, last_lines(found[0], LINES), _now(settings))
    if as_json:
        show.document({"log": name, "file": str(found[0]), **asdict(seen)})
    _tell(show, definition, str(found[0]), seen)
    raise typer.Exit(0 if seen.read else 1)


def _now(settings: Settings) -> int:
    from cloudheal.sources.followed_clock import clock_of

    return int(clock_of(settings.clock).now().timestamp())


def _previewed(definition: Definition, lines: list[bytes], now: int) -> Preview:
    from cloudheal.logs.oracle import Oracle
    from cloudheal.logs.preview import previewed

    return previewed(definition, lines, Oracle(definition), now + definition.ahead + 1)


def _log_row(definition: Definition, now: int) -> LogRow:
    from cloudheal.cli.log_lines import files_of, last_lines
    from cloudheal.logs.preview import LINES

    files = files_of(definition.files)
    seen = _previewed(definition, last_lines(files[0], LINES) if files else [], now)
    newest = str(files[0]) if files else "-"
    return LogRow(definition.name, len(definition.metrics), len(files), newest, seen.read, len(seen.refused))


def _tell(show: Show, definition: Definition, file: str, seen: Preview) -> None:
    if show.as_json:
        return
    if not seen.lines:
        show.say("logs.nothing", file=file)
        return
    facts = {"lines": seen.lines, "read": seen.read, "refused": len(seen.refused)}
    show.say("logs.lines", log=definition.name, file=file, **facts)
    if definition.guessed:
        show.say("logs.guessed", log=definition.name, format=definition.guessed)
    show.rows("title.logs.fields", seen.fields, ("field", "kind", "filled", "different", "example"))
    if seen.refused:
        _limited(show, "title.logs.refused", [_refused(show, one) for one in seen.refused], ("line", "why", "text"))
    most = {one.name: one.most for one in definition.metrics}
    for metric in seen.metrics:
        show.say("logs.metric", metric=metric.name, minutes=metric.minutes, lines=metric.lines)
        if metric.by:
            show.say("logs.grouped", by=", ".join(metric.by), most=most[metric.name])
        show.lines(metric.sql.splitlines())
        _limited(show, "title.logs.points", list(_points(metric)), ("window", "series", "figure", "value"))


def _limited(show: Show, title: str, rows: list[RefusedRow] | list[PointRow], columns: tuple[str, ...]) -> None:
    show.rows(title, rows[:MOST_ROWS], columns)
    if len(rows) > MOST_ROWS:
        show.say("logs.more", more=len(rows) - MOST_ROWS)


def _refused(show: Show, line: LineRefused) -> RefusedRow:
    return RefusedRow(line.number, show.text(f"logs.reason.{line.reason.name}", field=line.field), line.text)


def _points(metric: MetricSeen) -> Iterator[PointRow]:
    for window in reversed(metric.windows):
        start = datetime.fromtimestamp(window.start, UTC)
        for point in window.points:
            figure = f"{point.alias} {point.within}".strip()
            yield PointRow(start, " · ".join(point.key), figure, f"{point.value:.6g}")
