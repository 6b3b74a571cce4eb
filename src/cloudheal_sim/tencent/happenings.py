"""What happens to instances of CVM, as the services of this cloud tell each other.

EventBridge and Cloud Monitor hear it. CVM and its guests do not know who listens; `Reporter` joins their hooks and
gives every happening its name. The names are those of the vendor's lists, misspellings included (`Droped`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from cloudheal_sim.guest.guest import Situation
from cloudheal_sim.tencent.cvm.model.instance import Instance, Status
from cloudheal_sim.tencent.cvm.model.repair import TaskStatus

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.repair import RepairTask
    from cloudheal_sim.tencent.cvm.state import Cvm

BEGUN: Final = "1"
ENDED: Final = "0"
STATELESS: Final = "-"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of happening: its name in event types, whether it ends, and its title in alarms."""

    name: str
    title: str
    recovers: bool = False
    alarms: bool = True
    """True when an alarm policy can watch it."""
    group: str = "ErrorEvent"

    @property
    def alarm(self) -> str:
        """The name that alarm policies use: `ping_unreachable`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()

    @property
    def type(self) -> str:
        """The type of its event on the bus."""
        return f"cvm:{self.group}:{self.name}"


PING = Kind("PingUnreachable", "ping不可达", recovers=True)
POWER_OFF = Kind("InstancePowerOff", "实例关机", alarms=False, group="OperationEvent")
POWER_ON = Kind("InstancePowerOn", "实例开机", alarms=False, group="OperationEvent")
SITUATIONS = {
    Situation.REBOOT: Kind("GuestReboot", "机器重启"),
    Situation.OOM: Kind("GuestOom", "内存oom"),
    Situation.KERNEL_FAULT: Kind("GuestCoreError", "内核故障"),
    Situation.DISK_READ_ONLY: Kind("DiskReadonly", "磁盘只读", recovers=True),
    Situation.CONNTRACK_FULL: Kind("NfctTableFull", "conntrack表满", recovers=True),
    Situation.CONNECTION_LIMIT: Kind("CvmPacketDropedByQosConnectionSession", "连接数超限导致丢包", recovers=True),
    Situation.BANDWIDTH_CAP: Kind("CvmPacketDropedByQosWanOutBandwidth", "外网出带宽超限导致丢包", recovers=True),
}
#: Further kinds that nothing here makes happen by itself; the control API can publish them.
OTHERS = (
    Kind("NvmeError", "NVMe设备错误"),
    Kind("InstanceRestarted", "实例重启"),
    Kind("InstanceRestarting", "实例计划重启"),
)
_TASKS = {101: "InstanceRunningRisks", 102: "InstanceRunningAbnormally", 103: "InstanceDiskError"}
_TASKS |= {104: "InstanceNetworkError"}
_TASK_STATES = {
    TaskStatus.AWAITING: "Inquiring",
    TaskStatus.PROCESSING: "Executing",
    TaskStatus.ENDED: "Executed",
    TaskStatus.CANCELLED: "Canceled",
    TaskStatus.AVOIDED: "Avoided",
}
TASK_KINDS = {
    (type_, status): Kind(f"{stem}{state}", f"维修任务 {stem}", alarms=False)
    for type_, stem in _TASKS.items()
    for status, state in _TASK_STATES.items()
}
KINDS = (PING, *SITUATIONS.values(), *OTHERS, *TASK_KINDS.values(), POWER_OFF, POWER_ON)


def spelt(text: str) -> str:
    """Return the last part of a type or alarm name so that all its spellings meet."""
    last = text.rpartition(":")[2].replace("_", "").lower()
    return last.replace("droped", "dropped").removeprefix("cvm" if "packetdro" in last else "")


BY_SPELLING = {spelt(one.name): one for one in KINDS}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to one instance; `status` is BEGUN, ENDED or STATELESS."""

    kind: Kind
    instance: Instance
    status: str
    detail: str = ""


#: Hears of a happening.
Hear: TypeAlias = Callable[[Happening], object]


class Reporter:
    """Gives what happens to instances its name, and tells who listens."""

    def __init__(self, cvm: Cvm) -> None:
        self._cvm = cvm
        self.hearers: list[Hear] = []
        cvm.reachability.lost.append(lambda instance: self._tell(PING, instance, BEGUN))
        cvm.reachability.regained.append(lambda instance: self._tell(PING, instance, ENDED))
        cvm.guests.situations.append(self._inside)
        cvm.repairs.moved.append(self._repair)
        cvm.lifecycle.moved.append(self._power)

    def _inside(self, instance: Instance, situation: Situation, begun: bool) -> None:  # noqa: FBT001 - a hook
        kind = SITUATIONS[situation]
        status = (BEGUN if begun else ENDED) if kind.recovers else STATELESS
        self._tell(kind, instance, status)

    def _repair(self, task: RepairTask, _before: TaskStatus | None) -> None:
        instance, kind = self._cvm.fleet.find(task.instance), TASK_KINDS.get((task.type, task.status.value))
        if instance is not None and kind is not None:
            self._tell(kind, instance, STATELESS, task.id)

    def _power(self, instance: Instance, before: Status | None, after: Status | None) -> None:
        if after is Status.STOPPED:
            self._tell(POWER_OFF, instance, STATELESS)
        elif (before, after) == (Status.STARTING, Status.RUNNING):
            self._tell(POWER_ON, instance, STATELESS)

    def _tell(self, kind: Kind, instance: Instance, status: str, detail: str = "") -> None:
        for hear in self.hearers:
            hear(Happening(kind, instance, status, detail))
