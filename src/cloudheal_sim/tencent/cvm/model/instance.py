"""One instance: everything that CVM knows of it. A hundred thousand fit into memory, so every class is slotted.

Facts that a stale read may show (state, latest operation, existence) remember their past; the rest is as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.guest.guest import Guest


class Status(StrEnum):
    """The values of InstanceState; an instance that is gone has none."""

    PENDING = "PENDING"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    STOPPING = "STOPPING"
    REBOOTING = "REBOOTING"
    SHUTDOWN = "SHUTDOWN"
    TERMINATING = "TERMINATING"
    ENTER_RESCUE_MODE = "ENTER_RESCUE_MODE"
    RESCUE_MODE = "RESCUE_MODE"
    EXIT_RESCUE_MODE = "EXIT_RESCUE_MODE"
    ENTER_SERVICE_LIVE_MIGRATE = "ENTER_SERVICE_LIVE_MIGRATE"
    SERVICE_LIVE_MIGRATE = "SERVICE_LIVE_MIGRATE"
    EXIT_SERVICE_LIVE_MIGRATE = "EXIT_SERVICE_LIVE_MIGRATE"

    @property
    def spoken(self) -> str:
        """The state's part in error codes: `EnterRescueMode`."""
        return "".join(part.capitalize() for part in self.value.split("_"))


class Goal(StrEnum):
    """What a transition in progress is to end in."""

    RUN = "run"
    STOP = "stop"
    REBOOT = "reboot"
    GIVE_UP = "give_up"
    """Running again: the system inside did not answer to a soft stop or reboot."""
    RELEASE = "release"
    FAIL = "fail"


class StopType(StrEnum):
    """How hard a stop or reboot is meant."""

    SOFT = "SOFT"
    SOFT_FIRST = "SOFT_FIRST"
    HARD = "HARD"


class StopCharging(StrEnum):
    """Whether a stopped instance goes on costing money; one that is not stopped does."""

    KEEP_CHARGING = "KEEP_CHARGING"
    STOP_CHARGING = "STOP_CHARGING"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Outcome(StrEnum):
    """The values of LatestOperationState."""

    OPERATING = "OPERATING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class Agent(StrEnum):
    """The automation agent inside: answering, silent, or never installed."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    ABSENT = "Absent"


@dataclass(frozen=True, slots=True)
class Operation:
    """The latest operation that somebody asked for."""

    name: str
    request_id: str
    outcome: Outcome = Outcome.OPERATING
    error: str = ""

    def ended(self, outcome: Outcome, error: str = "") -> Operation:
        """Return the operation with its outcome."""
        return replace(self, outcome=outcome, error=error)


@dataclass(frozen=True, slots=True)
class Task:
    """A transition in progress: the present state ends at `due` (epoch milliseconds), on the way to `goal`."""

    goal: Goal
    due: int


@dataclass(frozen=True, slots=True)
class Network:
    """Where an instance is on the network."""

    vpc: str
    subnet: str
    private_ip: str
    security_groups: tuple[str, ...] = ()
    public_ips: tuple[str, ...] = ()
    bandwidth: int = 5
    """Outbound cap in Mbit/s; 0 for an instance without a public address."""

    def reached_at(self, public_ips: tuple[str, ...]) -> Network:
        """Return the same place under other public addresses."""
        return replace(self, public_ips=public_ips)

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
    operation: Timeline[Operation | None]
    name: str = ""
    host_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Replaced as a whole when it changes, so that instances may share one."""
    charge_type: str = "POSTPAID_BY_HOUR"
    project: int = 0
    started: int | None = None
    expires: int | None = None
    released: int | None = None
    stop_charging: StopCharging = StopCharging.NOT_APPLICABLE
    protected: bool = False
    user_data: str = ""
    has_agent: bool = True
    unreachable: int | None = None
    """Since when pings are lost that nobody meant to lose; None while all is well."""
    task: Task | None = None
    trouble: Trouble | None = None
    guest: Guest | None = None
    seq: int = 0
    """Place in creation order; given by the fleet."""

    @property
    def running(self) -> bool:
        """True in RUNNING only, not on the way there."""
        return self.status.value is Status.RUNNING

    @property
    def hung(self) -> bool:
        """True while nothing inside moves although it is RUNNING."""
        return self.trouble is not None and self.trouble.hung

    @property
    def agent_offline(self) -> bool:
        """True while the agent inside is silent or was never installed."""
        return not self.has_agent or (self.trouble is not None and self.trouble.agent_offline)

    @property
    def agent(self) -> Agent:
        """What the world document says of the agent; whether it answers now is also a matter of the guest."""
        if not self.has_agent:
            return Agent.ABSENT
        return Agent.OFFLINE if self.agent_offline else Agent.ONLINE

    @property
    def serving(self) -> bool:
        """True while a health check would pass: running, not hung, its processes up."""
        return self.running and not self.hung and (self.guest is None or self.guest.serving)

    @property
    def prepaid(self) -> bool:
        """True for a subscription."""
        return self.charge_type == "PREPAID"

    def troubled(self) -> Trouble:
        """Return the instance's trouble record, making one when it has none."""
        if self.trouble is None:
            self.trouble = Trouble()
        return self.trouble
