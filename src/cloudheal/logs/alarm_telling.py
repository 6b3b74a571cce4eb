"""When people are told of an alarm, and when it is only counted.

The first time is told at once, and so is a graver level. Whatever else fires within the mute period is counted, and
told as one number when the period is over; so is an alarm that still fires then. A recovery is told when people know of
what recovers. Names of series come out of logs, which strangers write: they are quoted and cut, and nothing in them can
end the quotes, begin a line or turn the direction of writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cloudheal.model.alarm import Level

#: Characters of one value of a series that are shown.
MOST_SHOWN = 120


class Message(StrEnum):
    """What people are told."""

    FIRES = "fires"
    AGAIN = "again"
    """The mute period is over: it still fires, or has fired meanwhile."""
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Told:
    """What people know of one series: since when and of which levels, and what was only counted since."""

    at: datetime | None = None
    """When it was told last; None when nothing is muted."""
    levels: tuple[Level, ...] = ()
    """The levels that were told in this mute period."""
    untold: int = 0
    since: datetime | None = None
    """When it fired first among those that are only counted."""
    owed: bool = False
    """People believe that it fires."""

    def muted_until(self, mute: timedelta) -> datetime | None:
        """Return the end of the mute period; None when nothing is muted."""
        return None if self.at is None else self.at + mute


@dataclass(frozen=True, slots=True)
class Telling:
    """One message to be: what, and how many times it fired untold since when."""

    message: Message
    count: int = 0
    since: datetime | None = None


def turned(told: Told, before: Level, after: Level, now: datetime, mute: timedelta) -> tuple[Told, Telling | None]:
    """Return what people know after a change of level, and the message that makes them know it."""
    if not after.is_firing:
        return (replace(told, owed=False), Telling(Message.RECOVERED)) if told.owed else (told, None)
    if _is_over(told, now, mute):
        return Told(now, (after,), owed=True), Telling(Message.FIRES, told.untold, told.since)
    if _is_graver(told, after):
        return replace(told, levels=(*told.levels, after), owed=True), Telling(Message.FIRES)
    if before.is_firing and before >= after:
        return told, None  # it eases, or its data came back
    return replace(told, untold=told.untold + 1, since=told.since or now), None


def reminded(told: Told, level: Level, now: datetime, mute: timedelta) -> tuple[Told, Telling | None]:
    """Return what people know when no level changed, and the message that is due because the mute period is over."""
    if told.at is None or not _is_over(told, now, mute):
        return told, None
    if not level.is_firing and not told.untold:
        return Told(), None
    levels = (level,) if level.is_firing else told.levels
    return Told(now, levels, owed=level.is_firing), Telling(Message.AGAIN, told.untold, told.since)


def series_text(by: Sequence[str], key: Sequence[str]) -> str:
    """Name a series in one line, whatever stands in its values; empty for the only series of a metric."""
    return ", ".join(f"{field}={quoted(value)}" for field, value in zip(by, key, strict=False))


def quoted(value: str) -> str:
    """Return a text from a log between quotes that it cannot end, cut, with what does not print as its number."""
    cut = value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}\N{HORIZONTAL ELLIPSIS}"
    return f'"{"".join(map(_shown, cut))}"'


def _shown(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\u{ord(letter):04x}"


def _is_over(told: Told, now: datetime, mute: timedelta) -> bool:
    return told.at is None or now >= told.at + mute


def _is_graver(told: Told, level: Level) -> bool:
    """Say whether a level is news: no data always is, the others above what was told."""
    if level in told.levels:
        return False
    return level is Level.NO_DATA or all(one < level for one in told.levels if one is not Level.NO_DATA)
