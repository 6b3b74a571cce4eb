"""Sends log series on: what is new since the last answer, in order, and notes how far that was.

Two kinds of receivers. Some take figures of whole windows, which are sent when late lines of them are no longer waited
for. Others take rows and cells of single minutes, late additions too, as soon as they are stored. One process serves an
outlet at a time, under a lease; a receiver that is away is asked again after a pause that grows to a minute.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import sqlalchemy as sa

from cloudheal.app.serving import Serving
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition, Metric
from cloudheal.logs.figures import Figures
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.posting import OutletRefusedError
from cloudheal.outlets.sample import Origin, Sample, samples_of
from cloudheal.outlets.shipment import Shipment, loads, shipped
from cloudheal.outlets.ways import Way, way_of
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.log_outlets import Sent, hosts, note_sent, open_outlet, sent, unsent
from cloudheal.record.log_series import windows_of
from cloudheal.settings.schema import Settings

log = logging.getLogger("cloudheal.outlets")

#: A host commits what it counted every few seconds, and an agent sends it a moment later: windows are whole after that.
GRACE_SECONDS = 20
#: How often a host's word that nothing more is awaited is passed on, while there are no minutes.
SAY_SECONDS = 10.0
#: Minutes that are read at once, windows that are sent together, samples in one body.
MINUTES_AT_ONCE, WINDOWS_AT_ONCE, SAMPLES_AT_ONCE = 200, 60, 2000


@dataclass(slots=True, kw_only=True)
class Outlet(Serving):
    """One receiver of log series."""

    way: Way
    definitions: Sequence[Definition]
    clock: Clock
    new_id: Callable[[], str]
    _told: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """Up to which second each host's minutes were said to be complete, and when."""

    def serve(self) -> int:
        """Send everything that is new; returns how many minutes or samples.

        Raises OutletAwayError, OutletRefusedError and ServedElsewhereError.
        """
        with self.store.transaction() as connection:
            self._hold(connection)
            begun = open_outlet(connection, self.name, self.new_id())
        if begun:
            log.info("outlet.begun outlet=%s sends_from=now", self.name)
        return sum(self._minutes() if self.way.minutes else self._windows())

    def _note(self, part: tuple[str, str], to: Sent, kind: str, count: int) -> int:
        with self.store.transaction() as connection:
            self._hold(connection)
            note_sent(connection, self.name, *part, to)
        if count:
            self.counters.count("cloudheal_outlet_sent_total", count, outlet=self.name, kind=kind)
        return count

    def _minutes(self) -> Iterator[int]:
        """Send the minutes of every host; yields how many."""
        names = {one.name for one in self.definitions}
        with self.store.snapshot() as connection:
            done, newest = sent(connection, self.name), hosts(connection)
        own = done["", ""].epoch
        for part, one in sorted(newest.items(), key=lambda pair: pair[0]):
            if part[0] in names:
                before = done.get(part, Sent(0, own))
                if one.number < before.position:  # the host began anew, so its numbers mean others
                    before = Sent(0, self.new_id())
                    self._note(part, before, "minutes", 0)  # first: after a crash it must be the same epoch
                sent_now = sum(self._minutes_of(part, before, one.number))
                yield sent_now
                self._say_closed(part, before.epoch, one.closed, at_once=sent_now > 0)

    def _minutes_of(self, part: tuple[str, str], before: Sent, last: int) -> Iterator[int]:
        position = before.position
        while position < last:
            with self.store.snapshot() as connection:
                found = unsent(connection, *part, position, MINUTES_AT_ONCE)
            self._tell_of_gap(part, position, found[0].sequence if found else last + 1)
            if not found:
                yield self._note(part, Sent(last, before.epoch), "minutes", 0)
                return
            for load in loads(part[1], before.epoch, map(shipped, found)):
                self.way.ship(load)
                position = load.minutes[-1].sequence
                yield self._note(part, Sent(position, before.epoch), "minutes", len(load.minutes))

    def _say_closed(self, part: tuple[str, str], epoch: str, closed: int, *, at_once: bool) -> bool:
        """Say up to where everything was sent, so that alarms over there do not wait, nor take silence for an end."""
        said, at = self._told.get(part, (0, -SAY_SECONDS))
        now = self.monotonic()
        if not self.way.wants_closed or closed <= said or (now - at < SAY_SECONDS and not at_once):
            return False
        self.way.ship(Shipment(part[1], epoch, (), ((part[0], closed),)))
        self._told[part] = closed, now
        return True

    def _tell_of_gap(self, part: tuple[str, str], position: int, next_: int) -> None:
        if next_ > position + 1:
            missing = next_ - position - 1
            log.warning("outlet.too_late outlet=%s log=%s host=%s minutes=%d", self.name, *part, missing)

    def _windows(self) -> Iterator[int]:
        """Send the figures of windows that are whole; yields how many."""
        with self.store.snapshot() as connection:
            done = sent(connection, self.name)
        for definition in self.definitions:
            for metric in definition.metrics:
                part, whole = (definition.name, metric.name), whole_until(definition, metric, self.clock)
                before = done.get(part)
                if before is None:
                    self._note(part, Sent(whole, ""), "samples", 0)
                else:
                    yield from self._windows_of(definition, metric, before.position, whole)

    def _windows_of(self, definition: Definition, metric: Metric, position: int, whole: int) -> Iterator[int]:
        series = Series(definition, metric)
        step = metric.minutes * 60 * WINDOWS_AT_ONCE
        while position < whole:
            until = min(position + step, whole)
            with self.store.snapshot() as connection:
                found = iter(list(series.samples(connection, position, until)))
            count = 0
            while batch := list(islice(found, SAMPLES_AT_ONCE)):
                count += self._post(definition.name, batch)
            position = until
            yield self._note((definition.name, metric.name), Sent(position, ""), "samples", count)

    def _post(self, name: str, batch: Sequence[Sample]) -> int:
        """Send samples; what is refused for good is told and left out, so that it holds nothing up.

        A receiver that refuses one sample may take none of its body, as Prometheus does with what is older than its
        own newest by an hour: a refused body of several moments is sent again in halves.
        """
        try:
            left_out = self.way.send(batch)
        except OutletRefusedError as problem:
            moments = sorted({one.at for one in batch})
            if len(moments) > 1:
                middle = moments[len(moments) // 2]
                halves = ([one for one in batch if one.at < middle], [one for one in batch if one.at >= middle])
                return sum(self._post(name, half) for half in halves)
            left_out = len(batch)
            reason = str(problem.args[0])
            log.warning("outlet.refused outlet=%s log=%s samples=%d reason=%r", self.name, name, left_out, reason)
        if left_out:
            self.counters.count("cloudheal_outlet_refused_total", left_out, outlet=self.name)
        return len(batch) - left_out


@dataclass(slots=True)
class Series:
    """The figures of one metric, read from the store."""

    definition: Definition
    metric: Metric
    _figures: Figures = field(init=False)

    def __post_init__(self) -> None:
        self._figures = Figures(self.definition, self.metric)

    def samples(self, connection: sa.Connection, start: int, end: int) -> Iterator[Sample]:
        """Yield the figures of the windows that lie between two seconds, each at the end of its window."""
        origin = Origin(self.definition.name, self.metric.name, self.metric.by)
        for window in windows_of(connection, self.definition, self.metric, start, end, self.metric.minutes):
            if start <= window.start and window.start + window.seconds <= end:
                yield from samples_of(origin, self._figures.of(window), window.start + window.seconds)


def whole_until(definition: Definition, metric: Metric, clock: Clock) -> int:
    """Return the second up to which the windows of a metric change no more, but for lines that come too late."""
    length = metric.minutes * 60
    return (int(clock.now().timestamp()) - definition.late - GRACE_SECONDS) // length * length


def outlets_of(settings: Settings, store: Store, worker: str, clock: Clock, counters: Counters) -> Sequence[Outlet]:
    """Return the outlets that the settings name. Raises SettingsError for a secret that is not there."""
    definitions, host = definitions_of(settings), settings.follow.host or socket.gethostname()
    return [
        Outlet(
            name=one.name,
            way=way_of(one, os.environ, host, clock.now),
            store=store,
            worker=worker,
            definitions=chosen(definitions, one.logs),
            clock=clock,
            counters=counters,
            new_id=lambda: uuid.uuid4().hex,
        )
        for one in settings.outlets
        if not one.takes_ledger
    ]


def chosen(definitions: Sequence[Definition], names: Sequence[str]) -> Sequence[Definition]:
    """Return the logs of these names; all of them where none is named."""
    return [one for one in definitions if not names or one.name in names]
