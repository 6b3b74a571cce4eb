"""Approval and Hold: a person's word to the machine. A person's will always wins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Answer(StrEnum):
    """What a person said, or that nobody did in time."""

    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person about one run."""

    id: str
    run: str
    question: str
    asked: datetime
    expires: datetime
    answer: Answer | None = None
    answered_by: str = ""
    may_answer: tuple[str, ...] = ()
    """Who may, as it stood in the settings when it was asked; empty: whoever can run the commands."""

    def may(self, who: str) -> bool:
        """Say whether somebody may answer it."""
        return not self.may_answer or who in self.may_answer


@dataclass(frozen=True, slots=True)
class Hold:
    """An operator's reason not to act on a scope: a resource id, a group, or `*` for everything."""

    scope: str
    who: str
    why: str
    since: datetime
    until: datetime | None = None
