"""Whether what a thread does cannot wait: said where that is known, asked where threads stand in a line.

It changes who is served first and nothing else; no decision depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HURRIES: ContextVar[bool] = ContextVar("hurries", default=False)


@contextmanager
def hurrying(hurries: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - most who say so know it
    """Have what this thread does go before others until the block ends, unless it does not hurry after all."""
    before = _HURRIES.set(hurries or _HURRIES.get())
    try:
        yield
    finally:
        _HURRIES.reset(before)


@contextmanager
def unhurried() -> Iterator[None]:
    """Have what this thread does wait for its turn like any other until the block ends."""
    before = _HURRIES.set(False)
    try:
        yield
    finally:
        _HURRIES.reset(before)


def is_hurrying() -> bool:
    """Say whether what this thread does cannot wait."""
    return _HURRIES.get()
