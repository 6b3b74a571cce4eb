"""Sealed rows of the ledger on their way to another place, and whoever takes them there.

An excerpt is of one segment, and what follows a row is the same whenever it is read: sent again after a crash it has
the same mark, by which a receiver that cares knows it. The seal in it is a head of the chain, so that whoever keeps
excerpts can prove everything before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One row: when it was written, in seconds since 1970, and its columns that say something."""

    at: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows that follow one another, by their first and last number, and the seal of their segment."""

    first: int
    last: int
    segment: int
    seal: str
    lines: Sequence[Line]

    @property
    def mark(self) -> str:
        """Return the same text for the same rows, and another one for rows of a database that was restored since."""
        return f"{self.seal[:16]}-{self.first}-{self.last}"


class LedgerSink(Protocol):
    """Takes excerpts somewhere."""

    def take(self, excerpt: Excerpt) -> object:
        """Return when the other side has them for good. Raises OutletAwayError, OutletRefusedError and Cloud*Error."""


class Post(Protocol):
    """Posts a body somewhere."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the answer. Raises OutletAwayError and OutletRefusedError."""
