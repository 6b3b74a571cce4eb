"""The series of logs as alarms read them: windows of the store, made into the one figure that an alarm watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.logs.alarm_rounds import Values
from cloudheal.logs.alarms import Alarm
from cloudheal.logs.definition import Definition
from cloudheal.logs.figures import Figures
from cloudheal.logs.windows import Window
from cloudheal.record.log_following import Standing, standings
from cloudheal.record.log_series import windows_of

#: How long after the last late line a minute may be on its way into the store: a poll of the files and a commit.
ON_ITS_WAY = 10
#: A host that has committed within this time is at work; one whose newest line is so much older still makes up.
AT_WORK, BEHIND = timedelta(minutes=1), timedelta(seconds=30)
#: So long alarms wait for a host that makes up for what it has missed; then it is a host that does not keep up.
PATIENCE = 600


@dataclass(frozen=True, slots=True)
class StoredReadings:
    """Reads the store of one installation, by the names of its logs."""

    definitions: Mapping[str, Definition]

    def closed(self, connection: sa.Connection, definition: str, now: datetime) -> int:
        """Return up to which instant nothing more is awaited of a log; a host that makes up is waited for."""
        late = self.definitions[definition].late
        usual = int(now.timestamp()) - late - ON_ITS_WAY
        hosts = (one for (name, _), one in standings(connection).items() if name == definition)
        behind = [one.newest - late for one in hosts if _makes_up(one, late, now)]
        return min(usual, max(min(behind), usual - PATIENCE)) if behind else usual

    def values(self, connection: sa.Connection, alarm: Alarm, start: int, end: int) -> Mapping[int, Values]:
        """Return the value that an alarm watches, by the beginning of each period and by series."""
        definition = self.definitions[alarm.definition]
        metric = next(one for one in definition.metrics if one.name == alarm.metric)
        figures = Figures(definition, metric)
        windows = windows_of(connection, definition, metric, start, end, alarm.minutes)
        # Old minutes were added up to longer windows, which are no periods of the alarm.
        return {one.start: _watched(figures, one, alarm) for one in windows if one.minutes == alarm.minutes}


def _watched(figures: Figures, window: Window, alarm: Alarm) -> Values:
    points = figures.of(window)
    return {one.key: float(one.value) for one in points if one.alias == alarm.alias and not one.within}


def _makes_up(host: Standing, late: int, now: datetime) -> bool:
    """Say whether a host is at work on lines that are older than they would be if it had kept up."""
    if host.written is None or now - host.written > AT_WORK:
        return False
    return host.written.timestamp() - host.newest > late + BEHIND.total_seconds()
