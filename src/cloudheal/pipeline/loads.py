"""The usual traffic that the plan goes by: read now and then, kept, and left out when it is not to be trusted.

Whatever a file or a cloud says, and whatever reading it raises, the plan is made: with a profile that holds, or without
one and with the reason in words. A profile that was good is used on while it cannot be read again and is not too old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.decide.planning.load import profile_of
from cloudheal.errors import CloudhealError
from cloudheal.model.plan import LoadProfile
from cloudheal.settings.discretion import discreet
from cloudheal.settings.load import LoadSettings

log = logging.getLogger("cloudheal.load")

#: A moment, and the load from then on, in any unit.
Point = tuple[datetime, float]
#: Reads what was measured between two instants.
Read = Callable[[LoadSettings, datetime, datetime], Iterable[Point]]
#: How long a profile is kept before it is read again, and after how long one that could not be read is tried again.
KEPT, AGAIN = timedelta(hours=1), timedelta(minutes=10)
#: Less than this says nothing of a week.
LEAST = timedelta(days=1)
#: Characters of a reason; what is longer quotes somebody's file.
MOST_REASON = 160


@dataclass(frozen=True, slots=True)
class Known:
    """A profile, or why there is none: a code (`unread`, `old`, `empty`, `too_little`) and, after a space, details."""

    profile: LoadProfile | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    due: datetime
    profile: LoadProfile | None
    newest: datetime | None
    problem: str


class Loads:
    """The profiles of one worker's settings."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._kept: dict[str, _Kept] = {}

    def of(self, settings: LoadSettings, now: datetime) -> Known:
        """Return the profile as it may be used now; never raises, whatever reading it does."""
        name = settings.model_dump_json()
        kept = self._kept.get(name)
        if kept is None or now >= kept.due:
            kept = self._kept[name] = self._renewed(settings, now, kept)
        if kept.profile is None or kept.newest is None:
            return Known(problem=kept.problem)
        if now - kept.newest > settings.max_age:
            return Known(problem=f"old {kept.newest.isoformat(timespec='minutes')}")
        return Known(kept.profile)

    def _renewed(self, settings: LoadSettings, now: datetime, before: _Kept | None) -> _Kept:
        try:
            points = _within(self._read(settings, now - settings.span, now), now - settings.span, now)
            return _weighed(points, settings, now)
        except Exception as problem:  # noqa: BLE001 - a file or a reply may hold anything, and the plan must be made
            why = discreet(_words(problem))[:MOST_REASON]
            log.warning("load.unread source=%s reason=%s", settings.source, why)
            known = (before.profile, before.newest) if before else (None, None)
            return _Kept(now + AGAIN, *known, f"unread {why}")


def _within(points: Iterable[Point], since: datetime, until: datetime) -> list[Point]:
    """Leave out what is too old to count, and what lies in the future."""
    return [(moment, load) for moment, load in points if since <= moment <= until]


def _weighed(points: Sequence[Point], settings: LoadSettings, now: datetime) -> _Kept:
    """Make a profile of what was measured, if it is enough. Raises ValueError for numbers that make none."""
    if not points:
        return _Kept(now + AGAIN, None, None, "empty")
    if len({moment for moment, _ in points}) * settings.period < LEAST:
        return _Kept(now + AGAIN, None, None, "too_little")
    profile = profile_of(points, settings.timezone or "UTC", settings.period)
    newest = max(moment for moment, _ in points)
    return _Kept(now + KEPT, profile, newest, "" if profile else "empty")


def _words(problem: Exception) -> str:
    if isinstance(problem, CloudhealError):
        return str(getattr(problem, "vendor_code", "") or problem.args[0])
    return f"{type(problem).__name__}: {problem}" if isinstance(problem, ValueError) else type(problem).__name__
