"""The calls that list agents, commands, invocations and tasks; the latest come first (UNVERIFIED)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.tat import errors
from cloudheal_sim.tencent.tat.replies import agent_row, command_row, invocation_row, task_row
from cloudheal_sim.tencent.tat.requests import (
    DescribeAutomationAgentStatus,
    DescribeCommands,
    DescribeInvocations,
    DescribeInvocationTasks,
)
from cloudheal_sim.tencent.tat.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from cloudheal_sim.guest.run import Run
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.tat.model import Command, Invocation
    from cloudheal_sim.tencent.tat.requests import Filter
    from cloudheal_sim.tencent.tat.state import Tat

T = TypeVar("T")
MOST_IDS = MOST_ON_PAGE = 100
MOST_FILTERS, MOST_VALUES = 10, 5

_COMMAND_FILTERS: Mapping[str, Callable[[Command], Collection[str]]] = {
    "command-id": lambda one: (one.id,),
    "command-name": lambda one: (one.name,),
    "command-type": lambda one: (one.type,),
    "created-by": lambda _one: ("USER",),
}
_INVOCATION_FILTERS: Mapping[str, Callable[[Invocation], Collection[str]]] = {
    "invocation-id": lambda one: (one.id,),
    "command-id": lambda one: (one.command.id,),
    "command-created-by": lambda _one: ("USER",),
    "instance-kind": lambda one: (one.kind,),
}
_TASK_FILTERS: Mapping[str, Callable[[tuple[Invocation, Run]], Collection[str]]] = {
    "invocation-task-id": lambda one: (one[1].id,),
    "invocation-id": lambda one: (one[0].id,),
    "instance-id": lambda one: (one[1].instance,),
    "command-id": lambda one: (one[0].command.id,),
}


@SERVICE.action(DescribeAutomationAgentStatus, rate=60)
def describe_automation_agent_status(tat: Tat, request: DescribeAutomationAgentStatus, exchange: Exchange) -> Reply:
    """List agents; whether one answers follows its instance's power, what hangs, and chaos."""
    filters: Mapping[str, Callable[[Instance], Collection[str]]] = {
        "agent-status": lambda one: ("Online" if tat.agent_online(one) else "Offline",),
        "environment": lambda _one: ("Linux",),
        "instance-id": lambda one: (one.id,),
    }
    _one_of(request.instance_ids, request.filters, "InstanceIds")
    here = tat.cvm.fleet.in_region(exchange.entry.region)
    if request.instance_ids:
        wanted = [tat.cvm.fleet.find(id_, exchange.entry.region) for id_ in dict.fromkeys(request.instance_ids)]
        here = [one for one in wanted if one is not None]
    found = _kept((one for one in here if one.has_agent), request.filters, filters)
    page = _page(found, request.offset, request.limit)
    return {"TotalCount": len(found), "AutomationAgentSet": [agent_row(tat, one) for one in page]}


@SERVICE.action(DescribeCommands, rate=20)
def describe_commands(tat: Tat, request: DescribeCommands, exchange: Exchange) -> Reply:
    """List the commands that were kept."""
    _one_of(request.command_ids, request.filters, "CommandIds")
    kept = reversed(tat.automation.kept(exchange.entry.region))
    found = _kept(_with_ids(kept, request.command_ids, lambda one: one.id), request.filters, _COMMAND_FILTERS)
    page = _page(found, request.offset, request.limit)
    return {"TotalCount": len(found), "CommandSet": [command_row(one) for one in page]}


@SERVICE.action(DescribeInvocations, rate=20)
def describe_invocations(tat: Tat, request: DescribeInvocations, exchange: Exchange) -> Reply:
    """List orders with the states of their tasks."""
    _one_of(request.invocation_ids, request.filters, "InvocationIds")
    for id_ in request.invocation_ids:
        if not id_.startswith("inv-"):
            raise Refused(errors.BAD_INVOCATION_ID, id=id_[:40])
    orders = _seen(tat, exchange)
    found = _kept(_with_ids(orders, request.invocation_ids, lambda one: one.id), request.filters, _INVOCATION_FILTERS)
    page, now = _page(found, request.offset, request.limit), tat.kernel.clock.now()
    return {"TotalCount": len(found), "InvocationSet": [invocation_row(one, exchange.as_of, now) for one in page]}


@SERVICE.action(DescribeInvocationTasks, rate=20)
def describe_invocation_tasks(tat: Tat, request: DescribeInvocationTasks, exchange: Exchange) -> Reply:
    """List tasks with their results; without their output unless it is asked for."""
    _one_of(request.invocation_task_ids, request.filters, "InvocationTaskIds")
    orders = _narrowed(_seen(tat, exchange), request.filters)
    tasks = ((order, task) for order in orders for task in order.runs.values())
    found = _kept(_with_ids(tasks, request.invocation_task_ids, lambda one: one[1].id), request.filters, _TASK_FILTERS)
    page, now = _page(found, request.offset, request.limit), tat.kernel.clock.now()
    rows = [task_row(order, task, exchange.as_of, now, hide=request.hide_output) for order, task in page]
    return {"TotalCount": len(found), "InvocationTaskSet": rows}


def _seen(tat: Tat, exchange: Exchange) -> Iterable[Invocation]:
    """Return the orders of the region that a read shows, the latest first."""
    as_of = exchange.as_of
    orders = reversed(tat.automation.in_region(exchange.entry.region))
    return (one for one in orders if as_of is None or one.created <= as_of)


def _narrowed(orders: Iterable[Invocation], filters: Sequence[Filter]) -> Iterable[Invocation]:
    """Leave out orders that a filter rules out, before their tasks are looked at."""
    wanted = [frozenset(one.values) for one in filters if one.name == "invocation-id"]
    return (one for one in orders if all(one.id in ids for ids in wanted))


def _one_of(ids: Sequence[str], filters: Sequence[Filter], name: str) -> None:
    """Refuse ids together with filters, and too many of either."""
    if ids and filters:
        raise Refused(errors.CONFLICT, one=name, other="Filters")
    if len(ids) > MOST_IDS:
        raise Refused(errors.TOO_MANY, name=name, limit=MOST_IDS)
    if len(filters) > MOST_FILTERS:
        raise Refused(errors.TOO_MANY, name="Filters", limit=MOST_FILTERS)
    if any(len(one.values) > MOST_VALUES for one in filters):
        raise Refused(errors.FILTER_EXCEEDED, limit=MOST_VALUES)


def _with_ids(items: Iterable[T], ids: Sequence[str], id_of: Callable[[T], str]) -> Iterable[T]:
    wanted = frozenset(ids)
    return (one for one in items if not wanted or id_of(one) in wanted)


def _kept(
    items: Iterable[T], filters: Sequence[Filter], known: Mapping[str, Callable[[T], Collection[str]]]
) -> list[T]:
    """Return the items that all filters let through. Raises Refused for an unknown filter."""
    for one in filters:
        if one.name not in known:
            raise Refused(errors.BAD_FILTER, name=one.name[:40])
    wanted = [(known[one.name], frozenset(one.values)) for one in filters]
    return [item for item in items if all(not values.isdisjoint(shows(item)) for shows, values in wanted)]


def _page(items: Sequence[T], offset: int, limit: int) -> Sequence[T]:
    if offset < 0:
        raise invalid("Offset")
    if not 1 <= limit <= MOST_ON_PAGE:
        raise Refused(errors.OUT_OF_RANGE, name="Limit", least=1, most=MOST_ON_PAGE)
    return items[offset : offset + limit]
