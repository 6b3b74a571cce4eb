"""Names of events and regions in the one spelling that rules use, whichever of them the vendor wrote.

EventBridge writes `cvm:ErrorEvent:PingUnreachable`, its samples `ping_unreachable`, alarm policies the same without a
prefix, and older pages a third way. All of them meet in EventBridge's. A name that is not known stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloudheal.model.system_event import Cycle

PRODUCT, ALARM = "cvm", "ErrorEvent"
PING = "PingUnreachable"
#: What befalls the system in a server or its connection, as EventBridge writes it.
SITUATIONS = (
    PING,
    "GuestReboot",
    "GuestOom",
    "GuestCoreError",
    "DiskReadonly",
    "CvmPacketDropedByQosConnectionSession",
    "CvmPacketDropedByQosWanOutBandwidth",
    "NfctTableFull",
    "NvmeError",
    "InstanceRestarted",
    "InstanceRestarting",
    "ErrorCfgFstab",
    "ErrorCfgDNS",
    "RDMASwitchAbnormal",
)
#: Repair tasks by their numbers; the last three have no event of their own in the documentation (UNVERIFIED).
TASKS: Mapping[int, str] = {
    101: "InstanceRunningRisks",
    102: "InstanceRunningAbnormally",
    103: "InstanceDiskError",
    104: "InstanceNetworkError",
    105: "InstanceRunningWarning",
    106: "InstanceDiskWarning",
    107: "InstanceMaintenance",
}
#: Where a repair task is in its life, by the end of an event's name. One that waits to be authorised begins by itself
#: when its time has come, so it is a scheduled one.
PHASES: Mapping[str, Cycle] = {
    "Inquiring": Cycle.SCHEDULED,
    "Executing": Cycle.EXECUTING,
    "Executed": Cycle.EXECUTED,
    "Avoided": Cycle.AVOIDED,
    "Canceled": Cycle.CANCELED,
}
_OTHERS = (
    *(f"{task}{phase}" for task in TASKS.values() for phase in PHASES),
    *(f"InstanceNetworkJitter{phase}" for phase in ("Executing", "Executed")),
    *("ExecStart", "ExecEnd", "RollbackStart", "RollbackEnd", "ReleaseSuccess"),
    *("ApiCall", "ConsoleCall", "MiniProgramCall", "InstancePowerOff", "InstancePowerOn"),
)
#: Regions as alarm callbacks name them. Beyond the first three UNVERIFIED; any other is left as it is.
_REGIONS: Mapping[str, str] = {
    "gz": "ap-guangzhou",
    "sh": "ap-shanghai",
    "hk": "ap-hongkong",
    "bj": "ap-beijing",
    "cd": "ap-chengdu",
    "cq": "ap-chongqing",
    "nj": "ap-nanjing",
    "sg": "ap-singapore",
}


def _plain(name: str) -> str:
    """Return a name without what spellings differ in."""
    bare = name.replace("_", "").lower().replace("dropped", "droped")
    return bare.removeprefix("cvm") if "packetdroped" in bare else bare


_KNOWN: Mapping[str, str] = {
    **{_plain(one): one for one in (*SITUATIONS, *_OTHERS)},
    "guestrestartedhostfailure": "InstanceRestarted",
}
#: The documentation shows only the beginning of this one.
_CUT_SHORT = ("guestscheduledtores", "InstanceRestarting")
#: What older pages write in place of EventBridge's names and of those of alarm policies.
_OLDER: Mapping[str, str] = {
    "CvmPacketDropedByQosConnectionSession": "PacketDroppedByQosConnectionSession",
    "CvmPacketDropedByQosWanOutBandwidth": "PacketDroppedByQosWanOutBandwidth",
    "InstanceRestarted": "GuestRestarted_HostFailure",
}
#: How names begin of which only that is known, by situation.
BEGINNINGS: Mapping[str, str] = {"InstanceRestarting": "GuestScheduledToRes"}
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def situation_of(name: str) -> str:
    """Return the last part of a type in EventBridge's spelling."""
    plain = _plain(name)
    return _CUT_SHORT[1] if plain.startswith(_CUT_SHORT[0]) else _KNOWN.get(plain, name)


def normal_type(type_: str) -> str:
    """Return a whole type in EventBridge's spelling: `cvm:ErrorEvent:PingUnreachable`."""
    head, _, last = type_.rpartition(":")
    return f"{head}:{situation_of(last)}" if head else situation_of(last)


def spellings_of(name: str) -> tuple[str, ...]:
    """Return every whole spelling of a situation's or a task's name that is documented, EventBridge's first."""
    return (name, _WORDS.sub("_", name).lower(), *(one for one in [_OLDER.get(name)] if one))


def region_of(name: str) -> str:
    """Return a region's full name."""
    return _REGIONS.get(name, name)


def task_of(situation: str) -> tuple[str, Cycle] | None:
    """Take the name of a repair task's event apart: which kind of task, and where it is in its life."""
    for task in TASKS.values():
        phase = PHASES.get(situation.removeprefix(task)) if situation.startswith(task) else None
        if phase is not None:
            return task, phase
    return None
