"""What a step returns to a playbook: one of four kinds, a stable code, a JSON value. Steps return, they never raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from cloudheal.errors import PermanentError


class Kind(StrEnum):
    """What happens next: go on, try again, stop and tell, or respect the guard."""

    OK = "ok"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class EngineError(PermanentError):
    """The durable engine cannot do what it was asked to."""

    code = "engine.failed"


class StepRaisedError(PermanentError):
    """What a playbook does in a step raised an error that no step may raise; `what` is its class."""

    code = "step.raised"

    def __init__(self, step: str, what: str) -> None:
        super().__init__(f"step {step} raised {what}")
        self.what = what


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step's result; `code` is the vendor's or the guard's, `request_id` the vendor's."""

    kind: Kind
    code: str = ""
    request_id: str = ""
    value: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True when the step did what it was meant to."""
        return self.kind is Kind.OK

    def to_json(self) -> dict[str, Any]:
        """Return the form that is checkpointed."""
        return {"kind": self.kind.value, "code": self.code, "request_id": self.request_id, "value": dict(self.value)}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a checkpoint back."""
        return cls(Kind(document["kind"]), document["code"], document["request_id"], document["value"])
