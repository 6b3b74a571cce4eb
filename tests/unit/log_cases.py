"""Definitions as people write them, and what some lines come to by them: for the tests of log monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import yaml

from cloudheal.logs.counting import Minute
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition
from cloudheal.logs.figures import Figures, Point
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.preview import Counting
from cloudheal.logs.windows import windows_of
from cloudheal.settings.schema import Settings

#: A Monday morning, on the hour.
MORNING = int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp())
EVER = 1 << 40


def defined(text: str, **log: Any) -> Definition:
    """Return the definition of one log whose settings are written in YAML."""
    document = {"name": "access", "files": ["*.log"], "format": "timed", **yaml.safe_load(dedent(text)), **log}
    (found,) = definitions_of(Settings.model_validate({"logs": [document]}))
    return found


def metric(text: str, **log: Any) -> Definition:
    """Return a definition with one metric, called m."""
    return defined("{}", metrics=[{"name": "m", **yaml.safe_load(dedent(text))}], **log)


def access(
    url: str = "/", status: int = 200, seconds: float = 0.032, *, at: float = 0, method: str = "GET", size: int = 168
) -> bytes:
    """Return a line as the sample of CloudMonitor's manual has it, so many seconds after the morning's beginning."""
    when = datetime.fromtimestamp(MORNING + at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    line = f'192.0.2.7 - - [{when}] "{method} {url} HTTP/1.1" {seconds:.3f} 129 {status} {size} "-" "Wget/1.11.4"'
    return line.encode()


def minutes_of(definition: Definition, lines: Iterable[bytes], counter: Counting | None = None) -> tuple[Minute, ...]:
    """Count lines."""
    counting = counter or Oracle(definition)
    counting.feed(b"".join(line + b"\n" for line in lines))
    return counting.close(EVER)


def points_of(definition: Definition, lines: Iterable[bytes]) -> list[tuple[int, Point]]:
    """Return the figures of the first metric, each with the beginning of its window."""
    first = definition.metrics[0]
    minutes = [one for one in minutes_of(definition, lines) if one.metric == first.name]
    windows = windows_of(minutes, first.minutes, first.most)
    return [(window.start, point) for window in windows for point in Figures(definition, first).of(window)]


def figures_of(definition: Definition, lines: Sequence[bytes]) -> dict[tuple[str, ...], dict[str, float]]:
    """Return the figures of the first metric by series and name, when all lines are in one window."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for _, point in points_of(definition, lines):
        name = f"{point.alias} {point.within}".strip()
        assert name not in found.setdefault(point.key, {}), "one window only"
        found[point.key][name] = point.value
    return found
