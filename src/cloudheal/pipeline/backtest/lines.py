"""A history from JSON lines: messages as a queue would hold them (what `feed` reads), or what `audit export` wrote.

A line tells by its fields which of both it is; a file may hold both. A message says when it happened and not when it
came: it is taken to have come at once, in the order of the lines. One that is dated in the future came with the one
before it, and moves no clock. What cannot be read is counted, never guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from cloudheal.errors import NotAnEventError
from cloudheal.model.event import AHEAD, Channel, Event
from cloudheal.model.resource import named
from cloudheal.record.history import KINDS, Arrived
from cloudheal.record.ledger import Kind, Written
from cloudheal.record.moments import moment_of
from cloudheal.sense.reading import Reader

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Lines:
    """Reads one file; counts what it could not read."""

    reader: Reader
    now: datetime = _END
    """The present: what is dated later than that was not meant so."""
    unreadable: int = 0
    newest: datetime = _BEGIN
    _number: int = 0

    def read(self, lines: Iterable[bytes]) -> Iterator[Arrived | Written]:
        """Yield what the lines hold, one in memory at a time."""
        for line in lines:
            text = line.strip()
            if not text:
                continue
            row = _row(text)
            found = self._message(text) if row is None else self._entry(row)
            if found is not None:
                yield found

    def _message(self, body: bytes) -> Arrived | None:
        self._number += 1
        try:
            event = self.reader(body, self.newest, Channel.FILE)
        except NotAnEventError:
            self.unreadable += 1
            return None
        if event.time - AHEAD <= self.now:
            self.newest = max(self.newest, event.time)
        return Arrived(self.newest, self._number, event._replace(received=self.newest), recorded=False)

    def _entry(self, row: Mapping[str, Any]) -> Arrived | Written | None:
        if row["kind"] not in _KINDS:
            return None
        try:
            at = datetime.fromisoformat(row["at"])
            if row["kind"] == Kind.EVENT and "contents" in row:
                return Arrived(at, row["event"], _event(row, at))
            return _written(row, at)
        except (KeyError, ValueError, TypeError):
            self.unreadable += 1
            return None


_KINDS = frozenset(one.value for one in KINDS)
_CHANNELS = {one.value: one for one in Channel}


def _row(text: bytes) -> dict[str, Any] | None:
    """Return a row of the ledger; None when the line is something else, such as a message."""
    if not text.startswith(b'{"id": '):
        return None
    try:
        document = from_json(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "kind" in document and "at" in document else None


def _event(row: Mapping[str, Any], received: datetime) -> Event:
    body, contents = row["body"], row["contents"]
    cloud, account, region, kind, id_ = contents["subject"]
    return Event(
        body["key"],
        contents["id"],
        contents["source"],
        row["type"],
        named(cloud, account, region, kind, id_),
        moment_of(body["occurred"]),
        received,
        row.get("result", ""),
        contents["data"],
        _CHANNELS[body["channel"]],
        body["simulated"],
        b"",
    )


def _written(row: Mapping[str, Any], at: datetime) -> Written:
    return Written(
        id=row["id"],
        at=at,
        kind=row["kind"],
        resource=row.get("resource", ""),
        type=row.get("type", ""),
        result=row.get("result", ""),
        name=row.get("name", ""),
        event=row.get("event"),
        incident=row.get("incident", ""),
        run=row.get("run", ""),
        body=row.get("body", {}),
    )
