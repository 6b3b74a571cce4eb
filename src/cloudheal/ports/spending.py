"""What a look spends: calls of the cloud, counted where they are sent and asked for where the look ends.

A look is done by one thread, and so are its calls; each thread counts for itself. Calls that are sent for several looks
together are counted once, with the look that sent them. Nothing here knows a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Spent:
    """Calls that were sent since the counting began, refused and unanswered ones included."""

    calls: int = 0


_COUNTED: ContextVar[Spent | None] = ContextVar("spent", default=None)


@contextmanager
def counting() -> Iterator[Spent]:
    """Count the calls of this thread until the block ends."""
    spent = Spent()
    before = _COUNTED.set(spent)
    try:
        yield spent
    finally:
        _COUNTED.reset(before)


def call_sent() -> bool:
    """Count a call that was sent; False when nobody counts, because it belongs to no look."""
    spent = _COUNTED.get()
    if spent is None:
        return False
    spent.calls += 1
    return True
