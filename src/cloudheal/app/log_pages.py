"""What the worker's listener shows of log series, and takes in from agents.

A page is made from one snapshot. An agent's minutes are committed before it is answered; of a log or a metric that the
settings do not have, nothing is taken, because nobody could read it, and the agent keeps it until they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from cloudheal.app.log_outlets import Series, whole_until
from cloudheal.logs.definition import Definition, Metric
from cloudheal.logs.figures import Figures
from cloudheal.logs.windows import LENGTHS, Window
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.exposition import exposition
from cloudheal.outlets.sample import Sample, clean
from cloudheal.outlets.shipment import Shipment, ShippedMinute, kept, opened
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.log_outlets import is_followed_here, receive
from cloudheal.record.log_series import windows_of
from cloudheal.sources.webhook import LogDesk

#: Series of a window in a document, by default and at most; windows in one, and series of all its windows.
SERIES, MOST_SERIES, MOST_WINDOWS, MOST_IN_ALL = 100, 10_000, 1_500, 200_000
#: How far the clocks of an agent and of this machine may differ.
SKEW_SECONDS = 600
_HOUR = 3600
_KNOWN = frozenset({"since", "until", "minutes", "limit"})


@dataclass(frozen=True, slots=True)
class LogPages:
    """The pages of one worker."""

    store: Store
    definitions: Sequence[Definition]
    clock: Clock
    counters: Counters

    def desk(self) -> LogDesk | None:
        """Return what the listener asks; None where no log is defined."""
        return LogDesk(self.ship, self.metrics, self.page) if self.definitions else None

    def metrics(self) -> str:
        """Return the figures of the last whole window of every metric, as Prometheus reads them."""
        with self.store.snapshot() as connection:
            return exposition(list(self._newest(connection)))

    def page(self, path: Sequence[str], asked: Mapping[str, str]) -> Mapping[str, object] | None:
        """Return the document at a path below /api/logs; None where there is none. Raises ValueError."""
        if not path:
            return {"logs": [_log(one) for one in self.definitions]}
        found = [
            (definition, metric)
            for definition in self.definitions
            for metric in definition.metrics
            if [definition.name, metric.name] == list(path)
        ]
        return self._metric(*found[0], _Asked.of(asked, found[0][1], self.clock)) if found else None

    def ship(self, body: bytes, may: Callable[[str], bool]) -> str:
        """Commit what an agent sent of a host that it may ship for; returns why it is refused, empty when it is not."""
        try:
            shipment = opened(body)
        except ValueError as problem:
            return str(problem)
        if not may(shipment.host):
            return f"the sender may not ship for the host {shipment.host}: name it in hosts of listen.sources there"
        if reason := self._strange(shipment):
            return reason
        with self.store.transaction() as connection:
            return self._received(connection, shipment)

    def _strange(self, shipment: Shipment) -> str:
        """Say what of a shipment nobody here could read, or is of a time that is not yet; empty when nothing is."""
        known = {(one.name, metric.name) for one in self.definitions for metric in one.metrics}
        strangers = sorted({(one.log, one.metric) for one in shipment.minutes} - known)
        if strangers:
            return f"the settings here have no metric {'/'.join(strangers[0])}"
        if unknown := sorted({log for log, _ in shipment.closed} - {log for log, _ in known}):
            return f"the settings here have no log {unknown[0]}"
        now = int(self.clock.now().timestamp())
        latest = {one.name: now + one.ahead + SKEW_SECONDS for one in self.definitions}
        told = [*((one.log, one.start) for one in shipment.minutes), *shipment.closed]
        if any(second > latest[log] for log, second in told):
            return "a minute is of a time that is not yet: are the clocks right, here and there?"
        return ""

    def _received(self, connection: sa.Connection, shipment: Shipment) -> str:
        ordered = sorted(shipment.minutes, key=lambda one: (one.log, one.sequence))
        closed = dict(shipment.closed)
        by_log = {log: list[ShippedMinute]() for log in closed}
        by_log |= {log: list(some) for log, some in groupby(ordered, key=lambda one: one.log)}
        for log in by_log:
            if is_followed_here(connection, log, shipment.host):
                return f"the log {log} of a host named {shipment.host} is followed here: name the hosts apart"
        for log, minutes in by_log.items():
            rows = [kept(one, shipment.host) for one in minutes]
            until = closed.get(log, 0)
            new = receive(connection, log, shipment.host, shipment.epoch, rows, until, self.clock.now())
            self.counters.count("cloudheal_shipped_minutes_total", new, log=log, outcome="new")
            self.counters.count("cloudheal_shipped_minutes_total", len(rows) - new, log=log, outcome="known")
        return ""

    def _newest(self, connection: sa.Connection) -> Iterator[Sample]:
        for definition in self.definitions:
            for metric in definition.metrics:
                whole = whole_until(definition, metric, self.clock)
                yield from Series(definition, metric).samples(connection, whole - metric.minutes * 60, whole)

    def _metric(self, definition: Definition, metric: Metric, asked: _Asked) -> Mapping[str, object]:
        figures, windows = Figures(definition, metric), list[Mapping[str, object]]()
        with self.store.snapshot() as connection:
            for begin, end in asked.hours():  # so that no more of what is not shown is in memory
                found = windows_of(connection, definition, metric, begin, end, asked.minutes)
                windows += [_window(one, figures, asked.limit) for one in found]
        return {"log": definition.name, "metric": metric.name, "by": list(metric.by), "windows": windows}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody wants to see."""

    since: int
    until: int
    minutes: int
    limit: int

    @classmethod
    def of(cls, asked: Mapping[str, str], metric: Metric, clock: Clock) -> _Asked:
        """Read the parameters of a request. Raises ValueError naming the one that is wrong."""
        if odd := sorted(asked.keys() - _KNOWN):
            raise ValueError(f"{clean(odd[0])[:40]!r}: known are {', '.join(sorted(_KNOWN))}")
        now = int(clock.now().timestamp())
        until = _moment("until", asked.get("until", str(now)))
        since = _moment("since", asked.get("since", str(until - _HOUR)))
        minutes = _whole("minutes", asked.get("minutes", str(metric.minutes)), 60)
        if minutes not in LENGTHS:
            raise ValueError(f"minutes: expected one of {', '.join(map(str, LENGTHS))}")
        if not 0 <= until - since <= MOST_WINDOWS * minutes * 60:
            raise ValueError(f"since, until: at most {MOST_WINDOWS} windows, the earlier moment first")
        limit = _whole("limit", asked.get("limit", str(SERIES)), MOST_SERIES)
        if (until - since) // (minutes * 60) * limit > MOST_IN_ALL:
            raise ValueError(f"limit: windows times series are more than {MOST_IN_ALL}; ask for less of one of them")
        return cls(since, until, minutes, limit)

    def hours(self) -> Iterator[tuple[int, int]]:
        """Yield the time in pieces that end with an hour, which is where windows of every length end as well."""
        begin = self.since
        while begin < self.until:
            end = min(begin - begin % _HOUR + _HOUR, self.until)
            yield begin, end
            begin = end


def _whole(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) <= 9):
        raise ValueError(f"{name}: expected a whole number from 1 to {most}")
    return int(text)


def _moment(name: str, text: str) -> int:
    try:
        if text.isascii() and text.isdigit() and len(text) <= 11:
            return int(text)
        # A plus sign in a query is a space unless somebody took care.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: expected a moment such as 2026-03-01T12:00:00Z, or seconds since 1970") from None


def _log(definition: Definition) -> Mapping[str, object]:
    metrics = [
        {
            "name": one.name,
            "by": list(one.by),
            "minutes": one.minutes,
            "figures": [*(measure.alias for measure in one.measures), *(derived.alias for derived in one.derived)],
        }
        for one in definition.metrics
    ]
    return {"log": definition.name, "group": definition.group, "metrics": metrics}


def _window(window: Window, figures: Figures, limit: int) -> Mapping[str, object]:
    largest = sorted(window.rows, key=lambda row: (-row.count, row.key))[:limit]
    series: dict[tuple[str, ...], dict[str, Any]] = {
        row.key: {"key": [clean(part) for part in row.key], "lines": row.count, "figures": {}} for row in largest
    }
    for point in figures.of(window):
        if point.key not in series:
            continue
        place = series[point.key]["figures"]
        if point.within:
            place.setdefault(point.alias, {})[point.within] = point.value
        else:
            place[point.alias] = point.value
    return {
        "start": datetime.fromtimestamp(window.start, UTC).isoformat(),
        "minutes": window.minutes,
        "error": window.error,
        "of": len(window.rows),
        "series": list(series.values()),
    }
