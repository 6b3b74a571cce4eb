"""What playbooks may ask of a cloud, whichever it is. Adapters stand in `clouds/`, one folder each.

Every method raises CloudTransientError or CloudPermanentError with the vendor's code and request id, and nothing else.
Mutating methods send at most one request, within `seconds`, and never retry by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import SystemEvent


@dataclass(frozen=True, slots=True)
class Server:
    """One server as its cloud shows it now; `locks` are the vendor's words, `started` its last start.

    `state` is a word of `model.inventory` (Running, Stopped, Starting, Stopping) where one fits, a server that restarts
    being Starting, and else the vendor's own. `address` is its private one.
    """

    id: ResourceId
    state: str
    name: str
    zone: str
    locks: tuple[str, ...] = ()
    expires: datetime | None = None
    started: str = ""
    spot: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


class Compute(Protocol):
    """The servers of one account."""

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers afresh, by the hundred; one that does not exist is absent."""

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Ask for a stopped server to be started; returns the vendor's request id."""

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Ask for a running server to be restarted; by force it loses what it had not written. Returns the request id.

        The cloud answers an announced reboot with this call only, never with a restart from inside the server.
        """


#: Entries in one changing call of a balancer.
MOST_MEMBERS = 20


class Health(StrEnum):
    """What a balancer's own checks say of a member; `UNCHECKED` where nothing checks it."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNAVAILABLE = "unavailable"
    UNCHECKED = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A server on one port of a group; `port` is 0 where the listener says which one is meant, weight 0 drains."""

    server: str
    port: int
    weight: int
    type: str = "ecs"
    address: str = ""
    description: str = ""
    health: Health = Health.UNCHECKED


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where members are: a group of a balancer; an empty group is the balancer's own default one."""

    balancer: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.balancer}/{self.group or 'default'}"


@dataclass(frozen=True, slots=True)
class Group:
    """One group with everything that is in it."""

    place: Place
    members: tuple[Member, ...]

    def of(self, server: str) -> tuple[Member, ...]:
        """Return the members that are this server, on whatever port."""
        return tuple(one for one in self.members if one.server == server)


class Balancers(Protocol):
    """The load balancers of one account. Replies of changing calls are not to be believed: read the group back.

    Changing calls take at most MOST_MEMBERS members, all of one group. Members that are not there are passed over by
    the cloud in silence.
    """

    def memberships(self, region: str, server: str, *, thorough: bool) -> tuple[Group, ...]:
        """Read every group that a server is in, with health; not thorough: among the balancers the cloud names."""

    def named(self, region: str, server: str, places: Sequence[Place]) -> tuple[Group, ...]:
        """Read these groups, with health, as far as they exist and the server is in them."""

    def members(self, region: str, place: Place) -> tuple[Member, ...]:
        """Read one group afresh, without health."""

    def set_weights(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Give members the weights they carry; returns the vendor's request id."""

    def remove(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Take members out of a group; returns the vendor's request id."""

    def add(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Put members into a group with the weights they carry; returns the vendor's request id."""


class Reclaim(StrEnum):
    """What the cloud does with a spot server that it takes back."""

    DELETE = "delete"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """What a server is ordered with; `price_limit` (an hour) 0 takes the market's price, `switch` is its subnet."""

    type: str
    zone: str
    image: str
    switch: str
    security_groups: tuple[str, ...]
    name: str
    spot: bool
    price_limit: float = 0.0
    reclaim: Reclaim = Reclaim.DELETE
    key_pair: str = ""
    resource_group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ordered:
    """The server that an order brought, and the vendor's request id."""

    server: str
    request_id: str


class Orders(Protocol):
    """Ordering servers in one account."""

    def like(self, region: str, server: str) -> Order | None:
        """Return the order that would bring a server like this one; None when it does not exist."""

    def order(self, region: str, order: Order, token: str, seconds: float) -> Ordered:
        """Order one server. The same order with the same token brings the same server, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a call brought: the id of the new thing, and the vendor's request id."""

    id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a disk. One that is neither done nor failed is being made."""

    id: str
    disk: str
    created: datetime
    is_done: bool = False
    has_failed: bool = False


class Backups(Protocol):
    """The disks of one account's servers, and copies of them."""

    def disks(self, region: str, server: str) -> tuple[str, ...]:
        """Return the ids of the disks that are attached to a server."""

    def snapshots(self, region: str, server: str) -> tuple[Snapshot, ...]:
        """Return the copies that there are of a server's disks, the newest first."""

    def snapshot(self, region: str, disk: str, name: str, token: str, seconds: float) -> Made:
        """Begin to copy a disk, one copy at a time. The same token brings the same copy, however often it is sent."""


class Shell(StrEnum):
    """What a command is written for."""

    SH = "sh"
    POWERSHELL = "powershell"


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be run inside a server, byte for byte, and how long it may take, in seconds.

    Without a `user` the agent's own runs it (root, System), without a `directory` where the agent starts commands.
    """

    text: str
    shell: Shell = Shell.SH
    timeout: int = 60
    user: str = ""
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """What runs commands inside a server; `seen` is the vendor's time of its last sign of life."""

    is_online: bool
    version: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a command; `status` is the vendor's word. It went well when it is over with exit code 0."""

    status: str
    is_over: bool
    exit_code: int | None = None
    output: str = ""

    @property
    def went_well(self) -> bool:
        """True when it ended by itself and without an error."""
        return self.is_over and self.exit_code == 0


class Guests(Protocol):
    """The systems inside one account's servers."""

    def console(self, region: str, server: str) -> str:
        """Return what the system printed last on its console; empty where nothing is known of it."""

    def agents(self, region: str, ids: Sequence[str]) -> Mapping[str, Agent]:
        """Read whether commands can be run, by server; one of whose agent the cloud knows nothing is absent."""

    def run_command(self, region: str, server: str, command: Command, token: str, seconds: float) -> Made:
        """Begin to run a command. The same token is the same run, however often it is sent."""

    def command_result(self, region: str, server: str, run: str) -> Result | None:
        """Return what came of a run so far; None when the cloud does not know it (yet)."""


class SystemEvents(Protocol):
    """What the cloud plans for the servers of one account, or did to them."""

    def system_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read system events afresh, by id; one that the cloud does not show is absent."""

    def disk_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read what befalls disks afresh, by the event's id; what is over, or not listed yet, is absent."""

    def health(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the health of servers in the vendor's words; one that does not exist is absent."""

    def authorise(self, region: str, server: str, id_: str, seconds: float) -> str:
        """Let what is planned for a server and waits for its owner begin now; returns the vendor's request id.

        Refused for what does not wait any more, so that nothing begins twice.
        """


#: Verbs that change nothing.
LOOKS = frozenset(
    {
        *("servers", "memberships", "named", "members", "like", "system_events", "health"),
        *("disks", "disk_events", "snapshots", "console", "agents", "command_result"),
    }
)


@dataclass(frozen=True, slots=True)
class Verbs:
    """Everything that playbooks may ask of one account."""

    compute: Compute
    balancers: Balancers
    orders: Orders
    backups: Backups
    guests: Guests
    system_events: SystemEvents
