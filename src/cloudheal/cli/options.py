"""The options that several commands share, and how people write times."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

Config = Annotated[Path, typer.Option("-c", "--config", help="The settings file.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Since = Annotated[str, typer.Option(help="Only from then on: 2h, 1d, or 2026-03-02T11:00 in your zone.")]
Resource = Annotated[str, typer.Option(help="Only about this server or other resource: its id, or a server's name.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")]
Open = Annotated[bool, typer.Option("--open", help="Only those that have not ended.")]

#: Times outside of these years cannot be told in every zone, and are not meant.
FIRST_YEAR, LAST_YEAR = 2, 9000
#: The settings file when none is named.
HERE = Path("cloudheal.yaml")


def moment_of(text: str, now: datetime, zone: tzinfo, option: str, *, ahead: bool = False) -> datetime | None:
    """Read a time: a duration from now (back, or `ahead`), or a date and time in the operator's zone; None if empty."""
    from cloudheal.settings.durations import duration_of

    if not text:
        return None
    try:
        distance = duration_of(text)
    except (ValueError, OverflowError):
        pass
    else:
        return _told(lambda: now + distance if ahead else now - distance, text, option)
    return _told(lambda: _written(text, zone), text, option)


def _written(text: str, zone: tzinfo) -> datetime:
    written = datetime.fromisoformat(text)
    return written if written.tzinfo else written.replace(tzinfo=zone)


def _told(moment: Callable[[], datetime], text: str, option: str) -> datetime:
    try:
        found = moment()
    except (ValueError, OverflowError):
        found = None
    if found is None or not FIRST_YEAR <= found.year < LAST_YEAR:
        expected = f"expected 90s, 5m, 2h30m, 1d or a time such as 2026-03-02T11:00, got {text!r}"
        raise typer.BadParameter(expected, param_hint=option)
    return found
