"""The pieces of a world document that SLB owns, as they are written: short forms and full forms are one model.

    load_balancers   [{"id", "region", "name", "backends": [...], ...}]
    server_groups    [{"id", "load_balancer", "name", "backends": [{"server_id", "port", "weight"}]}]
    listeners        [{"load_balancer", "port", "protocol", "server_group", ...}]
    slb_servers      what health checks have seen: [{"id", "history": [{"since", "serving"}]}]
    slb_configuring_seconds   how long a balancer is busy after each change

Short forms: a backend may be written `"i-a:80"`; a balancer that only a group or listener names is made.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from cloudheal_sim.alibaba.slb.model.backend import MOST_PORT, MOST_WEIGHT, Backend
from cloudheal_sim.alibaba.slb.model.balancer import Listener
from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.health_checks import Check
from cloudheal_sim.kernel.health_watch import ServerPart
from cloudheal_sim.kernel.world import Part

Port = Annotated[int, Field(ge=1, le=MOST_PORT)]
OnOff = Literal["on", "off"]


class BackendPart(Part):
    """One member; `port` is 0 in a balancer's own list."""

    server_id: str = Field(min_length=1)
    port: int = Field(0, ge=0, le=MOST_PORT)
    weight: int = Field(MOST_WEIGHT, ge=0, le=MOST_WEIGHT)
    type: Literal["ecs", "eni", "eci"] = "ecs"
    server_ip: str = ""
    description: str = ""
    since: AwareDatetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        server_id, _, port = data.partition(":")
        return {"server_id": server_id, "port": port or 0}

    def built(self) -> Backend:
        """Return the member."""
        since = 0 if self.since is None else to_millis(self.since)
        return Backend(self.server_id, self.port, self.weight, self.type, self.server_ip, self.description, since)


class DrainPart(Part):
    """A member that is finishing its connections."""

    server_id: str
    port: int = 0
    until: AwareDatetime


class BalancerPart(Part):
    """One load balancer."""

    id: str = Field(min_length=1)
    region: str | None = None
    name: str | None = None
    address: str | None = None
    address_type: Literal["internet", "intranet"] = "internet"
    ip_version: Literal["ipv4", "ipv6"] = "ipv4"
    status: Literal["active", "inactive"] = "active"
    created: AwareDatetime | None = None
    vpc: str = ""
    vswitch: str = ""
    spec: str = "slb.s1.small"
    bandwidth: int = -1
    internet_charge_type: str = "paybytraffic"
    instance_charge_type: str = "PayBySpec"
    pay_type: str = "PayOnDemand"
    master_zone: str | None = None
    slave_zone: str | None = None
    delete_protection: bool = False
    modification_protection: str = "NonProtection"
    modification_reason: str = ""
    resource_group: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    busy_until: AwareDatetime | None = None
    backends: tuple[BackendPart, ...] = ()
    draining: tuple[DrainPart, ...] = ()


class GroupPart(Part):
    """One server group."""

    id: str = Field(min_length=1)
    load_balancer: str | None = None
    name: str | None = None
    created: AwareDatetime | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    backends: tuple[BackendPart, ...] = ()
    draining: tuple[DrainPart, ...] = ()

    @property
    def balancer(self) -> str:
        """The id of its balancer; one is made up for a group that names none."""
        return self.load_balancer or f"lb-{self.id.removeprefix('rsp-')}"


class ListenerPart(Part):
    """One listener; `receives` is computed and not read."""

    load_balancer: str
    port: Port
    protocol: Literal["tcp", "http"] = "tcp"
    status: Literal["running", "stopped"] = "running"
    since: AwareDatetime | None = None
    server_group: str = ""
    backend_port: int = Field(0, ge=0, le=MOST_PORT)
    bandwidth: int = -1
    scheduler: str = "wrr"
    description: str = ""
    health_check: OnOff | bool = "on"
    interval: int = Field(2, ge=1, le=50)
    healthy_threshold: int = Field(3, ge=1, le=10)
    unhealthy_threshold: int = Field(3, ge=1, le=10)
    drain_seconds: int | None = Field(None, ge=0, le=900)
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    receives: tuple[str, ...] = ()

    def built(self) -> Listener:
        """Return the listener."""
        on = self.health_check if isinstance(self.health_check, bool) else self.health_check == "on"
        return Listener(
            balancer=self.load_balancer,
            port=self.port,
            protocol=self.protocol,
            status=self.status,
            since=0 if self.since is None else to_millis(self.since),
            group=self.server_group,
            backend_port=self.backend_port,
            bandwidth=self.bandwidth,
            scheduler=self.scheduler,
            description=self.description,
            check=Check(on, self.interval, self.healthy_threshold, self.unhealthy_threshold),
            drain_seconds=self.drain_seconds,
            options=self.options,
            tags=self.tags,
        )


class SlbPart(Part):
    """All keys of SLB."""

    load_balancers: tuple[BalancerPart, ...] = ()
    server_groups: tuple[GroupPart, ...] = ()
    listeners: tuple[ListenerPart, ...] = ()
    slb_servers: tuple[ServerPart, ...] = ()
    slb_configuring_seconds: float = Field(0.0, ge=0, le=86400)
