"""What commands about series of logs have in common: which log and metric is meant, which time, how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk
from cloudheal.cli.log_definitions import definition_named
from cloudheal.cli.options import moment_of

if TYPE_CHECKING:
    from cloudheal.logs.definition import Definition, Metric
    from cloudheal.logs.figures import Point

Log = Annotated[str, typer.Argument(help="The log's name.", metavar="NAME")]
MetricName = Annotated[
    str, typer.Argument(help="The metric's name; absent: the only one, or all of them.", metavar="METRIC")
]
TopMetric = Annotated[str, typer.Argument(help="The metric's name; absent: the first.", metavar="METRIC")]
Until = Annotated[str, typer.Option(help="Only up to then: 10m (ago), or 2026-03-02T11:00 in your zone.")]


def chosen_of(at: Desk, config: Path, log: str, metric: str) -> tuple[Definition, tuple[Metric, ...]]:
    """Return a log and the metrics that are meant; ends with 1 when there is no such thing."""
    definition = definition_named(log, at.show, at.settings, config)
    chosen = tuple(one for one in definition.metrics if metric in {"", one.name})
    if not chosen:
        at.show.fault("logs.no_metric", name=metric, known=", ".join(one.name for one in definition.metrics))
        raise typer.Exit(1)
    return definition, chosen


def known_figure(at: Desk, figure: str, chosen: Sequence[Metric]) -> str:
    """Return the name of a figure; ends with 1 and the names that there are when it is none of them."""
    known = [alias for one in chosen for alias in aliases_of(one)]
    if figure and figure not in known:
        at.show.fault("logs.no_figure", figure=figure, known=", ".join(dict.fromkeys(known)))
        raise typer.Exit(1)
    return figure


def aliases_of(metric: Metric) -> list[str]:
    """Return the names of a metric's figures."""
    return [*(one.alias for one in metric.measures), *(one.alias for one in metric.derived)]


def range_of(at: Desk, since: str, until: str) -> tuple[datetime, datetime]:
    """Return the time that is meant."""
    now = at.clock.now()
    begin = moment_of(since, now, at.zone, "--since") or now - timedelta(hours=1)
    end = moment_of(until, now, at.zone, "--until") or now
    if begin >= end:
        raise typer.BadParameter("it ends before it begins", param_hint="--until")
    return begin, end


def figure_of(point: Point) -> str:
    """Return the name of a figure, with the class that it counts where it is one of a distribution."""
    return f"{point.alias} {point.within}".strip()


def name_of(key: Sequence[str]) -> str:
    """Return the values of a series as one text; those of a metric without groups are all lines."""
    return " · ".join(key) or "*"


def number_of(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"


def second_of(moment: datetime) -> int:
    """Return a moment in seconds since 1970."""
    return int(moment.timestamp())
