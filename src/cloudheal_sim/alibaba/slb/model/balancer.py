"""Load balancers, their server groups and listeners. Instants are epoch milliseconds.

The default group of a balancer is a server group like any other, only without an id and without ports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.health_checks import Check
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.slb.model.backend import Backend, Members

RUNNING = "running"
STOPPED = "stopped"
ACTIVE = "active"
INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Drain:
    """A member that has left and finishes its connections until `until`."""

    server_id: str
    port: int
    until: int


@dataclass(slots=True, eq=False)
class ServerGroup:
    """Members behind a balancer; `id` is empty for the default group."""

    id: str
    balancer: str
    members: Timeline[Members]
    name: str = ""
    created: int = 0
    deleted: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    drains: tuple[Drain, ...] = ()

    @property
    def label(self) -> str:
        """The id under which the journal knows the group."""
        return self.id or self.balancer

    def existed(self, instant: int | None) -> bool:
        """Say whether the group was there at `instant`; None means now."""
        return _existed(self.created, self.deleted, instant)


@dataclass(slots=True, eq=False)
class Listener:
    """A front port of a balancer and where its requests go."""

    balancer: str
    port: int
    protocol: str
    status: str = STOPPED
    since: int = 0
    """Checking began then: the last start; 0 is since ever."""
    group: str = ""
    """Id of the server group; empty for the balancer's default group."""
    backend_port: int = 0
    bandwidth: int = -1
    scheduler: str = "wrr"
    description: str = ""
    check: Check = field(default_factory=Check)
    drain_seconds: int | None = None
    """Seconds a leaving member keeps its connections; None when draining is off."""
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Further parameters by their wire name: kept and shown again, without effect."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def port_of(self, member: Backend) -> int:
        """Return the port on the server that requests go to."""
        return member.port or self.backend_port


@dataclass(slots=True, eq=False)
class Balancer:
    """One load balancer."""

    id: str
    region: str
    default: ServerGroup
    name: str = ""
    address: str = ""
    address_type: str = "internet"
    ip_version: str = "ipv4"
    status: str = ACTIVE
    created: int = 0
    deleted: int | None = None
    vpc: str = ""
    vswitch: str = ""
    spec: str = "slb.s1.small"
    bandwidth: int = -1
    internet_charge_type: str = "paybytraffic"
    instance_charge_type: str = "PayBySpec"
    pay_type: str = "PayOnDemand"
    master_zone: str = ""
    slave_zone: str = ""
    delete_protection: bool = False
    modification_protection: str = "NonProtection"
    modification_reason: str = ""
    resource_group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    busy_until: int | None = None
    """A change is being rolled out until then; other changes are refused."""
    listeners: dict[int, Listener] = field(default_factory=dict)

    def existed(self, instant: int | None) -> bool:
        """Say whether the balancer was there at `instant`; None means now."""
        return _existed(self.created, self.deleted, instant)


def _existed(created: int, deleted: int | None, instant: int | None) -> bool:
    if instant is None:
        return deleted is None
    return created <= instant and (deleted is None or instant < deleted)


def default_group(balancer: str, members: Members, since: int) -> ServerGroup:
    """Make the default group of a balancer."""
    return ServerGroup(id="", balancer=balancer, members=Timeline(members, since), created=since)
