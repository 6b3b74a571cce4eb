"""What the clouds' own events open; a type that no trigger names is recorded and starts nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from cloudheal.model.alarm import FIRING, TYPE
from cloudheal.model.alarm import RECOVERED as CEASED
from cloudheal.model.event import Event
from cloudheal.model.incident import ALARM, DISK, FAILURE, INTERRUPTION, MAINTENANCE, UNREACHABLE, Trouble
from cloudheal.model.trigger import FAULT, RECOVERED, Trigger

#: A failure that was over for so long before we heard of it is history: the server has had other things happen since.
FAILURE_NEWS = timedelta(days=1)
#: An alarm on a log that was over before anybody looked is history; one that still fires is raised when it is seen.
ALARM_NEWS = timedelta(minutes=10)
#: What may be the id of a server; a message may hold any text.
_ID = re.compile(r"[A-Za-z][\w.-]{1,127}", re.ASCII)
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
_DISK_TYPES = frozenset({"Disk:Stalled", "Disk:SeverelyDegraded", "Disk:ErrorDetected"})
#: Tencent Cloud tells a fault as `1`, or `-` where it tells no recovery, and the recovery as `0`.
_FAULT, _RECOVERY = (FAULT, "-"), (RECOVERED,)
#: Where events come from whose instances are servers.
SERVERS = ("alibaba.ecs", "tencent.cvm")
PING_UNREACHABLE = "cvm:ErrorEvent:PingUnreachable"
_GUEST_TYPES = (
    "cvm:ErrorEvent:GuestReboot",
    "cvm:ErrorEvent:GuestOom",
    "cvm:ErrorEvent:GuestCoreError",
    "cvm:ErrorEvent:DiskReadonly",
    "cvm:ErrorEvent:CvmPacketDropedByQosConnectionSession",
    "cvm:ErrorEvent:CvmPacketDropedByQosWanOutBandwidth",
    "cvm:ErrorEvent:NfctTableFull",
    "cvm:ErrorEvent:NvmeError",
    "cvm:ErrorEvent:InstanceRestarted",
    "cvm:ErrorEvent:InstanceRestarting",
)
_TASK_TYPES = (
    "cvm:ErrorEvent:InstanceRunningRisks",
    "cvm:ErrorEvent:InstanceRunningAbnormally",
    "cvm:ErrorEvent:InstanceDiskError",
    "cvm:ErrorEvent:InstanceNetworkError",
    "cvm:ErrorEvent:InstanceRunningWarning",
    "cvm:ErrorEvent:InstanceDiskWarning",
    "cvm:ErrorEvent:InstanceMaintenance",
)
TRIGGERS = (
    Trigger("stopped", "Instance:StateChange", ("Stopped",)),
    Trigger(INTERRUPTION, "Instance:PreemptibleInstanceInterruption", ("delete", "stop")),
    *(Trigger(MAINTENANCE, type_, _PLANNED, "event_id") for type_ in _MAINTENANCE_TYPES),
    *(Trigger(FAILURE, type_, _BEFALLEN, "event_id", FAILURE_NEWS) for type_ in _FAILURE_TYPES),
    # What is over needs nobody: a disk is not looked after once it works again. What goes on does, since whenever.
    *(Trigger(DISK, type_, ("Executing",), "event_id") for type_ in sorted(_DISK_TYPES)),
    # CloudMonitor's agent inside the server was not heard of any more.
    Trigger(UNREACHABLE, "Agent_Status_Stopped", ("stopped",)),
    Trigger(UNREACHABLE, PING_UNREACHABLE, _FAULT, recoveries=_RECOVERY),
    *(Trigger(ALARM, type_, _FAULT, "situation", recoveries=_RECOVERY) for type_ in _GUEST_TYPES),
    *(Trigger(MAINTENANCE, type_, _PLANNED, "event_id") for type_ in _TASK_TYPES),
    # Our own, on the metrics of logs.
    Trigger(ALARM, TYPE, (FIRING,), "alarm", ALARM_NEWS, (CEASED,), measured=True),
)
#: Recoveries that are told as another type than the fault; they open nothing.
_ENDINGS = (Trigger(UNREACHABLE, "Agent_Status_Running", recoveries=("running",)),)
#: By type and status, because every event is asked about; each of them names its statuses.
_BY_STATUS: Mapping[tuple[str, str], tuple[Trigger, ...]] = {
    (one.type, status): tuple(other for other in TRIGGERS if other.type == one.type and status in other.statuses)
    for one in TRIGGERS
    for status in one.statuses
}
_RECOVERIES: Mapping[tuple[str, str], Trigger] = {
    (one.type, status): one for one in reversed((*TRIGGERS, *_ENDINGS)) for status in one.recoveries
}
#: Troubles that a recovery can belong to.
RECOVERABLE = frozenset(one.trouble for one in (*TRIGGERS, *_ENDINGS) if one.recoveries)
_OF_BOTH = frozenset(one.type for one in TRIGGERS if one.recoveries)
_MEASURED = frozenset(one.type for one in TRIGGERS if one.measured)


def trouble_of(event: Event, more: Sequence[Trigger] = ()) -> Trouble | None:
    """Return the trouble that an event opens, by the built-in triggers and `more`; None when it only informs."""
    known = _BY_STATUS.get((event.type, event.status), ())
    if known and event.type.startswith("Instance:") and event.source not in SERVERS:
        known = ()  # other products of a cloud have instances, too; theirs are not servers
    for one in (*known, *more) if more else known:
        if one.matches(event):
            return one.opened_by(event)
    return None


def examples(troubles: Collection[str], more: Sequence[Trigger] = ()) -> Iterator[Mapping[str, Any]]:
    """Yield what is known beforehand of the events that open some troubles: type, status, source, a server's state."""
    for one in (*TRIGGERS, *more):
        sources = SERVERS if one.type.startswith("Instance:") else (None,)
        for status, source in product(one.statuses or (None,), sources) if one.trouble in troubles else ():
            told = {"type": one.type, "status": status, "source": source}
            state = {"data": {"state": status}} if one.type == "Instance:StateChange" else {}
            yield {name: value for name, value in told.items() if value is not None} | state


def of_server(event: Event) -> Event:
    """Return an event as one about a server: what befalls a disk is the trouble of the server that it is attached to.

    Selection, limits and holds are of servers. An event that names no server, or is about none, is returned as it is.
    """
    server = event.data.get("instance_id") if event.type in _DISK_TYPES else ""
    if not isinstance(server, str) or not _ID.fullmatch(server):
        return event
    return event._replace(subject=replace(event.subject, kind="instance", id=server))


def recovery_of(event: Event) -> Trouble | None:
    """Return the trouble that an event tells the recovery from; None when it tells of none.

    It opens nothing and proves nothing: that a server answers again does not mean that what ran on it runs again.
    """
    found = _RECOVERIES.get((event.type, event.status))
    return None if found is None else found.opened_by(event)


def tells_recovery(type_: str) -> bool:
    """Say whether events of a type tell both of a fault and of the recovery from it."""
    return type_ in _OF_BOTH


def is_measured(type_: str) -> bool:
    """Say whether the recovery from a fault of this type is measured, and not only a hint."""
    return type_ in _MEASURED
