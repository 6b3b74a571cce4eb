"""A history from JSON lines: messages as a queue would hold them (what `feed` reads), or what `audit export` wrote.

A line tells by its fields which of both it is; a file may hold both. A message says when it happened and not when it
came: it is taken to have come at once, in the order of the lines. One that is dated in the future came with the one
before it, and moves no clock. What cannot be read is counted, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudheal.errors import NotAnEventError
from cloudheal.model.event import AHEAD, Channel
from cloudheal.pipeline.backtest.rows import NO_ROW, entry_of, row_in
from cloudheal.record.history import Arrived
from cloudheal.record.ledger import Written
from cloudheal.sense.reading import Reader

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Lines:
    """Reads one file; counts what it could not read."""

    reader: Reader
    now: datetime = _END
    """The present: what is dated later than that was not meant so."""
    parts_of: Callable[[bytes], Sequence[bytes]] = lambda line: [line]
    """Returns the messages in a line, of which a list has several."""
    unreadable: int = 0
    newest: datetime = _BEGIN
    _number: int = 0

    def read(self, lines: Iterable[bytes]) -> Iterator[Arrived | Written]:
        """Yield what the lines hold, one in memory at a time."""
        for line in lines:
            text = line.strip()
            if not text:
                continue
            row = row_in(text)
            found = map(self._message, self.parts_of(text)) if row is None else [self._entry(row)]
            yield from (one for one in found if one is not None)

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
        try:
            return entry_of(row)
        except NO_ROW:
            self.unreadable += 1
            return None
