"""The series of logs as alarms read them: windows of the store, made into the one figure that an alarm watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import sqlalchemy as sa

from cloudheal.logs.alarm_cap import EVERY_METRIC
from cloudheal.logs.alarm_rehearsal import left_out, watched
from cloudheal.logs.alarm_rounds import Key, Values
from cloudheal.logs.alarms import Alarm
from cloudheal.logs.counting import Minute
from cloudheal.logs.definition import Definition
from cloudheal.logs.figures import Figures
from cloudheal.logs.names import OTHER
from cloudheal.record.log_following import Standing, standings
from cloudheal.record.log_outlets import hosts, received_standings
from cloudheal.record.log_series import stored_since, windows_of

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
        if alarm.metric == EVERY_METRIC:
            grouped = (one for one in definition.metrics if one.by)
            found = (windows_of(connection, definition, one, start, end, one.minutes) for one in grouped)
            return left_out(alarm, chain.from_iterable(found))
        metric = next(one for one in definition.metrics if one.name == alarm.metric)
        figures = Figures(definition, metric)
        windows = windows_of(connection, definition, metric, start, end, alarm.minutes)
        # Old minutes were added up to longer windows, which are no periods of the alarm.
        return {one.start: watched(figures, one, alarm) for one in windows if one.minutes == alarm.minutes}

    def numbers(self, connection: sa.Connection) -> Mapping[str, Mapping[str, int]]:
        """Return by log and host the number of the last minute that is stored."""
        found: dict[str, dict[str, int]] = {name: {} for name in self.definitions}
        for (log, host), newest in hosts(connection).items():
            found.setdefault(log, {})[host] = newest.number
        return found

    def corrections(
        self, connection: sa.Connection, alarm: Alarm, after: Mapping[str, int], start: int, end: int
    ) -> Mapping[Key, int]:
        """Return the series of which minutes between two instants were stored under later numbers, with the earliest.

        A series that a window leaves out is told by what is left over.
        """
        found: dict[Key, int] = {}
        definition = self.definitions[alarm.definition]
        grouped = [one.name for one in definition.metrics if one.by]
        for metric in grouped if alarm.metric == EVERY_METRIC else (alarm.metric,):
            for one in stored_since(connection, alarm.definition, metric, after, start, end):
                for key in _keys(alarm, one):
                    found[key] = min(found.get(key, one.start), one.start)
        return found


def _keys(alarm: Alarm, minute: Minute) -> Iterator[Key]:
    """Yield the series of an alarm that a minute adds to."""
    if alarm.metric == EVERY_METRIC:
        yield (minute.metric,)
    else:
        yield from (row.key for row in minute.rows)
        yield (OTHER,) * len(alarm.by)
