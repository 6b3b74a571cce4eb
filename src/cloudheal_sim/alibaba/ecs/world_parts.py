"""The pieces of a world document that ECS owns, as they are written: short forms and full forms are one model.

Pieces that there may be a hundred thousand of are slotted dataclasses, because models take several times the memory.
Absent means the default; what only a running world knows (past states, transitions under way, chaos in store) is
written by a dump and may be left out by people.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, model_validator
from pydantic.dataclasses import dataclass

from cloudheal_sim.alibaba.ecs.model.catalogue import STRICT, Image, InstanceType, SecurityGroup, VSwitch
from cloudheal_sim.alibaba.ecs.model.disk import DiskStatus, SnapshotStatus
from cloudheal_sim.alibaba.ecs.model.durations import Durations
from cloudheal_sim.alibaba.ecs.model.instance import Goal, Lock, Status, StoppedMode
from cloudheal_sim.alibaba.ecs.model.maintenance import MaintenancePart
from cloudheal_sim.guest.guest_parts import GuestPart
from cloudheal_sim.kernel.many import Id, OneOrMany
from cloudheal_sim.kernel.stock import StockPart
from cloudheal_sim.kernel.tokens import TokenPart
from cloudheal_sim.kernel.trouble import TroublePart
from cloudheal_sim.kernel.world import Part

#: Which goals a transition may have in each state; in the states that are not here nothing is under way.
GOALS = {
    Status.PENDING: frozenset({Goal.RUN, Goal.STOP}),
    Status.STARTING: frozenset({Goal.RUN, Goal.REBOOT, Goal.REDEPLOY}),
    Status.STOPPING: frozenset({Goal.STOP, Goal.REBOOT, Goal.REDEPLOY, Goal.RELEASE}),
    Status.STOPPED: frozenset({Goal.RELEASE}),
}


class TaskPart(Part):
    """A transition under way."""

    goal: Goal
    due: AwareDatetime


class SpotPart(Part):
    """The terms of a spot instance, and its reclaim."""

    strategy: str = "SpotAsPriceGo"
    price_limit: float = 0.0
    duration: int = 1
    behavior: Literal["Terminate", "Stop"] = "Terminate"
    reclaim_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class NetworkPart:
    """Where an instance is; what is absent is chosen by its zone."""

    vpc: str | None = None
    vswitch: str | None = None
    private_ip: str | None = None
    public_ips: tuple[str, ...] = ()
    security_groups: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class InstancePart(OneOrMany):
    """One instance, or `count` of them under ids `<prefix>-000001` and so on."""

    region: str = "cn-hangzhou"
    zone: str | None = None
    type: str = "ecs.g7.large"
    image: str | None = None
    status: Status | None = None
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, Status], ...] = ()
    description: str = ""
    host_name: str | None = None
    charge_type: Literal["PostPaid", "PrePaid"] | None = None
    spot: bool | SpotPart = False
    reclaim_at: AwareDatetime | None = Field(None, description="short for a spot instance with that reclaim")
    expired: bool = Field(default=False, description="short for a subscription that ran out an hour ago")
    locks: tuple[Lock, ...] = ()
    created: AwareDatetime | None = None
    started: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    auto_release: AwareDatetime | None = None
    released: AwareDatetime | None = None
    stopped_mode: StoppedMode | None = None
    deletion_protection: bool = False
    key_pair: str = ""
    resource_group: str = ""
    user_data: str = ""
    network: NetworkPart = NetworkPart()
    task: TaskPart | None = None
    trouble: TroublePart | None = None
    maintenance: MaintenancePart | None = None
    guest: GuestPart | None = None

    @model_validator(mode="after")
    def _under_way(self) -> InstancePart:
        status = self.status or Status.RUNNING
        if self.task is not None and self.task.goal not in GOALS.get(status, frozenset()):
            msg = f"a {status} instance is not on its way to {self.task.goal}"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class DiskPart:
    """One disk; attached when `instance` names one. An instance without a system disk is given one."""

    id: Id
    region: str | None = None
    zone: str | None = None
    kind: Literal["system", "data"] = "data"
    status: DiskStatus | None = None
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, DiskStatus], ...] = ()
    instance: str = ""
    device: str | None = None
    category: str = "cloud_essd"
    size: int = Field(40, ge=1)
    name: str = ""
    description: str = ""
    image: str = ""
    source_snapshot: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    delete_with_instance: bool = True
    created: AwareDatetime | None = None
    attached: AwareDatetime | None = None
    detached: AwareDatetime | None = None
    released: AwareDatetime | None = None
    due: AwareDatetime | None = None


class SnapshotPart(Part):
    """One snapshot; `due` while it is progressing, `duration` in seconds."""

    id: Id
    disk: str
    region: str = "cn-hangzhou"
    disk_kind: Literal["system", "data"] = "system"
    size: int = Field(40, ge=1)
    status: SnapshotStatus = SnapshotStatus.ACCOMPLISHED
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, SnapshotStatus], ...] = ()
    created: AwareDatetime | None = None
    name: str = ""
    description: str = ""
    retention_days: int | None = Field(None, ge=1, le=65536)
    resource_group: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    due: AwareDatetime | None = None
    duration: float = Field(0.0, ge=0)
    released: AwareDatetime | None = None


class RegionPart(Part):
    """A region; of known ones the rest may be left out."""

    id: Id
    name: str | None = None
    code: str | None = None
    zones: tuple[str, ...] | None = None


class EcsPart(Part):
    """All keys of ECS; a list that is absent is the default one."""

    regions: tuple[str | RegionPart, ...] | None = None
    durations: Durations = Durations()
    stock: tuple[StockPart, ...] = ()
    overdue: bool = False
    instance_types: tuple[InstanceType, ...] | None = None
    images: tuple[Image, ...] | None = None
    vswitches: tuple[VSwitch, ...] | None = None
    security_groups: tuple[SecurityGroup, ...] | None = None
    client_tokens: tuple[TokenPart, ...] = ()
    instances: tuple[InstancePart, ...] = ()
    disks: tuple[DiskPart, ...] = ()
    snapshots: tuple[SnapshotPart, ...] = ()
