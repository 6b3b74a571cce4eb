"""Wire out: log metrics. Their lists are plain arrays, unlike the other lists of this service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done, present

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.model.log_monitors import LogMonitor


def listed(rows: Iterable[LogMonitor], number: int, size: int, total: int) -> dict[str, object]:
    """Answer DescribeLogMonitorList."""
    return done(PageNumber=number, PageSize=size, Total=total, LogMonitorList=[_head(row) for row in rows])


def attribute(monitor: LogMonitor) -> dict[str, object]:
    """Answer DescribeLogMonitorAttribute."""
    more = {
        "Aggregates": [
            {"FieldName": one.field, "Function": one.function, "Alias": one.alias} for one in monitor.aggregates
        ],
        "Groupbys": [one.field for one in monitor.groupings],
        "Tumblingwindows": [str(one) for one in monitor.windows],
        "MetricExpress": monitor.express,
    }
    return done(LogMonitor={**_head(monitor), **more})


def _head(monitor: LogMonitor) -> dict[str, object]:
    filters = [{"Key": one.key, "Operator": one.operator, "Value": one.value} for one in monitor.filters]
    return {
        "LogId": monitor.number,
        "MetricName": monitor.metric,
        "SlsRegionId": monitor.sls_region,
        "SlsProject": monitor.sls_project,
        "SlsLogstore": monitor.sls_logstore,
        "ValueFilter": filters,
        "ValueFilterRelation": monitor.relation,
        "GmtCreate": monitor.created,
        **present(GroupId=monitor.group, Unit=monitor.unit),
    }
