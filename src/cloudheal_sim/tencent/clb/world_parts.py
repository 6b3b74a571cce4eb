"""The pieces of a world document that CLB owns, as they are written: short forms and full forms are one model.

Short forms: a target may be written `"ins-a:80"`; a listener of layer 4 has targets, one of layer 7 has rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from cloudheal_sim.kernel.health_checks import Check
from cloudheal_sim.kernel.health_watch import ServerPart
from cloudheal_sim.kernel.world import Part
from cloudheal_sim.tencent.clb.model.balancer import LAYER_7
from cloudheal_sim.tencent.clb.model.target import DEFAULT_WEIGHT, MOST_WEIGHT
from cloudheal_sim.tencent.clb.model.task import TaskStatus
from cloudheal_sim.tencent.clb.state import TASK_SECONDS

Port = Annotated[int, Field(ge=1, le=65535)]


class TargetPart(Part):
    """One target."""

    server: str = Field(min_length=1)
    port: Port
    weight: int = Field(DEFAULT_WEIGHT, ge=0, le=MOST_WEIGHT)
    address: str = ""
    tag: str = ""
    registered: AwareDatetime | None = None
    since: AwareDatetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        server, _, port = data.rpartition(":")
        return {"server": server, "port": port}


class CheckPart(Part):
    """How targets are checked: seconds between checks, and how many in a row decide."""

    on: bool = True
    interval: int = Field(5, ge=2, le=300)
    healthy: int = Field(3, ge=2, le=10)
    unhealthy: int = Field(3, ge=2, le=10)

    def built(self) -> Check:
        """Return the check."""
        return Check(self.on, self.interval, self.healthy, self.unhealthy)


class RulePart(Part):
    """One forwarding rule of a listener of layer 7."""

    id: str = Field(min_length=1)
    domain: str = ""
    url: str = "/"
    check: CheckPart = CheckPart()
    targets: tuple[TargetPart, ...] = ()


class ListenerPart(Part):
    """One listener."""

    id: str = Field(min_length=1)
    protocol: Literal["TCP", "UDP", "TCP_SSL", "QUIC", "HTTP", "HTTPS"] = "TCP"
    port: Port
    name: str = ""
    scheduler: str = "WRR"
    created: AwareDatetime | None = None
    check: CheckPart = CheckPart()
    targets: tuple[TargetPart, ...] = ()
    rules: tuple[RulePart, ...] = ()

    @model_validator(mode="after")
    def _one_layer(self) -> ListenerPart:
        if self.protocol in LAYER_7 and self.targets:
            msg = f"a listener for {self.protocol} has its targets in rules"
            raise ValueError(msg)
        if self.protocol not in LAYER_7 and self.rules:
            msg = f"a listener for {self.protocol} has targets and no rules"
            raise ValueError(msg)
        return self


class BalancerPart(Part):
    """One load balancer."""

    id: str = Field(min_length=1, pattern="^lb-")
    region: str | None = None
    name: str | None = None
    type: Literal["OPEN", "INTERNAL"] = "OPEN"
    addresses: tuple[str, ...] = ()
    zone: str | None = None
    vpc: str | None = None
    project: int = 0
    created: AwareDatetime | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    listeners: tuple[ListenerPart, ...] = ()


class ChangePart(Part):
    """The targets that a listener or rule is to have."""

    listener: str
    location: str = ""
    targets: tuple[TargetPart, ...] = ()


class ClbTaskPart(Part):
    """A change of targets, under way until `due`."""

    id: str
    balancer: str
    status: TaskStatus
    message: str = ""
    due: AwareDatetime | None = None
    changes: tuple[ChangePart, ...] = ()
    left_out: int = 0


class ClbPart(Part):
    """All keys of CLB."""

    balancers: tuple[BalancerPart, ...] = ()
    clb_tasks: tuple[ClbTaskPart, ...] = ()
    clb_servers: tuple[ServerPart, ...] = ()
    clb_task_seconds: float = Field(TASK_SECONDS, ge=0, le=86_400)
