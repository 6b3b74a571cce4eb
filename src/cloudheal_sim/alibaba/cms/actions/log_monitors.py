"""The calls about log metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.actions.groups import group_of
from cloudheal_sim.alibaba.cms.errors import RESOURCE_NOT_FOUND, TASK_EXISTS
from cloudheal_sim.alibaba.cms.model.log_monitors import Aggregate, Grouping, LogMonitor, ValueFilter
from cloudheal_sim.alibaba.cms.replies import log_monitors as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, page
from cloudheal_sim.alibaba.cms.requests import log_monitors as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import missing

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(wire.PutLogMonitor)
def put_log_monitor(cms: Cms, request: wire.PutLogMonitor, _exchange: Exchange) -> Reply:
    """Create a log metric, or change the one that LogId names; names are their own."""
    monitors = cms.monitoring.log_monitors
    if request.value_filter and request.value_filter_relation is None:
        raise missing("ValueFilterRelation")
    old = None if request.log_id is None else _monitor(cms, request.log_id)
    if any(one.metric == request.metric_name and one != old for one in monitors.store.all()):
        raise Refused(TASK_EXISTS)
    group = None if request.group_id is None else group_of(cms, request.group_id).number
    made = LogMonitor(
        id=request.log_id,
        metric=request.metric_name,
        sls_region=request.sls_region_id,
        sls_project=request.sls_project,
        sls_logstore=request.sls_logstore,
        aggregates=tuple(
            Aggregate(field=one.field_name, function=one.function, alias=one.alias) for one in request.aggregates
        ),
        groupings=tuple(Grouping(field=one.field_name, alias=one.alias or "") for one in request.groupbys),
        filters=tuple(ValueFilter(key=one.key, operator=one.operator, value=one.value) for one in request.value_filter),
        relation=request.value_filter_relation or "and",
        windows=request.tumblingwindows,
        express=request.metric_express or "",
        unit=request.unit or "",
        group=group,
        created=old.created if old else None,
    )
    return done(LogId=str(monitors.put(made).number))


@SERVICE.action(wire.DescribeLogMonitorList)
def describe_log_monitor_list(cms: Cms, request: wire.DescribeLogMonitorList, exchange: Exchange) -> Reply:
    """List log metrics."""
    rows = [
        one
        for one in cms.monitoring.log_monitors.store.all(exchange.as_of)
        if request.group_id in {None, one.group}
        and (
            request.search_value is None
            or request.search_value in f"{one.metric}\n{one.sls_project}\n{one.sls_logstore}"
        )
    ]
    number, size = request.page_number or 1, request.page_size or 10
    return replies.listed(page(rows, number, size), number, size, len(rows))


@SERVICE.action(wire.DescribeLogMonitorAttribute)
def describe_log_monitor_attribute(cms: Cms, request: wire.DescribeLogMonitorAttribute, exchange: Exchange) -> Reply:
    """Show one log metric."""
    named = (one for one in cms.monitoring.log_monitors.store.all(exchange.as_of) if one.metric == request.metric_name)
    found = next(named, None)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return replies.attribute(found)


@SERVICE.action(wire.DeleteLogMonitor)
def delete_log_monitor(cms: Cms, request: wire.DeleteLogMonitor, _exchange: Exchange) -> Reply:
    """Delete a log metric."""
    cms.monitoring.log_monitors.store.remove(_monitor(cms, request.log_id).number)
    return done()


def _monitor(cms: Cms, number: int) -> LogMonitor:
    found = cms.monitoring.log_monitors.store.get(number)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found
