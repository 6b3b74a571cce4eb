"""Wire out: probe tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done, present
from cloudheal_sim.alibaba.cms.replies.metric_rules import target
from cloudheal_sim.kernel.clock import to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.model.groups import Group
    from cloudheal_sim.alibaba.cms.model.probes import AlertConfig, HostAvailability, Option, SiteMonitor


def host_tasks(rows: Iterable[tuple[HostAvailability, Group | None]], total: int) -> dict[str, object]:
    """Answer DescribeHostAvailabilityList."""
    return done(Total=total, TaskList={"NodeTaskConfig": [_host_task(*row) for row in rows]})


def site_created(task: SiteMonitor) -> dict[str, object]:
    """Answer CreateSiteMonitor; the list and its items have the same name."""
    created = {"CreateResultList": [{"TaskId": task.id, "TaskName": task.name}]}
    attached = [{"RuleId": id_, "Code": "200", "Success": "true"} for id_ in task.alert_ids]
    return done(Success="true", CreateResultList=created, Data={"AttachAlertResult": {"Contact": attached}})


def site_changed(count: int) -> dict[str, object]:
    """Answer the calls that change tasks of that kind; `count` is spelt small."""
    return done(Success="true", Data={"count": count})


def site_tasks(rows: Iterable[SiteMonitor], number: int, size: int, total: int) -> dict[str, object]:
    """Answer DescribeSiteMonitorList."""
    listed = {"SiteMonitor": [_site_task(row) for row in rows]}
    return done(Success="true", PageNumber=number, PageSize=size, TotalCount=total, SiteMonitors=listed)


def _host_task(task: HostAvailability, group: Group | None) -> dict[str, object]:
    return {
        "Id": task.number,
        "TaskName": task.name,
        "TaskType": task.type,
        "TaskScope": task.scope,
        "GroupId": task.group,
        "GroupName": group.name if group else "",
        "Disabled": task.disabled,
        "Instances": {"Instance": list(task.instances)},
        "TaskOption": _option(task.option),
        "AlertConfig": _alert(task.alert),
    }


def _option(option: Option) -> dict[str, object]:
    return present(
        HttpURI=option.http_uri,
        HttpMethod=option.http_method,
        HttpHeader=option.http_header,
        HttpPostContent=option.http_post_content,
        HttpResponseCharset=option.http_response_charset,
        HttpKeyword=option.http_response_match_content,
        HttpNegative=option.http_negative,
        TelnetOrPingHost=option.telnet_or_ping_host,
        Interval=option.interval,
    )


def _alert(alert: AlertConfig) -> dict[str, object]:
    thresholds = [
        {
            "MetricName": one.metric,
            "Aggregate": one.aggregate,
            "Operator": one.operator,
            "Value": one.value,
            **present(Times=None if one.times is None else str(one.times)),
        }
        for one in alert.thresholds
    ]
    return {
        "NotifyType": alert.notify_type,
        "StartTime": alert.start_hour,
        "EndTime": alert.end_hour,
        "SilenceTime": alert.silence_time,
        "WebHook": alert.webhook,
        "EscalationList": {"escalationList": thresholds},
        "TargetList": {"Target": [target(one) for one in alert.targets]},
    }


def _site_task(task: SiteMonitor) -> dict[str, object]:
    options = json.loads(task.options) if task.options else {}
    return {
        "TaskId": task.id,
        "TaskName": task.name,
        "TaskType": task.type,
        "TaskState": "1" if task.enabled else "2",
        "Address": task.address,
        "Interval": task.interval,
        "AgentGroup": task.agent_group,
        "OptionsJson": options,
        "CreateTime": _local(task.created),
        "UpdateTime": _local(task.updated),
    }


def _local(instant: int | None) -> str:
    return "" if instant is None else to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S")
