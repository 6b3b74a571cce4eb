"""How answers look: tables for people, JSON for programs, times in the operator's zone in both.

Texts from messages are shown without their control characters: an event must not be able to drive a terminal. And
whatever the tables hold, no secret that the settings lead to is shown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from cloudheal.cli.texts import TEXTS
from cloudheal.model.instant import INSTANT, localised
from cloudheal.model.words import told

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console

    from cloudheal.cli.sheet import Sheet

#: The width of tables that no terminal shows, so that ids are not cut off in files and pipes.
WIDE = 200
#: Columns whose values people see in words, and what kind of word it is.
WORDED = {"verdict": "verdict", "state": "state", "policy": "policy", "channel": "channel", "channels": "channel"}
#: So many characters of an id are shown where that is enough to name a thing by.
BRIEF = 8


class Show:
    """Prints for one operator: language, zone, and whether a program reads."""

    def __init__(self, language: str, zone: tzinfo, *, as_json: bool = False) -> None:
        self.language = language
        self._texts = TEXTS[language]
        self._zone = zone
        self.as_json = as_json

    def rows(
        self,
        title: str,
        rows: Sequence[DataclassInstance],
        columns: Sequence[str],
        brief: Sequence[str] = (),
        limit: int = 0,
    ) -> None:
        """Print rows: the named columns as a table, or every field as a JSON array.

        Of ids in `brief` columns people see how they begin, which commands take for the whole. Where there are as many
        rows as the `limit` allows, people are told that there may be more.
        """
        if self.as_json:
            self.document(self.records(rows))
        elif not rows:
            print(self.text("none"))
        else:
            self._table(title, rows, columns, brief)
            if limit and len(rows) >= limit:
                print(self.text("limited"))

    @staticmethod
    def records(rows: Sequence[DataclassInstance]) -> list[dict[str, Any]]:
        """Return rows with every field by its name, as part of a document."""
        return [{one.name: getattr(row, one.name) for one in fields(row)} for row in rows]

    def document(self, value: object) -> None:
        """Print one JSON document."""
        print(_discreet(json.dumps(self._plain(value), ensure_ascii=False, indent=2)))

    def say(self, key: str, **facts: object) -> None:
        """Print one sentence; nothing for a program, which reads the document only."""
        if not self.as_json:
            print(_discreet(self.text(key, **facts)))

    def fault(self, key: str, **facts: object) -> None:
        """Print why there is no answer: one sentence, or a document with it as `error`, which no program overlooks."""
        if self.as_json:
            self.document({"error": self.text(key, **facts)})
        else:
            self.say(key, **facts)

    def lines(self, lines: Sequence[str]) -> None:
        """Print sentences that were made elsewhere; nothing for a program."""
        if not self.as_json:
            print(_discreet("\n".join(self._cell(line) for line in lines)))

    def text(self, key: str, **facts: object) -> str:
        """Return a sentence in the operator's language."""
        return self._texts[key].format_map(told({name: self._cell(value) for name, value in facts.items()}))

    def knows(self, key: str) -> bool:
        """Say whether there is a sentence of that name."""
        return key in self._texts

    def worded(self, kind: str, value: object) -> object:
        """Return a value, or each of several, in words of its kind; as it is where there are none for it."""
        if isinstance(value, list | tuple):
            return [self.worded(kind, one) for one in value]
        return self._texts.get(f"value.{kind}.{value}", value)

    def grid(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Sheet:
        """Return a list whose columns have names that come from elsewhere; `console` prints it."""
        from cloudheal.cli.sheet import Sheet

        has_times = any(_has_time(value) for row in rows for value in row)
        caption = self.text("caption.times" if has_times else "caption", zone=str(self._zone), count=len(rows))
        cells = [[_discreet(self._cell(value)) for value in row] for row in rows]
        return Sheet(self.text(title), caption, [_discreet(self._cell(head)) for head in heads], cells)

    @staticmethod
    def console() -> Console:
        """Return where tables are printed: as wide as the terminal, or wide where none shows them."""
        from rich.console import Console

        known = sys.stdout.isatty() or "COLUMNS" in os.environ
        return Console(width=None if known else WIDE, highlight=False)

    def _table(
        self, title: str, rows: Sequence[DataclassInstance], columns: Sequence[str], brief: Sequence[str]
    ) -> None:
        heads = [self.text(f"column.{column}") for column in columns]
        lengths = {column: BRIEF if column in brief else None for column in columns}
        cells = [
            [
                self.worded(WORDED.get(column, ""), _cut(getattr(row, column), length))
                for column, length in lengths.items()
            ]
            for row in rows
        ]
        self.console().print(self.grid(title, heads, cells))

    def _cell(self, value: object) -> str:
        match value:
            case None:
                return "-"
            case bool():
                return self.text("yes" if value else "no")
            case datetime():
                return value.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
            case timedelta():
                return _seconds(value)
            case list() | tuple():
                return "\n".join(self._cell(one) for one in value)
            case _:
                told = localised(str(value), self._zone)
                return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in told)

    def _plain(self, value: object) -> Any:
        match value:
            case datetime():
                return value.astimezone(self._zone).isoformat(timespec="milliseconds")
            case timedelta():
                return value.total_seconds()
            case Mapping():
                return {str(name): self._plain(one) for name, one in value.items()}
            case list() | tuple():
                return [self._plain(one) for one in value]
            case None | bool() | int() | float():
                return value
            case _:
                return str(value)


def _has_time(value: object) -> bool:
    """Say whether a cell shows a time of the operator's zone, by itself or within a sentence."""
    if isinstance(value, list | tuple):
        return any(map(_has_time, value))
    return isinstance(value, datetime) or (isinstance(value, str) and INSTANT.search(value) is not None)


def _cut(value: object, length: int | None) -> object:
    return value if length is None else str(value)[:length]


def _discreet(text: str) -> str:
    from cloudheal.settings.discretion import discreet

    return discreet(text)


def _seconds(duration: timedelta) -> str:
    """Write a duration as people read it: tenths below a minute, whole seconds above."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{seconds:02}s" if hours else f"{minutes}m{seconds:02}s"
