"""Reads messages into events, and says which trouble of its resource an event is about.

The reader of a cloud's messages is handed in; what it cannot read becomes a dead letter with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import ALARM, FAILURE, INTERRUPTION, MAINTENANCE, UNREACHABLE, Trouble
from cloudheal.model.trigger import Trigger
from cloudheal.sense.canary import canary_of

#: Reads one message body into an Event. Raises NotAnEventError.
Reader = Callable[[bytes, datetime, Channel], Event]

#: Nobody but the queue may say that a canary arrived.
_CANARIES_COME_BY = frozenset({Channel.QUEUE, Channel.FUNCTION})
#: Characters of a reason; what is longer quotes the message.
MOST_REASON = 300
#: A failure that was over for so long before we heard of it is history: the server has had other things happen since.
FAILURE_NEWS = timedelta(days=1)
_PLANNED = ("Inquiring", "Scheduled")
_BEFALLEN = ("Executing", "Executed", "Failed")
_MAINTENANCE_TYPES = (
    "Instance:SystemMaintenance.Reboot",
    "Instance:SystemMaintenance.Stop",
    "Instance:SystemMaintenance.Redeploy",
    "Instance:SystemMaintenance.RebootAndIsolateErrorDisk",
    "Instance:SystemMaintenance.RebootAndReInitErrorDisk",
    "Instance:SystemMaintenance.IsolateErrorDisk",
    "Instance:SystemMaintenance.ReInitErrorDisk",
    "Instance:SystemMaintenance.CleanInactiveDisks",
    "Instance:SystemMaintenance.CleanReleasedDisks",
    "Instance:SystemFailure.Redeploy",
)
_FAILURE_TYPES = (
    "Instance:SystemFailure.Reboot",
    "Instance:SystemFailure.Stop",
    "Instance:SystemFailure.Redeploy",
    "Instance:SystemFailure.Delete",
    "Instance:InstanceFailure.Reboot",
)
#: What Tencent Cloud tells of the inside of a server, as EventBridge writes it; `1` begins and `0` ends it, of the
#: others (`-`) no end is told.
_BEGINS = ("1", "-")
_PING_TYPE = "cvm:ErrorEvent:PingUnreachable"
_SITUATION_TYPES = (
    "cvm:ErrorEvent:GuestReboot",
    "cvm:ErrorEvent:GuestOom",
    "cvm:ErrorEvent:GuestCoreError",
    "cvm:ErrorEvent:DiskReadonly",
    "cvm:ErrorEvent:CvmPacketDropedByQosConnectionSession",
    "cvm:ErrorEvent:CvmPacketDropedByQosWanOutBandwidth",
    "cvm:ErrorEvent:NfctTableFull",
    "cvm:ErrorEvent:InstanceRestarted",
)
#: What the clouds' own events open; a type that no trigger names is recorded and starts nothing.
TRIGGERS = (
    Trigger("stopped", "Instance:StateChange", ("Stopped",)),
    Trigger(INTERRUPTION, "Instance:PreemptibleInstanceInterruption", ("delete", "stop")),
    # CloudMonitor's agent inside the server was not heard of any more.
    Trigger(UNREACHABLE, "Agent_Status_Stopped", ("stopped",)),
    Trigger(UNREACHABLE, _PING_TYPE, _BEGINS),
    *(Trigger(ALARM, type_, _BEGINS, "situation") for type_ in _SITUATION_TYPES),
    *(Trigger(MAINTENANCE, type_, _PLANNED, "event_id") for type_ in _MAINTENANCE_TYPES),
    *(Trigger(FAILURE, type_, _BEFALLEN, "event_id", FAILURE_NEWS) for type_ in _FAILURE_TYPES),
)
#: By type, because every event is asked about.
_BY_TYPE: Mapping[str, tuple[Trigger, ...]] = {
    one.type: tuple(other for other in TRIGGERS if other.type == one.type) for one in TRIGGERS
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received; `origin` names the queue, path or file."""

    body: bytes
    origin: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is not an event, and why."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class Canary:
    """A message of our own that came back."""

    id: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a batch of messages held, one item a message, in their order."""

    items: tuple[Event | Unreadable | Canary, ...]

    @property
    def canaries(self) -> tuple[Canary, ...]:
        """The messages of our own among them."""
        return tuple(one for one in self.items if isinstance(one, Canary))

    @property
    def events(self) -> tuple[Event, ...]:
        """The events among them."""
        return tuple(one for one in self.items if isinstance(one, Event))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Those that hold nothing that can be read."""
        return tuple(one for one in self.items if isinstance(one, Unreadable))


def read(messages: Iterable[Message], reader: Reader, received: datetime) -> Read:
    """Read a batch; never raises, whatever the messages hold."""
    items: list[Event | Unreadable | Canary] = []
    for message in messages:
        canary = canary_of(message.body) if message.channel in _CANARIES_COME_BY else None
        if canary is not None:
            items.append(Canary(canary))
            continue
        try:
            items.append(reader(message.body, received, message.channel))
        except NotAnEventError as problem:
            items.append(Unreadable(message, _kept(problem.args[0])))
    return Read(tuple(items))


def _kept(reason: str) -> str:
    """Return a reason as it can be kept and shown: a stranger's words in it may be long, or no text at all."""
    return reason[:MOST_REASON].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def trouble_of(event: Event, more: Sequence[Trigger] = ()) -> Trouble | None:
    """Return the trouble that an event opens, by the built-in triggers and `more`; None when it only informs."""
    found = next((one for one in (*_BY_TYPE.get(event.type, ()), *more) if one.matches(event)), None)
    return None if found is None else found.opened_by(event)
