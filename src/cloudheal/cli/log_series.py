"""Commands about what was counted in logs: follow them here, look back over a range, see which series are the busiest.

Names of series come from whoever wrote the log. They are shown without anything that a terminal would obey.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.options import HERE, AsJson, Config, moment_of

if TYPE_CHECKING:
    from rich.table import Table

    from cloudheal.logs.counting import Minute
    from cloudheal.logs.definition import Definition, Metric
    from cloudheal.logs.figures import Point
    from cloudheal.logs.windows import Window

app = typer.Typer()
log = logging.getLogger("cloudheal.logs")

Log = Annotated[str, typer.Argument(help="The log's name.")]
MetricName = Annotated[str, typer.Argument(help="The metric's name; absent: the only one, or all of them.")]
Until = Annotated[str, typer.Option(help="Only up to then: 10m (ago), or 2026-03-02T11:00 in your zone.")]
#: Characters of a sparkline, and how often a live table is drawn anew.
WIDTH, LIVE_SECONDS = 48, 1.0
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class FollowedRow:
    """A log, and what its lines came to."""

    log: str
    files: int
    lines: int
    counted: int
    refused: int
    late: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A figure of a series over a range; `points` has every window that has a value, of so many minutes at least."""

    metric: str
    series: str
    figure: str
    minutes: int
    last: float
    least: float
    most: float
    key: tuple[str, ...]
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class TopRow:
    """A series and its figures over a range."""

    rank: int
    series: str
    lines: int
    share: float
    key: tuple[str, ...]
    figures: Mapping[str, float]


@app.command()
def follow(
    config: Config = HERE,
    once: Annotated[bool, typer.Option("--once", help="Count what is there, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow the logs of the settings and count, without watching any cloud; until told to stop."""
    from cloudheal.cli.work import log_plainly

    log_plainly()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with desk(config, as_json=as_json) as at:
        rows = _followed(at, config, stopping, once=once)
        at.show.rows("title.logs.followed", rows, ("log", "files", "lines", "counted", "refused", "late"))


@app.command()
def query(
    name: Log,
    metric: MetricName = "",
    config: Config = HERE,
    since: Annotated[str, typer.Option(help="From then on: 2h, 1d, or 2026-03-02T11:00 in your zone.")] = "1h",
    until: Until = "",
    minutes: Annotated[int, typer.Option(min=0, max=60, help="Length of a window; 0: the metric's own.")] = 0,
    series: Annotated[str, typer.Option(help="Only series whose name contains this.")] = "",
    figure: Annotated[str, typer.Option(help="Only this figure, by its alias.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many series of each metric.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show series over a range of time, with a sparkline for each; the busiest first."""
    with desk(config, as_json=as_json) as at:
        definition, chosen = _chosen(at, config, name, metric)
        begin, end = _range(at, since, until)
        rows: list[SeriesRow] = []
        for one in chosen:
            length = _length(minutes or one.minutes)
            windows = _windows(at, definition, one, begin, end, length)
            found = _series(definition, one, windows)
            fitting = [row for row in found if series in row.series and figure in {"", row.figure.partition(" ")[0]}]
            names = list(dict.fromkeys(row.series for row in fitting))[:limit]
            rows += [row for row in fitting if row.series in names]
        _tell_series(at, rows, (begin, end))


@app.command()
def top(
    name: Log,
    metric: MetricName = "",
    config: Config = HERE,
    by: Annotated[str, typer.Option(help="The figure that decides, by its alias; absent: the number of lines.")] = "",
    since: Annotated[str, typer.Option(help="From then on: 2h, 1d, or 2026-03-02T11:00 in your zone.")] = "5m",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many series.")] = 20,
    live: Annotated[bool, typer.Option("--live", help="Draw it anew every second, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the busiest series of a range of time, minutes that are not over included."""
    with desk(config, as_json=as_json) as at:
        definition, chosen = _chosen(at, config, name, metric)
        if by and by not in _aliases(chosen[0]):
            at.show.say("logs.no_figure", figure=by, known=", ".join(_aliases(chosen[0])))
            raise typer.Exit(1)

        def ranked() -> list[TopRow]:
            return _ranked(at, definition, chosen[0], _range(at, since, until), by)[:limit]

        if live and sys.stdout.isatty() and not as_json:
            _live(at, ranked)
        else:
            _tell_top(at, ranked())


# --- follow ---


def _followed(at: Desk, config: Path, stopping: threading.Event, *, once: bool) -> list[FollowedRow]:
    from cloudheal.app.following import POLL_SECONDS, following_of
    from cloudheal.metrics.counters import Counters
    from cloudheal.record.log_rollup import Ages, SeriesKeeper

    counters = Counters()
    ages, worker = at.settings.record.series, f"{socket.gethostname()}-{os.getpid()}"
    series = SeriesKeeper(at.database, worker, at.clock, Ages(ages.minutes, ages.quarters, ages.hours))
    following = following_of(at.settings, at.database, _definitions(at, config), at.clock, counters)
    if once:
        following.catch_up(stopping.is_set)
    else:
        from cloudheal.app.chores import Chores
        from cloudheal.app.outage import Outage

        chores = Chores(stopping, Outage(), counters)
        chores.start("series", series.tick, POLL_SECONDS * 10)
        for name, work in following.works().items():
            chores.start(name, work, POLL_SECONDS)
        log.info("logs.ready host=%s logs=%d", following.host, len(following.followers))
        while not stopping.wait(LIVE_SECONDS):  # in slices: a signal is heard between them
            pass
        chores.join(15)
    standing_by = following.stands_by
    following.end()
    if standing_by:
        at.show.say("logs.standing_by")
        raise typer.Exit(1)
    return [
        FollowedRow(one.log, one.files, one.fed.lines, one.fed.counted, one.fed.rejected, one.fed.late)
        for one in following.readings()
    ]


# --- query ---


def _windows(
    at: Desk, definition: Definition, metric: Metric, begin: datetime, end: datetime, minutes: int
) -> tuple[Window, ...]:
    from cloudheal.record.log_series import windows_of

    with at.database.snapshot() as connection:
        return windows_of(connection, definition, metric, _second(begin), _second(end), minutes)


def _series(definition: Definition, metric: Metric, windows: Sequence[Window]) -> list[SeriesRow]:
    """Return every figure of every series, those with the most lines first."""
    from cloudheal.logs.figures import Figures

    figures, lines = Figures(definition, metric), _lines(windows)
    found: dict[tuple[tuple[str, ...], str], list[tuple[int, float]]] = {}
    for window in windows:
        for point in figures.of(window):
            found.setdefault((point.key, _figure(point)), []).append((window.start, point.value))
    minutes = min((one.minutes for one in windows), default=1)
    ordered = sorted(found.items(), key=lambda one: (-lines.get(one[0][0], 0), one[0][0]))
    return [_series_row(metric, key, figure, points, minutes) for (key, figure), points in ordered]


def _series_row(
    metric: Metric, key: tuple[str, ...], figure: str, points: Sequence[tuple[int, float]], minutes: int
) -> SeriesRow:
    values = [value for _, value in points]
    return SeriesRow(
        metric=metric.name,
        series=_name(key),
        figure=figure,
        minutes=minutes,
        last=values[-1],
        least=min(values),
        most=max(values),
        key=key,
        points=tuple((datetime.fromtimestamp(start, UTC), value) for start, value in points),
    )


def _tell_series(at: Desk, rows: Sequence[SeriesRow], span: tuple[datetime, datetime]) -> int:
    if at.show.as_json:
        at.show.document(at.show.records(rows))
    elif not rows:
        at.show.say("none")
    else:
        names = ("metric", "series", "figure", "minutes", "chart", "last", "least", "most")
        heads = [at.show.text(f"column.{one}") for one in names]
        at.show.console().print(at.show.grid("title.logs.query", heads, [_cells(one, span) for one in rows]))
    return len(rows)


def _cells(row: SeriesRow, span: tuple[datetime, datetime]) -> list[object]:
    points = [(_second(start), value) for start, value in row.points]
    chart = sparkline(points, _second(span[0]), _second(span[1]), row.minutes * 60)
    numbers = [_number(one) for one in (row.last, row.least, row.most)]
    return [row.metric, row.series, row.figure, row.minutes, chart, *numbers]


def sparkline(points: Iterable[tuple[int, float]], begin: int, end: int, step: int, width: int = WIDTH) -> str:
    """Draw values over a range of seconds in at most `width` characters; what has no value is a blank.

    Where several windows share a character, it shows the largest of them.
    """
    begin -= begin % step
    slots = max(1, -(-(end - begin) // step))
    columns = min(width, slots)
    largest: list[float | None] = [None] * columns
    for start, value in points:
        place = (start - begin) // step * columns // slots
        if 0 <= place < columns:
            before = largest[place]
            largest[place] = value if before is None else max(before, value)
    known = [one for one in largest if one is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    return "".join(" " if one is None else BARS[_step(one, low, high)] for one in largest)


def _step(value: float, low: float, high: float) -> int:
    return round((value - low) / (high - low) * (len(BARS) - 1)) if high > low else 0


# --- top ---


def _ranked(at: Desk, definition: Definition, metric: Metric, span: tuple[datetime, datetime], by: str) -> list[TopRow]:
    from cloudheal.logs.figures import Figures

    window = _whole(at, definition, metric, span)
    if window is None:
        return []
    lines = {row.key: row.count for row in window.rows}
    total = sum(lines.values()) or 1
    figures: dict[tuple[str, ...], dict[str, float]] = {key: {} for key in lines}
    for point in Figures(definition, metric).of(window):
        figures[point.key][_figure(point)] = point.value
    order = sorted(lines, key=lambda key: (-figures[key].get(by, float("-inf")) if by else 0, -lines[key], key))
    return [
        TopRow(rank, _name(key), lines[key], lines[key] / total, key, figures[key]) for rank, key in enumerate(order, 1)
    ]


def _whole(at: Desk, definition: Definition, metric: Metric, span: tuple[datetime, datetime]) -> Window | None:
    """Return a range as one window: what is stored of it, and what is open."""
    from cloudheal.logs.counting import merged
    from cloudheal.logs.engines import pick
    from cloudheal.logs.windows import Window
    from cloudheal.record.log_following import open_minutes
    from cloudheal.record.log_series import windows_of

    begin, end = (_second(one) for one in span)
    with at.database.snapshot() as connection:
        past = windows_of(connection, definition, metric, begin, end, 1)
        now = [one for one in open_minutes(connection, definition, pick()) if one.metric == metric.name]
    parts: list[Window | Minute] = [*past, *(one for one in now if begin - 60 < one.start < end)]
    if not parts:
        return None
    rows = merged(row for one in parts for row in one.rows)
    return Window(metric.name, begin, max(1, (end - begin) // 60), rows, sum(one.error for one in parts))


def _tell_top(at: Desk, rows: Sequence[TopRow]) -> int:
    if at.show.as_json:
        at.show.document(at.show.records(rows))
    elif not rows:
        at.show.say("none")
    else:
        at.show.console().print(_table(at, rows))
    return len(rows)


def _live(at: Desk, ranked: Callable[[], Sequence[TopRow]]) -> int:
    """Draw the table anew until it is interrupted; returns how often."""
    from rich.live import Live

    count, pause = 0, threading.Event()
    with Live(_table(at, ranked()), console=at.show.console(), auto_refresh=False, screen=True) as shown:
        try:
            while not pause.wait(LIVE_SECONDS):
                shown.update(_table(at, ranked()), refresh=True)
                count += 1
        except KeyboardInterrupt:
            return count
    return count


def _table(at: Desk, rows: Sequence[TopRow]) -> Table:
    figures = list(dict.fromkeys(name for row in rows for name in row.figures))
    heads = [at.show.text(f"column.{one}") for one in ("rank", "series", "share")]
    cells = [
        [
            row.rank,
            row.series,
            f"{row.share:.1%}",
            *(_number(row.figures[one]) if one in row.figures else "-" for one in figures),
        ]
        for row in rows
    ]
    return at.show.grid("title.logs.top", [*heads, *figures], cells)


# --- what all of them need ---


def _definitions(at: Desk, config: Path) -> tuple[Definition, ...]:
    from cloudheal.logs.declared import definitions_of
    from cloudheal.settings.loader import located

    with located(config):
        return definitions_of(at.settings)


def _chosen(at: Desk, config: Path, log: str, metric: str) -> tuple[Definition, tuple[Metric, ...]]:
    """Return a log and the metrics that are meant; ends with 1 when there is no such thing."""
    known = {one.name: one for one in _definitions(at, config)}
    if log not in known:
        at.show.say("logs.unknown", name=log, known=", ".join(known))
        raise typer.Exit(1)
    definition = known[log]
    chosen = tuple(one for one in definition.metrics if metric in {"", one.name})
    if not chosen:
        at.show.say("logs.no_metric", name=metric, known=", ".join(one.name for one in definition.metrics))
        raise typer.Exit(1)
    return definition, chosen


def _aliases(metric: Metric) -> list[str]:
    return [*(one.alias for one in metric.measures), *(one.alias for one in metric.derived)]


def _range(at: Desk, since: str, until: str) -> tuple[datetime, datetime]:
    now = at.clock.now()
    begin = moment_of(since, now, at.zone, "--since") or now - timedelta(hours=1)
    end = moment_of(until, now, at.zone, "--until") or now
    if begin >= end:
        raise typer.BadParameter("it ends before it begins", param_hint="--until")
    return begin, end


def _length(minutes: int) -> int:
    """Return the shortest window that is not below the one asked for."""
    from cloudheal.logs.windows import LENGTHS

    return next(one for one in LENGTHS if one >= minutes)


def _lines(windows: Iterable[Window]) -> Mapping[tuple[str, ...], int]:
    found: Counter[tuple[str, ...]] = Counter()
    for window in windows:
        for row in window.rows:
            found[row.key] += row.count
    return found


def _figure(point: Point) -> str:
    return f"{point.alias} {point.within}".strip()


def _name(key: Sequence[str]) -> str:
    """Return the values of a series as one text; those of a metric without groups are all lines."""
    return " · ".join(key) or "*"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
