"""The pieces of a world document that CVM owns, as they are written: short forms and full forms are one model.

Pieces that there may be a hundred thousand of are slotted dataclasses, because models take several times the memory.
Absent means the default; what only a running world knows is written by a dump and may be left out by people.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from cloudheal_sim.guest.guest_parts import GuestPart
from cloudheal_sim.kernel.many import Id, OneOrMany
from cloudheal_sim.kernel.stock import StockPart
from cloudheal_sim.kernel.tokens import TokenPart
from cloudheal_sim.kernel.trouble import TroublePart
from cloudheal_sim.kernel.world import Part
from cloudheal_sim.tencent.cvm.model.catalogue import DEFAULT_IMAGE, DEFAULT_TYPE
from cloudheal_sim.tencent.cvm.model.durations import Durations
from cloudheal_sim.tencent.cvm.model.instance import Agent, Goal, Outcome, Status, StopCharging
from cloudheal_sim.tencent.cvm.model.repair import AuthSource, TaskStatus

STRICT = ConfigDict(extra="forbid")
#: Which goals a transition may have in each state; in the states that are not here nothing is under way.
GOALS = {
    Status.PENDING: frozenset({Goal.RUN, Goal.FAIL}),
    Status.STARTING: frozenset({Goal.RUN}),
    Status.STOPPING: frozenset({Goal.STOP, Goal.GIVE_UP}),
    Status.REBOOTING: frozenset({Goal.REBOOT, Goal.GIVE_UP}),
    Status.TERMINATING: frozenset({Goal.RELEASE}),
    Status.LAUNCH_FAILED: frozenset({Goal.RELEASE}),
}


class TaskPart(Part):
    """A transition under way."""

    goal: Goal
    due: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class OperationPart:
    """An operation that somebody asked for."""

    name: str
    request_id: str = ""
    outcome: Outcome = Outcome.SUCCESS
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class OperationTimelinePart:
    """The latest operation with its past."""

    status: OperationPart | None = None
    since: AwareDatetime
    history: tuple[tuple[AwareDatetime, OperationPart | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class NetworkPart:
    """Where an instance is; what is absent is chosen by its zone."""

    vpc: str | None = None
    subnet: str | None = None
    private_ip: str | None = None
    public_ips: tuple[str, ...] = ()
    security_groups: tuple[str, ...] | None = None
    bandwidth: Annotated[int, Field(ge=0)] = 5


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class InstancePart(OneOrMany):
    """One instance, or `count` of them under ids `<prefix>-000001` and so on."""

    region: str | None = None
    zone: str | None = None
    type: str = DEFAULT_TYPE
    image: str = DEFAULT_IMAGE
    status: Status | None = None
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, Status], ...] = ()
    host_name: str | None = None
    charge_type: Literal["PREPAID", "POSTPAID_BY_HOUR", "SPOTPAID", "CDHPAID", "CDCPAID"] = "POSTPAID_BY_HOUR"
    project: int = 0
    created: AwareDatetime | None = None
    started: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    released: AwareDatetime | None = None
    stop_charging: StopCharging | None = None
    protected: bool = False
    user_data: str = ""
    agent: Agent = Agent.ONLINE
    unreachable: AwareDatetime | None = None
    network: NetworkPart = NetworkPart()
    operation: OperationTimelinePart | None = None
    task: TaskPart | None = None
    trouble: TroublePart | None = None
    guest: GuestPart | None = None

    @model_validator(mode="after")
    def _under_way(self) -> InstancePart:
        status = self.status or Status.RUNNING
        if self.task is not None and self.task.goal not in GOALS.get(status, frozenset()):
            msg = f"an instance in {status} is not on its way to {self.task.goal}"
            raise ValueError(msg)
        return self


class RepairTaskPart(Part):
    """One repair task of the platform; absent times are chosen: made now, planned for 48 hours after that."""

    id: Id
    instance: Id
    type: int = Field(101, ge=101, le=107)
    auth_type: int = Field(2, ge=1, le=8)
    status: TaskStatus = TaskStatus.AWAITING
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, TaskStatus], ...] = ()
    created: AwareDatetime | None = None
    planned: AwareDatetime | None = None
    auth_source: AuthSource | None = None
    ended: AwareDatetime | None = None
    detail: str = "The host of this instance shows hardware risks."
    due: AwareDatetime | None = None


class CvmPart(Part):
    """All keys of CVM."""

    durations: Durations = Durations()
    stock: tuple[StockPart, ...] = ()
    client_tokens: tuple[TokenPart, ...] = ()
    instances: tuple[InstancePart, ...] = ()
    repair_tasks: tuple[RepairTaskPart, ...] = ()
