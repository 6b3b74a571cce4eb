"""Minutes of one host on their way to a cloudheal server: rows and cells, never a raw line.

Every minute has the number under which its host keeps it, so that what comes twice is known; a minute that late lines
opened again is another one, to be added. Reading trusts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudheal.logs.counting import Minute
from cloudheal.logs.names import MOST_CHARACTERS
from cloudheal.logs.wire import Parser, Writer, unpacked
from cloudheal.logs.wire import packed as pack_rows
from cloudheal.record.log_series import Stored

VERSION = 1
#: Minutes of one shipment go on until they take so many bytes.
_ENOUGH = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_LATEST = 1 << 40


@dataclass(frozen=True, slots=True)
class ShippedMinute:
    """One minute of one metric as its host keeps it; `rows` are packed."""

    log: str
    metric: str
    start: int
    sequence: int
    error: int
    rows: bytes


@dataclass(frozen=True, slots=True)
class Shipment:
    """What one host sends at once."""

    host: str
    epoch: str
    """Of the database that numbers the minutes."""
    minutes: tuple[ShippedMinute, ...]
    closed: tuple[tuple[str, int], ...] = ()
    """By log, the second up to which the host has sent everything; only late lines add to what was before."""


def loads(host: str, epoch: str, minutes: Iterable[ShippedMinute]) -> Iterator[Shipment]:
    """Return shipments of a size that a server takes."""
    load: list[ShippedMinute] = []
    for one in minutes:
        load.append(one)
        if sum(len(each.rows) for each in load) >= _ENOUGH:
            yield Shipment(host, epoch, tuple(load))
            load = []
    if load:
        yield Shipment(host, epoch, tuple(load))


def packed(shipment: Shipment) -> bytes:
    """Return a shipment as bytes."""
    written = Writer().number(VERSION).text(shipment.host).text(shipment.epoch).number(len(shipment.minutes))
    for one in shipment.minutes:
        written.text(one.log).text(one.metric).number(one.start).number(one.sequence).number(one.error)
        written.block(one.rows)
    written.number(len(shipment.closed))
    for log, second in shipment.closed:
        written.text(log).number(second)
    return bytes(written.data)


def opened(body: bytes) -> Shipment:
    """Return the shipment in a body. Raises ValueError saying what is wrong with it."""
    reading = Parser(body)
    if reading.number() != VERSION:
        raise ValueError("the shipment is of another version, or is none")
    host, epoch = reading.text(), _name(reading.text())
    if not (host.isprintable() and 0 < len(host) < 256):
        raise ValueError("the host has a name that is none")
    minutes = tuple(_minute(reading) for _ in range(reading.many()))
    closed = tuple((_name(reading.text()), _number(reading.number())) for _ in range(reading.many()))
    reading.end()
    return Shipment(host, epoch, minutes, closed)


def shipped(one: Stored) -> ShippedMinute:
    """Return a minute of the store as it is sent."""
    return ShippedMinute(
        one.definition, one.minute.metric, one.minute.start, one.sequence, one.minute.error, pack_rows(one.minute.rows)
    )


def kept(minute: ShippedMinute, host: str) -> Stored:
    """Return a minute that was sent as the store takes it."""
    rows = unpacked(minute.rows)
    return Stored(minute.log, host, minute.sequence, 1, Minute(minute.metric, minute.start, rows, minute.error))


def _minute(reading: Parser) -> ShippedMinute:
    log, metric, start = _name(reading.text()), _name(reading.text()), reading.number()
    if start % 60 or start >= _LATEST:
        raise ValueError("a minute does not begin at one")
    one = ShippedMinute(log, metric, start, _number(reading.number()), _number(reading.number()), reading.block())
    parts = [part for row in unpacked(one.rows) for part in row.key]
    if not all(part.isprintable() and len(part) <= MOST_CHARACTERS for part in parts):
        raise ValueError(f"a series has a name that is not printable, or longer than {MOST_CHARACTERS} characters")
    return one


def _number(value: int) -> int:
    if value >= 1 << 63:
        raise ValueError("a number is too large")
    return value


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a log or a metric has a name that is none")
    return text
