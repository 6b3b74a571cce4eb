"""Commands about what was counted in logs: follow them here, and look back over a range of time.

Names of series come from whoever wrote the log. They are shown without anything that a terminal would obey.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.log_definitions import definitions
from cloudheal.cli.log_views import (
    Log,
    MetricName,
    Until,
    chosen_of,
    figure_of,
    known_figure,
    name_of,
    number_of,
    range_of,
    second_of,
)
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.logs.definition import Definition, Metric
    from cloudheal.logs.windows import Window
    from cloudheal.pipeline.log_following import Reading

app = typer.Typer()
log = logging.getLogger("cloudheal.logs")

#: Characters of a sparkline, and how often it is looked whether to stop.
WIDTH, LOOK_SECONDS = 48, 1.0
#: Series that are named where none has the name that was asked for.
MOST_NAMED = 10
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


@app.command()
def follow(
    config: Config = HERE,
    once: Annotated[bool, typer.Option("--once", help="Count what is there, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow the logs of the settings and count, without watching any cloud; until told to stop."""
    from cloudheal.cli.work import log_plainly
    from cloudheal.logs.names import shown

    log_plainly()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with desk(config, as_json=as_json) as at:
        found = definitions(at.settings, config)
        readings = _followed(at, found, stopping, once=once)
        rows = [_followed_row(one) for one in readings]
        at.show.rows("title.logs.followed", rows, ("log", "files", "lines", "counted", "refused", "late"))
        for one, reading in zip(found, readings, strict=True):
            for trouble in reading.troubles:
                at.show.say("logs.unreadable", log=one.name, path=shown(trouble.path), code=trouble.why)
            if not reading.files and not reading.troubles:
                at.show.say("logs.none_followed", log=one.name, files=", ".join(one.files))


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
        definition, chosen = chosen_of(at, config, name, metric)
        known_figure(at, figure, chosen)
        begin, end = range_of(at, since, until)
        rows: list[SeriesRow] = []
        stored: dict[str, None] = {}
        for one in chosen:
            length = _length(minutes or one.minutes)
            windows = _windows(at, definition, one, begin, end, length)
            found = _series(definition, one, windows)
            meant = [row for row in found if figure in {"", row.figure.partition(" ")[0]}]
            stored.update(dict.fromkeys(row.series for row in meant))
            fitting = [row for row in meant if series in row.series]
            names = list(dict.fromkeys(row.series for row in fitting))[:limit]
            rows += [row for row in fitting if row.series in names]
        if rows or not stored or at.show.as_json:
            _tell_series(at, name, rows, (begin, end))
        else:
            known = ", ".join([*stored][:MOST_NAMED]) + (", ..." if len(stored) > MOST_NAMED else "")
            at.show.say("logs.no_such_series", log=name, series=series, known=known)


# --- follow ---


def _followed(at: Desk, found: Sequence[Definition], stopping: threading.Event, *, once: bool) -> Sequence[Reading]:
    """Follow logs until told to stop; returns how each was read, in the order of their definitions."""
    import socket

    from cloudheal.app.following import POLL_SECONDS, following_of
    from cloudheal.metrics.counters import Counters
    from cloudheal.record.log_rollup import Ages, SeriesKeeper

    counters = Counters()
    ages, worker = at.settings.record.series, f"{socket.gethostname()}-{os.getpid()}"
    series = SeriesKeeper(at.database, worker, at.clock, Ages(ages.minutes, ages.quarters, ages.hours))
    following = following_of(at.settings, at.database, found, at.clock, counters)
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
        while not stopping.wait(LOOK_SECONDS):  # in slices: a signal is heard between them
            following.warn()
        chores.join(15)
    standing_by = following.stands_by
    following.end()
    if standing_by:
        at.show.say("logs.standing_by")
        raise typer.Exit(1)
    return following.readings()


def _followed_row(one: Reading) -> FollowedRow:
    return FollowedRow(one.log, one.files, one.fed.lines, one.fed.counted, one.fed.rejected, one.fed.late)


# --- query ---


def _windows(
    at: Desk, definition: Definition, metric: Metric, begin: datetime, end: datetime, minutes: int
) -> tuple[Window, ...]:
    from cloudheal.record.log_series import windows_of

    with at.database.snapshot() as connection:
        return windows_of(connection, definition, metric, second_of(begin), second_of(end), minutes)


def _series(definition: Definition, metric: Metric, windows: Sequence[Window]) -> list[SeriesRow]:
    """Return every figure of every series, those with the most lines first."""
    from cloudheal.logs.figures import Figures

    figures, lines = Figures(definition, metric), _lines(windows)
    found: dict[tuple[tuple[str, ...], str], list[tuple[int, float]]] = {}
    for window in windows:
        for point in figures.of(window):
            found.setdefault((point.key, figure_of(point)), []).append((window.start, point.value))
    minutes = min((one.minutes for one in windows), default=1)
    ordered = sorted(found.items(), key=lambda one: (-lines.get(one[0][0], 0), one[0][0]))
    return [_series_row(metric, key, figure, points, minutes) for (key, figure), points in ordered]


def _series_row(
    metric: Metric, key: tuple[str, ...], figure: str, points: Sequence[tuple[int, float]], minutes: int
) -> SeriesRow:
    values = [value for _, value in points]
    return SeriesRow(
        metric=metric.name,
        series=name_of(key),
        figure=figure,
        minutes=minutes,
        last=values[-1],
        least=min(values),
        most=max(values),
        key=key,
        points=tuple((datetime.fromtimestamp(start, UTC), value) for start, value in points),
    )


def _tell_series(at: Desk, name: str, rows: Sequence[SeriesRow], span: tuple[datetime, datetime]) -> int:
    if at.show.as_json:
        at.show.document(at.show.records(rows))
    elif not rows:
        at.show.say("logs.no_series", log=name)
    else:
        names = ("metric", "series", "figure", "minutes", "chart", "last", "least", "most")
        heads = [at.show.text(f"column.{one}") for one in names]
        at.show.console().print(at.show.grid("title.logs.query", heads, [_cells(one, span) for one in rows]))
    return len(rows)


def _cells(row: SeriesRow, span: tuple[datetime, datetime]) -> list[object]:
    points = [(second_of(start), value) for start, value in row.points]
    chart = sparkline(points, second_of(span[0]), second_of(span[1]), row.minutes * 60)
    numbers = [number_of(one) for one in (row.last, row.least, row.most)]
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


def _length(minutes: int) -> int:
    """Return how long windows are to be; ends with 2 and the lengths that there are when it is none of them."""
    from cloudheal.logs.windows import LENGTHS

    if minutes not in LENGTHS:
        expected = ", ".join(map(str, LENGTHS))
        raise typer.BadParameter(f"expected one of {expected}, got {minutes}", param_hint="--minutes")
    return minutes


def _lines(windows: Iterable[Window]) -> Mapping[tuple[str, ...], int]:
    found: Counter[tuple[str, ...]] = Counter()
    for window in windows:
        for row in window.rows:
            found[row.key] += row.count
    return found
