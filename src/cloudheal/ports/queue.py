"""What is asked of a queue of events: messages are taken, kept while they are in hand, and given up when committed.

Adapters stand in `clouds/`. Every method raises CloudTransientError or CloudPermanentError, and `problem_of` says what
such an error means for an operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cloudheal.errors import CloudPermanentError, CloudTransientError


class QueueProblem(StrEnum):
    """Why a queue does not give messages; each is mended by somebody else."""

    MISSING = "queue.missing"
    REFUSED = "queue.refused"
    UNREACHABLE = "queue.unreachable"
    THROTTLED = "queue.throttled"
    FAILED = "queue.failed"


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message in hand; `body` is exactly what the queue holds, Base64 or not."""

    body: bytes
    handle: str
    message_id: str
    dequeue_count: int
    hidden_seconds: float = 0.0
    """How long the queue keeps it from others, where the answer tells; 0 where it does not."""


class StillJoiningError(CloudTransientError):
    """The queue answers, and gives nothing yet: those who take from it are just being told who gets what."""

    code = "queue.joining"


class Queue(Protocol):
    """A connection to one queue of one account, used by one thread."""

    @property
    def name(self) -> str:
        """What the queue is called."""

    def receive(self, wait_seconds: int, most: int) -> list[QueuedMessage]:
        """Wait for messages and take up to `most`; none after `wait_seconds`.

        Raises StillJoiningError when it is not known yet whether there are any; that is no failure.
        """

    def extend(self, handle: str, seconds: int) -> str | None:
        """Keep a message from others for so long from now; returns its new handle, the old one is dead.

        None when the handle had expired: the message comes again.
        """

    def acknowledge(self, handles: Sequence[str]) -> tuple[str, ...]:
        """Delete messages; returns the handles that the queue refused."""

    def give_back(self, handles: Sequence[str]) -> None:
        """Let others have messages at once; those for which that fails come again by themselves."""

    def send(self, body: str) -> str:
        """Put a message on the queue; returns its id."""

    def oldest(self) -> datetime | None:
        """Look at the message that comes next, without taking it; when it was put there."""

    def problem_of(self, error: CloudTransientError | CloudPermanentError) -> QueueProblem:
        """Say which of the problems an error is."""

    def close(self) -> None:
        """Close the connection."""
