"""`logs top`: the busiest series of a range of time, or of now, by any figure.

Minutes that are not over count as well, as of the last commit of each host.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.log_views import (
    Log,
    TopMetric,
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
    from cloudheal.cli.sheet import Sheet
    from cloudheal.logs.counting import Minute
    from cloudheal.logs.definition import Definition, Metric
    from cloudheal.logs.windows import Window

app = typer.Typer()
#: How often a live table is drawn anew.
LIVE_SECONDS = 1.0


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
def top(
    name: Log,
    metric: TopMetric = "",
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
        definition, chosen = chosen_of(at, config, name, metric)
        known_figure(at, by, chosen[:1])

        def ranked() -> list[TopRow]:
            return _ranked(at, definition, chosen[0], range_of(at, since, until), by)[:limit]

        if live and sys.stdout.isatty() and not as_json:
            _live(at, ranked)
        else:
            _tell_top(at, name, ranked())


def _ranked(at: Desk, definition: Definition, metric: Metric, span: tuple[datetime, datetime], by: str) -> list[TopRow]:
    from cloudheal.logs.figures import Figures

    window = _whole(at, definition, metric, span)
    if window is None:
        return []
    seconds = min(second_of(at.clock.now()), window.start + window.seconds) - window.start
    lines = {row.key: row.count for row in window.rows}
    total = sum(lines.values()) or 1
    figures: dict[tuple[str, ...], dict[str, float]] = {key: {} for key in lines}
    for point in Figures(definition, metric).of(window, seconds):
        figures[point.key][figure_of(point)] = point.value
    order = sorted(lines, key=lambda key: (-figures[key].get(by, float("-inf")) if by else 0, -lines[key], key))
    return [
        TopRow(rank, name_of(key), lines[key], lines[key] / total, key, figures[key])
        for rank, key in enumerate(order, 1)
    ]


def _whole(at: Desk, definition: Definition, metric: Metric, span: tuple[datetime, datetime]) -> Window | None:
    """Return a range as one window of whole minutes: what is stored of it, and what is open."""
    from cloudheal.logs.counting import merged
    from cloudheal.logs.engines import pick
    from cloudheal.logs.windows import Window
    from cloudheal.record.log_following import open_minutes
    from cloudheal.record.log_series import windows_of

    begin, end = (second_of(one) for one in span)
    with at.database.snapshot() as connection:
        past = windows_of(connection, definition, metric, begin, end, 1)
        now = [one for one in open_minutes(connection, definition, pick()) if one.metric == metric.name]
    parts: list[Window | Minute] = [*past, *(one for one in now if begin - 60 < one.start < end)]
    if not parts:
        return None
    rows = merged(row for one in parts for row in one.rows)
    begin -= begin % 60
    over = max([end, *(one.start + one.minutes * 60 for one in past)])
    return Window(metric.name, begin, -(-(over - begin) // 60), rows, sum(one.error for one in parts))


def _tell_top(at: Desk, name: str, rows: Sequence[TopRow]) -> int:
    if at.show.as_json:
        at.show.document(at.show.records(rows))
    elif not rows:
        at.show.say("logs.no_top", log=name)
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


def _table(at: Desk, rows: Sequence[TopRow]) -> Sheet:
    figures = list(dict.fromkeys(name for row in rows for name in row.figures))
    heads = [at.show.text(f"column.{one}") for one in ("rank", "series", "share")]
    cells = [
        [
            row.rank,
            row.series,
            f"{row.share:.1%}",
            *(number_of(row.figures[one]) if one in row.figures else "-" for one in figures),
        ]
        for row in rows
    ]
    return at.show.grid("title.logs.top", [*heads, *figures], cells)
