"""One instance: everything that ECS knows of it. A hundred thousand fit into memory, so every class is slotted.

Facts that a stale read may show (the status, existence) remember their past; the rest is as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.events import STATUS_NOTIFICATION, SystemEvent
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.model.maintenance import Maintenance
    from cloudheal_sim.guest.guest import Guest


class Status(StrEnum):
    """The states that API replies show; a released instance has none."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class Goal(StrEnum):
    """What a transition in progress is to end in."""

    RUN = "run"
    STOP = "stop"
    REBOOT = "reboot"
    REDEPLOY = "redeploy"
    RELEASE = "release"


class Lock(StrEnum):
    """Why an instance may be locked, spelt as the service spells it."""

    FINANCIAL = "financial"
    SECURITY = "security"
    RECYCLING = "Recycling"
    DEDICATED_HOST_FINANCIAL = "dedicatedhostfinancial"
    REFUNDED = "refunded"


class StoppedMode(StrEnum):
    """Whether a stopped instance goes on costing money and keeps its place on a host."""

    KEEP_CHARGING = "KeepCharging"
    STOP_CHARGING = "StopCharging"
    NOT_APPLICABLE = "Not-applicable"


@dataclass(frozen=True, slots=True)
class Task:
    """A transition in progress: the present status ends at `due` (epoch milliseconds), on the way to `goal`."""

    goal: Goal
    due: int


@dataclass(slots=True)
class Spot:
    """The terms of a spot instance, and its reclaim once one is planned. Instants are epoch milliseconds."""

    strategy: str = "SpotAsPriceGo"
    price_limit: float = 0.0
    duration: int = 1
    behavior: str = "Terminate"
    reclaim_at: int | None = None
    """When the interruption notice is due; None when no reclaim is planned or the notice is out already."""
    ends_at: int | None = None
    """When the reclaim ends; set by the notice."""


@dataclass(frozen=True, slots=True)
class Network:
    """Where an instance is on the network."""

    vpc: str
    vswitch: str
    private_ip: str
    security_groups: tuple[str, ...] = ()
    public_ips: tuple[str, ...] = ()

    def within(self, security_groups: tuple[str, ...]) -> Network:
        """Return the same place under other security groups."""
        return replace(self, security_groups=security_groups)


@dataclass(slots=True, eq=False)
class Instance:
    """One instance; instants are epoch milliseconds."""

    id: str
    region: str
    zone: str
    type: str
    image: str
    network: Network
    status: Timeline[Status]
    created: int
    name: str = ""
    description: str = ""
    host_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Replaced as a whole when it changes, so that instances may share one."""
    charge_type: str = "PostPaid"
    spot: Spot | None = None
    locks: tuple[Lock, ...] = ()
    started: int | None = None
    expires: int | None = None
    auto_release: int | None = None
    released: int | None = None
    stopped_mode: StoppedMode = StoppedMode.NOT_APPLICABLE
    deletion_protection: bool = False
    key_pair: str = ""
    resource_group: str = ""
    user_data: str = ""
    task: Task | None = None
    trouble: Trouble | None = None
    maintenance: Maintenance | None = None
    guest: Guest | None = None
    seq: int = 0
    """Place in creation order; given by the fleet."""

    @property
    def running(self) -> bool:
        """True in Running only, not on the way there."""
        return self.status.value is Status.RUNNING

    @property
    def expired(self) -> bool:
        """True once its subscription has run out and it was stopped for that."""
        return Lock.FINANCIAL in self.locks and self.expires is not None

    @property
    def agent_offline(self) -> bool:
        """True while chaos keeps the Cloud Assistant agent silent."""
        return self.trouble is not None and self.trouble.agent_offline

    @property
    def hung(self) -> bool:
        """True while nothing inside moves although it is Running."""
        return self.trouble is not None and self.trouble.hung

    @property
    def serving(self) -> bool:
        """True while a health check would pass: running, not hung, its processes up."""
        return self.running and not self.hung and (self.guest is None or self.guest.serving)

    def troubled(self) -> Trouble:
        """Return the instance's trouble record, making one when it has none."""
        if self.trouble is None:
            self.trouble = Trouble()
        return self.trouble

    def notification(self, name: str, level: str, content: Mapping[str, object], at: int) -> SystemEvent:
        """Write what CloudMonitor is told when something happens to the instance."""
        return SystemEvent(
            product="ECS",
            name=name,
            level=level,
            event_type=STATUS_NOTIFICATION,
            status="Normal",
            region=self.region,
            resource=f"instance/{self.id}",
            resource_id=self.id,
            at=at,
            content=content,
            instance_name=self.name,
            tags=self.tags,
        )
