"""What EventBridge keeps: buses, rules with their targets, events, and deliveries under way.

The records are what a world document holds; a change is a new record.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from cloudheal_sim.kernel.world import Part
from cloudheal_sim.tencent.eb.model.pattern import PatternError, checked

#: The bus that events of Tencent Cloud's own products go to; it is always there.
SERVICE_BUS = "eb-service0"


class Record(Part):
    """A frozen piece of the document."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bus(Record):
    """A bus that events are put on."""

    id: str = Field(pattern="^eb-")
    name: str
    description: str = ""
    type: Literal["Cloud", "Custom"] = "Custom"
    created: int = 0


class Target(Record):
    """Where a rule sends events.

    `webhook` posts to `url`; it stands in for a function that forwards, since the service has no such target. `scf`
    calls the function of that name, where the world says how (`functions`). All other types are recorded, not sent.
    """

    id: str = ""
    type: Literal["webhook", "scf", "cls", "amp", "ckafka", "es"] = "webhook"
    url: str = ""
    function: str = ""
    batch_seconds: float = Field(0.0, ge=0, le=60)
    batch_count: int = Field(1, ge=1, le=10_000)
    description: dict[str, Any] = Field(default_factory=dict)

    @property
    def in_batches(self) -> bool:
        """True when it is sent lists of events."""
        return self.batch_seconds > 0 or self.batch_count > 1


class Rule(Record):
    """Which events go to which targets."""

    id: str = ""
    name: str = ""
    bus: str = SERVICE_BUS
    pattern: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    description: str = ""
    targets: tuple[Target, ...] = ()
    created: int = 0

    @field_validator("pattern")
    @classmethod
    def _known(cls, pattern: dict[str, Any]) -> dict[str, Any]:
        try:
            return checked(pattern)
        except PatternError as problem:
            msg = f"pattern: {problem}"
            raise ValueError(msg) from problem


class Event(Record):
    """One event on a bus; `time` is epoch milliseconds."""

    id: str
    source: str
    type: str
    subject: str
    time: int
    region: str = ""
    status: str = "-"
    data: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    bus: str = SERVICE_BUS
    rules: tuple[str, ...] = ()
    """The rules that wanted it."""

    def document(self, resource: str = "") -> dict[str, object]:
        """Write it as it is delivered; `resource` names the rule that sends it."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            "region": self.region,
            "resource": [resource] if resource else [],
            "datacontenttype": "application/json;charset=utf-8",
            "tags": dict(self.tags),
            "status": self.status,
            "data": dict(self.data),
        }


class EventParcel(Record):
    """Events on their way to one target of one rule; `due` is epoch milliseconds, `attempt` counts from 1."""

    due: int
    attempt: int = Field(1, ge=1)
    rule: str
    target: Target
    events: tuple[Event, ...]


class Function(Record):
    """Where a function is called, in place of the cloud's own runtime."""

    name: str
    url: str


class EventOptions(Record):
    """How events come."""

    delay: float = Field(0.5, ge=0, le=86_400)
    """Seconds from what happens to the delivery of its event."""
    spelling: Literal["camel", "snake"] = "camel"
    """How the last part of a type is written: `PingUnreachable` or `ping_unreachable`; both occur in documentation."""
