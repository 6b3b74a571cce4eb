"""Where notices go: a chat, a mailbox, a webhook. Adapters stand in `notifiers/`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How urgent a message is; services colour it accordingly."""

    INFO = "info"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as people read it."""

    title: str
    body: str
    severity: Severity


class Target(Protocol):
    """One place that messages go to. Its address is a secret: neither `name` nor a problem may hold any part of it."""

    @property
    def name(self) -> str:
        """What operators call it."""

    def send(self, letter: Letter) -> str:
        """Send a message; returns why it was not taken, empty when it was. Never raises, never retries."""
