"""Prometheus remote-write 1.0: four small messages of protobuf inside a block of Snappy.

Every series says in `instance` who sent it, as a scraped one does: several machines that send to one place would take
each other's series for their own. The messages are packed here, because they are four and do not change; a block of
Snappy may consist of literals only, which every reader unpacks, so no compressor is needed: a thousand series a minute
are some hundred kilobytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from cloudheal.outlets.sample import Sample

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
#: A literal of Snappy may be longer; this is what its own compressor works in.
_LITERAL = 65_536
_VARINT, _DOUBLE, _BYTES = 0, 1, 2


def write_request(samples: Sequence[Sample], instance: str) -> bytes:
    """Return the body that carries samples of a sender; each series once, its moments in order."""
    series: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
    for one in samples:
        series.setdefault((("__name__", one.name), ("instance", instance), *one.labels), {})[one.at * 1000] = one.value
    return snappy(b"".join(_block(1, _series(labels, values)) for labels, values in sorted(series.items())))


def snappy(raw: bytes) -> bytes:
    """Return bytes as a block of Snappy without any compression."""
    parts = [varint(len(raw))]
    for start in range(0, len(raw), _LITERAL):
        piece = raw[start : start + _LITERAL]
        parts += [b"\xf4" + struct.pack("<H", len(piece) - 1), piece]
    return b"".join(parts)


def varint(value: int) -> bytes:
    """Return a number in groups of seven bits; a negative one as 64 bits."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def _series(labels: Iterable[tuple[str, str]], values: dict[int, float]) -> bytes:
    """Return a TimeSeries; its labels must be in order, and `__name__` is before any other by its letters."""
    named = b"".join(_block(1, _block(1, _text(name)) + _block(2, _text(value))) for name, value in sorted(labels))
    return named + b"".join(_block(2, _sample(values[at], at)) for at in sorted(values))


def _sample(value: float, millis: int) -> bytes:
    return bytes([1 << 3 | _DOUBLE]) + struct.pack("<d", value) + bytes([2 << 3 | _VARINT]) + varint(millis)


def _block(field: int, body: bytes) -> bytes:
    return bytes([field << 3 | _BYTES]) + varint(len(body)) + body


def _text(value: str) -> bytes:
    return value.encode(errors="replace")
