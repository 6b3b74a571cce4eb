"""The calls about the platform's repair tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.cvm import errors
from cloudheal_sim.tencent.cvm.actions.selection import checked_ids
from cloudheal_sim.tencent.cvm.model.repair import TaskStatus
from cloudheal_sim.tencent.cvm.replies.repair import task_row
from cloudheal_sim.tencent.cvm.requests.repair import DescribeTaskInfo, RepairTaskControl
from cloudheal_sim.tencent.cvm.service import SERVICE
from cloudheal_sim.tencent.paging import page_of
from cloudheal_sim.tencent.times import TIME_FORM, from_local, start_of_day

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.model.repair import RepairTask
    from cloudheal_sim.tencent.cvm.state import Cvm

_PRODUCT = "CVM"
_SOONEST, _LATEST = 5 * 60 * 1000, 48 * 3600 * 1000


@SERVICE.action(DescribeTaskInfo, rate=20)
def describe_task_info(cvm: Cvm, request: DescribeTaskInfo, exchange: Exchange) -> Reply:
    """List repair tasks; without StartDate only those that were made today."""
    now, as_of = cvm.kernel.clock.now(), exchange.as_of
    start = _instant(request.start_date, start_of_day(now))
    end = _instant(request.end_date, now)
    checked_ids(request.instance_ids)
    found = []
    for task in cvm.repairs if request.product in {"", _PRODUCT} else ():
        instance = cvm.fleet.find(task.instance) or cvm.fleet.gone(task.instance)
        status = task.status.at(as_of)
        if instance is None or status is None or not start <= task.created <= end:
            continue
        if _is_asked_for(request, task, status, instance, exchange.entry.region):
            found.append((task, instance))
    found.sort(key=lambda pair: _edge(request, pair[0]), reverse=request.order == 1)
    page = page_of(found, request.offset, request.limit)
    return {"TotalCount": len(found), "RepairTaskInfoSet": [task_row(*pair, as_of) for pair in page]}


@SERVICE.action(RepairTaskControl, rate=20)
def repair_task_control(cvm: Cvm, request: RepairTaskControl, exchange: Exchange) -> Reply:
    """Authorise a waiting task."""
    task = cvm.repairs.find(request.task_id)
    if request.product != _PRODUCT:
        raise invalid("Product")
    if request.operate != "AuthorizeRepair":
        raise invalid("Operate")
    if task is None or request.instance_ids != (task.instance,):
        raise Refused(errors.UNKNOWN_TASK, id=request.task_id[:80])
    if task.status.value is not TaskStatus.AWAITING:
        raise Refused(errors.NOT_AWAITING, id=task.id)
    at = _ordered(cvm, task, request.order_auth_time) if request.order_auth_time else None
    if request.task_sub_method:
        cvm.kernel.journal.change("repair_task.sub_method", task.id, None, request.task_sub_method)
    if not exchange.spoilt(1):
        cvm.repairs.authorise(task, at)
    return {"TaskId": task.id}


def _is_asked_for(
    request: DescribeTaskInfo, task: RepairTask, status: TaskStatus, instance: Instance, region: str
) -> bool:
    """Say whether a task passes every filter that is given."""
    asked: tuple[tuple[object, tuple[object, ...]], ...] = (
        (int(status), request.task_status),
        (task.type, request.task_type_ids),
        (task.id, request.task_ids),
        (task.instance, request.instance_ids),
        (instance.name, request.aliases),
        (instance.region, (region,) if region else ()),
    )
    return all(not wanted or value in wanted for value, wanted in asked)


def _edge(request: DescribeTaskInfo, task: RepairTask) -> int:
    return {"AuthTime": task.planned, "EndTime": task.ended or 0}.get(request.order_field, task.created)


def _instant(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    found = from_local(text)
    if found is None:
        raise Refused(errors.BAD_TIME, value=text[:40], form=TIME_FORM)
    return found


def _ordered(cvm: Cvm, task: RepairTask, text: str) -> int:
    """Return the instant that a task is ordered for. Raises Refused for one outside its window."""
    now, at = cvm.kernel.clock.now(), from_local(text)
    if at is None or not now + _SOONEST <= at <= min(now + _LATEST, task.planned):
        raise Refused(errors.BAD_ORDER_TIME)
    return at
