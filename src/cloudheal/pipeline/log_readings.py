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
from cloudheal.record.log_outlets import received_standings
from cloudheal.record.log_series import windows_of

#: How long after the last late line a minute may be on its way into the store: a poll of the files and a commit.
ON_ITS_WAY = timedelta(seconds=10)
#: A host that follows a log says so twice a minute; one that was not heard of for so long is not waited for.
ALIVE = timedelta(minutes=2)
#: When this process has just begun, hosts that were away with it are waited for.
BEGINNING = timedelta(minutes=1)
#: So long alarms wait for a host that makes up for what it has missed; then it is one that does not keep up.
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class StoredReadings:
    """Reads the store of one installation, by the names of its logs."""

    definitions: Mapping[str, Definition]
    began: datetime
    """When this process began."""

    def closed(self, connection: sa.Connection, definition: str, now: datetime) -> int:
        """Return up to which instant nothing more is awaited of a log, by the word of every host that follows it."""
        late = timedelta(seconds=self.definitions[definition].late)
        usual = int((now - late - ON_ITS_WAY).timestamp())
        hosts = [one for (name, _), one in standings(connection).items() if name == definition]
        hosts += received_standings(connection, definition)
        awaited = [one.closed for one in hosts if self._is_awaited(one, now)]
        return min(usual, max(min(awaited), usual - int(PATIENCE.total_seconds()))) if awaited else usual

    def _is_awaited(self, host: Standing, now: datetime) -> bool:
        return now - self.began < BEGINNING or (host.written is not None and now - host.written < ALIVE)

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
