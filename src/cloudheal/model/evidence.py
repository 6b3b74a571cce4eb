"""Evidence: what speaks for a stop on purpose, and what for an accident; found once, kept with the decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that speaks for the one or the other; `code` is stable, `detail` says what exactly was found."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail.replace(';', ',')}" if self.detail else self.code


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found. A person's will wins: where both speak, the stop was on purpose."""

    purpose: tuple[Sign, ...] = ()
    accident: tuple[Sign, ...] = ()
    silent: tuple[Sign, ...] = ()
    """What was asked and could not say."""
    held: str = ""
    """The tag by which somebody holds the resource; empty when nobody does."""
    held_until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form that is checkpointed."""
        parts = {"purpose": self.purpose, "accident": self.accident, "silent": self.silent}
        signs = {name: [[one.code, one.detail] for one in part] for name, part in parts.items()}
        return {**signs, "held": self.held, "held_until": self.held_until.isoformat() if self.held_until else ""}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a checkpoint back."""
        signs = {name: tuple(Sign(*one) for one in document[name]) for name in ("purpose", "accident", "silent")}
        until = document["held_until"]
        return cls(**signs, held=document["held"], held_until=datetime.fromisoformat(until) if until else None)

    def told(self) -> dict[str, str]:
        """Return what was found as it is kept with a verdict; what was not found is left out."""
        parts = {"on_purpose": self.purpose, "by_accident": self.accident, "could_not_say": self.silent}
        found = {name: listed(signs) for name, signs in parts.items() if signs}
        return {**found, **({"held": self.held} if self.held else {})}


def listed(signs: Iterable[Sign]) -> str:
    """Return signs as one text, as it stands in tables."""
    return "; ".join(str(one) for one in signs)


def unlisted(text: str) -> list[Sign]:
    """Read signs back from their text."""
    parts = (one.partition(": ") for one in text.split("; ") if one)
    return [Sign(code, detail) for code, _, detail in parts]
