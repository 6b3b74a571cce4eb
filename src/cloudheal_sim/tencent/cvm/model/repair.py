"""The platform's repair tasks: announced, authorised by a person or by the platform, carried out, ended.

A task waits for authorisation until its planned time, when the platform authorises it itself; a person may let it begin
at once or order a time before that. Tasks that need a shutdown take the instance through REBOOTING when they begin.
Stopping and starting an instance moves it to another host, which avoids what is still waiting (UNVERIFIED);
releasing it cancels that. What is due is data on the task, so that a world put back goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.tencent.cvm.model.instance import Instance, Status

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.model.fleet import Fleet
    from cloudheal_sim.tencent.cvm.model.lifecycle import Lifecycle

#: From the announcement of a task to the time at which the platform begins by itself, in seconds.
PLANNED_AFTER = 48 * 3600.0
#: The oldest tasks are forgotten beyond this many; by feel, far more than any drill makes.
MOST_TASKS = 10_000


class TaskStatus(IntEnum):
    """The values of TaskStatus; DeviceStatus and OperateStatus go with it."""

    AWAITING = 1
    PROCESSING = 2
    ENDED = 3
    SCHEDULED = 4
    CANCELLED = 5
    AVOIDED = 6

    @property
    def is_open(self) -> bool:
        """True while nothing has been done yet."""
        return self in {TaskStatus.AWAITING, TaskStatus.SCHEDULED}


class AuthSource(StrEnum):
    """Who authorised a task."""

    WAITING = "Waiting_auth"
    CUSTOMER = "Customer_auth"
    PLATFORM = "System_mandatory_auth"


#: What is repaired, by TaskTypeId.
TYPE_NAMES = {
    101: "实例运行隐患",
    102: "实例运行异常",
    103: "实例硬盘异常",
    104: "实例网络连接异常",
    105: "实例运行预警",
    106: "实例硬盘预警",
    107: "实例维护升级",
}
#: The values of AuthType that need a shutdown, unless a person chooses otherwise: all but the live ones.
SHUTDOWN_TYPES = frozenset({2, 4, 5, 8})


@dataclass(slots=True, eq=False)
class RepairTask:
    """One task; instants are epoch milliseconds."""

    id: str
    instance: str
    type: int
    auth_type: int
    status: Timeline[TaskStatus]
    created: int
    planned: int
    """AuthTime: when the platform begins by itself, or when it was ordered to."""
    auth_source: AuthSource = AuthSource.WAITING
    ended: int | None = None
    detail: str = ""
    due: int | None = None
    """When the next step of its life comes."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is announced for an instance; `planned` is an instant, None is PLANNED_AFTER from now."""

    type: int = 101
    auth_type: int = 2
    planned: int | None = None
    detail: str = "The host of this instance shows hardware risks."


#: Told of every change of a task; its status before is None when it is new.
TaskMoved: TypeAlias = Callable[[RepairTask, TaskStatus | None], object]


class Repairs:
    """All tasks of one account, oldest first."""

    def __init__(self, kernel: Kernel, fleet: Fleet, lifecycle: Lifecycle) -> None:
        self._kernel = kernel
        self._clock = kernel.clock
        self._fleet = fleet
        self._lifecycle = lifecycle
        self._tasks: dict[str, RepairTask] = {}
        self.moved: list[TaskMoved] = []

    def __iter__(self) -> Iterator[RepairTask]:
        return iter(self._tasks.values())

    def find(self, id_: str) -> RepairTask | None:
        """Return a task by id."""
        return self._tasks.get(id_)

    def put(self, task: RepairTask) -> RepairTask:
        """Take a task in as it is."""
        self._tasks[task.id] = task
        while len(self._tasks) > MOST_TASKS:
            del self._tasks[next(iter(self._tasks))]
        return task

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._tasks.clear()

    def announce(self, instance: Instance, what: Announcement) -> RepairTask:
        """Announce a task for an instance."""
        now = self._clock.now()
        planned = now + round(PLANNED_AFTER * MILLIS_PER_SECOND) if what.planned is None else what.planned
        task = RepairTask(
            id=f"rep-{self._kernel.chance.token(8, 'repairs')}",
            instance=instance.id,
            type=what.type,
            auth_type=what.auth_type,
            status=Timeline(TaskStatus.AWAITING, now),
            created=now,
            planned=planned,
            detail=what.detail,
        )
        self.put(task)
        self._told(task, None)
        self._next(task, planned)
        return task

    def authorise(self, task: RepairTask, at: int | None = None) -> bool:
        """Let a waiting task begin now, or at an instant; False when it waits no longer."""
        if task.status.value is not TaskStatus.AWAITING:
            return False
        task.auth_source = AuthSource.CUSTOMER
        if at is None:
            self._process(task)
        else:
            task.planned = at
            self._enter(task, TaskStatus.SCHEDULED)
            self._next(task, at)
        return True

    def of_instance(self, id_: str) -> list[RepairTask]:
        """Return the tasks of an instance, oldest first."""
        return [task for task in self if task.instance == id_]

    def hear(self, instance: Instance, before: Status | None, after: Status | None) -> None:
        """Hear of an instance's change of state: a start moves it to another host, a release ends its tasks."""
        if after is None:
            self._close(instance.id, TaskStatus.CANCELLED)
        elif (before, after) == (Status.STOPPED, Status.STARTING):
            self._close(instance.id, TaskStatus.AVOIDED)

    def resume(self) -> int:
        """Plan the timers of every task's next step anew; return how many there are."""
        waiting = [task for task in self if task.due is not None]
        for task in waiting:
            self._plan(task)
        return len(waiting)

    def _close(self, instance_id: str, status: TaskStatus) -> None:
        for task in self.of_instance(instance_id):
            if task.status.value.is_open:
                self._finish(task, status)

    def _arrive(self, task: RepairTask) -> None:
        if task.status.value is TaskStatus.PROCESSING:
            self._finish(task, TaskStatus.ENDED)
            return
        if task.status.value is TaskStatus.AWAITING:
            task.auth_source = AuthSource.PLATFORM
        self._process(task)

    def _process(self, task: RepairTask) -> None:
        self._enter(task, TaskStatus.PROCESSING)
        self._next(task, self._clock.now() + round(self._lifecycle.durations.repairing * MILLIS_PER_SECOND))
        instance = self._fleet.find(task.instance)
        if instance is not None and task.auth_type in SHUTDOWN_TYPES:
            self._lifecycle.platform_reboot(instance)

    def _finish(self, task: RepairTask, status: TaskStatus) -> None:
        task.due, task.ended = None, self._clock.now()
        self._enter(task, status)

    def _enter(self, task: RepairTask, status: TaskStatus) -> None:
        before = task.status.value
        task.status.set(status, self._clock.now())
        self._told(task, before)

    def _told(self, task: RepairTask, before: TaskStatus | None) -> None:
        shown = [None if one is None else one.name.lower() for one in (before, task.status.value)]
        self._kernel.journal.change("repair_task.status", task.id, *shown)
        for hear in self.moved:
            hear(task, before)

    def _next(self, task: RepairTask, due: int) -> None:
        task.due = due
        self._plan(task)

    def _plan(self, task: RepairTask) -> None:
        due = task.due
        if due is not None:
            self._clock.call_at(due, lambda: self._arrive(task) if task.due == due else None)
