"""Time is handed in. Pipeline and playbooks read this port and nothing else.

`SystemClock` is the only code of the product that reads the machine's clock; a test hands in a clock that it moves.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time: aware, UTC, never earlier than the answer before."""

    def now(self) -> datetime:
        """Return the present."""


class SystemClock:
    """The machine's clock, kept from running backwards when the machine's time is set back."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present."""
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest
