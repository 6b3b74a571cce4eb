"""What Cloud Monitor keeps of alarms: callbacks, alarms with their history, and callbacks under way."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from cloudheal_sim.kernel.world import Part


class Record(Part):
    """A frozen piece of the document."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Callback(Record):
    """An alarm policy with the URL that it calls; no event named means every event, and the same for metrics."""

    url: str
    policy: str = "policy-sim00001"
    name: str = "alarms"
    events: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    """Which servers it watches; empty means all."""


class Alarm(Record):
    """One alarm of one policy on one instance, from its begin to its end; instants are epoch milliseconds."""

    session: str
    policy: str
    policy_name: str = ""
    kind: Literal["event", "metric"] = "event"
    name: str
    """The event's name, or the metric's."""
    title: str = ""
    instance: str
    region: str
    status: Literal["1", "0"] = "1"
    first: int
    ended: int | None = None
    operator: str = ">"
    threshold: float = 0.0
    value: float = 0.0


class CallbackParcel(Record):
    """One call on its way; `due` is epoch milliseconds, `attempt` counts from 1."""

    due: int
    attempt: int = Field(1, ge=1)
    url: str
    name: str
    instance: str
    document: dict[str, Any]
