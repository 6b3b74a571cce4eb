"""The calls about probe tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.actions.groups import group_of
from cloudheal_sim.alibaba.cms.errors import RESOURCE_NOT_FOUND, TASK_EXISTS
from cloudheal_sim.alibaba.cms.model import probes as model
from cloudheal_sim.alibaba.cms.model.metric_rules import Target
from cloudheal_sim.alibaba.cms.replies import probes as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, page
from cloudheal_sim.alibaba.cms.requests import probes as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid, missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.model.probes import HostAvailability, SiteMonitor
    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

_USUAL_INTERVAL = 60
_USUAL_SILENCE = 86_400
_LAST_HOUR = 23


@SERVICE.action(wire.CreateHostAvailability)
def create_host_availability(cms: Cms, request: wire.CreateHostAvailability, _exchange: Exchange) -> Reply:
    """Create a task of a group."""
    made = _task(cms, request, request.task_type)
    if any(one.name == made.name and one.group == made.group for one in cms.monitoring.probes.hosts.all()):
        raise Refused(TASK_EXISTS)
    return done(TaskId=cms.monitoring.probes.put_host(made).number)


@SERVICE.action(wire.ModifyHostAvailability)
def modify_host_availability(cms: Cms, request: wire.ModifyHostAvailability, _exchange: Exchange) -> Reply:
    """Change a task as a whole."""
    old = _host(cms, request.id)
    if old.group != request.group_id:
        raise Refused(RESOURCE_NOT_FOUND)
    made = _task(cms, request, old.type)
    cms.monitoring.probes.put_host(made.model_copy(update={"id": old.id, "disabled": old.disabled}))
    return done()


@SERVICE.action(wire.DeleteHostAvailability)
def delete_host_availability(cms: Cms, request: wire.DeleteHostAvailability, _exchange: Exchange) -> Reply:
    """Delete tasks; what is not there is not missed."""
    for number in request.id:
        cms.monitoring.probes.hosts.remove(number)
    return done()


@SERVICE.action(wire.EnableHostAvailability)
def enable_host_availability(cms: Cms, request: wire.EnableHostAvailability, _exchange: Exchange) -> Reply:
    """Let tasks probe."""
    return _switched(cms, request.id, disabled=False)


@SERVICE.action(wire.DisableHostAvailability)
def disable_host_availability(cms: Cms, request: wire.DisableHostAvailability, _exchange: Exchange) -> Reply:
    """Keep tasks from probing."""
    return _switched(cms, request.id, disabled=True)


@SERVICE.action(wire.DescribeHostAvailabilityList)
def describe_host_availability_list(cms: Cms, request: wire.DescribeHostAvailabilityList, exchange: Exchange) -> Reply:
    """List tasks."""
    rows = [
        task
        for task in cms.monitoring.probes.hosts.all(exchange.as_of)
        if request.id in {None, task.number}
        and (not request.ids or str(task.number) in request.ids)
        and request.group_id in {None, task.group}
        and (request.task_name is None or request.task_name in task.name)
    ]
    shown = page(rows, request.page_number, request.page_size)
    return replies.host_tasks([(task, cms.monitoring.group(task.group)) for task in shown], len(rows))


@SERVICE.action(wire.CreateSiteMonitor)
def create_site_monitor(cms: Cms, request: wire.CreateSiteMonitor, _exchange: Exchange) -> Reply:
    """Create a task; its name is its own."""
    probes = cms.monitoring.probes
    if any(one.name == request.task_name for one in probes.sites.all()):
        raise Refused(TASK_EXISTS)
    task = model.SiteMonitor(
        name=request.task_name,
        type=request.task_type,
        address=request.address,
        interval=request.interval or "1",
        agent_group=request.agent_group or "PC",
        isp_cities=request.isp_cities or "",
        options=request.options_json or "",
        custom_schedule=request.custom_schedule or "",
        vpc_config=request.vpc_config or "",
        alert_ids=request.alert_ids,
    )
    return replies.site_created(probes.put_site(task))


@SERVICE.action(wire.ModifySiteMonitor)
def modify_site_monitor(cms: Cms, request: wire.ModifySiteMonitor, _exchange: Exchange) -> Reply:
    """Change a task; what is not given stays."""
    task = _site(cms, request.task_id)
    given = {
        "address": request.address,
        "name": request.task_name,
        "interval": request.interval,
        "isp_cities": request.isp_cities,
        "options": request.options_json,
        "alert_ids": request.alert_ids or None,
        "custom_schedule": request.custom_schedule,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    cms.monitoring.probes.put_site(task.model_copy(update=changes))
    return replies.site_changed(1)


@SERVICE.action(wire.EnableSiteMonitors)
def enable_site_monitors(cms: Cms, request: wire.EnableSiteMonitors, _exchange: Exchange) -> Reply:
    """Let tasks probe."""
    return _sites_switched(cms, request.task_ids, on=True)


@SERVICE.action(wire.DisableSiteMonitors)
def disable_site_monitors(cms: Cms, request: wire.DisableSiteMonitors, _exchange: Exchange) -> Reply:
    """Keep tasks from probing."""
    return _sites_switched(cms, request.task_ids, on=False)


@SERVICE.action(wire.DeleteSiteMonitors)
def delete_site_monitors(cms: Cms, request: wire.DeleteSiteMonitors, _exchange: Exchange) -> Reply:
    """Delete tasks; what is not there is not counted."""
    monitoring = cms.monitoring
    gone = [task for id_ in request.task_ids if (task := monitoring.probes.sites.remove(id_)) is not None]
    if request.is_delete_alarms:
        for task in gone:
            for id_ in task.alert_ids:
                monitoring.rules.store.remove(id_)
    return replies.site_changed(len(gone))


@SERVICE.action(wire.DescribeSiteMonitorList)
def describe_site_monitor_list(cms: Cms, request: wire.DescribeSiteMonitorList, exchange: Exchange) -> Reply:
    """List tasks."""
    rows = [
        task
        for task in cms.monitoring.probes.sites.all(exchange.as_of)
        if request.task_id in {None, task.id}
        and request.task_type in {None, task.type}
        and request.task_state in {None, "1" if task.enabled else "2"}
        and request.agent_group in {None, task.agent_group}
        and (request.keyword is None or request.keyword in f"{task.name}\n{task.address}")
    ]
    number, size = request.page or 1, request.page_size or 10
    return replies.site_tasks(page(rows, number, size), number, size, len(rows))


def _task(cms: Cms, request: wire.CreateHostAvailability | wire.ModifyHostAvailability, type_: str) -> HostAvailability:
    group = group_of(cms, request.group_id)
    given = request.task_option
    if type_ == "HTTP" and not given.http_uri:
        raise missing("TaskOption.HttpURI")
    if type_ != "HTTP" and not given.telnet_or_ping_host:
        raise missing("TaskOption.TelnetOrPingHost")
    if request.task_scope == "GROUP_SPEC_INSTANCE" and not request.instance_list:
        raise missing("InstanceList.1")
    if any(one.metric_name not in model.METRICS_OF[type_] for one in request.alert_config_escalation_list):
        raise invalid("AlertConfigEscalationList")
    option = {name: value for name, value in given.model_dump().items() if value is not None}
    return model.HostAvailability.model_validate(
        {
            "group": group.number,
            "name": request.task_name,
            "type": type_,
            "scope": request.task_scope or "GROUP",
            "instances": request.instance_list,
            "option": {"interval": _USUAL_INTERVAL, **option},
            "alert": _alert(request),
        }
    )


def _alert(request: wire.CreateHostAvailability | wire.ModifyHostAvailability) -> model.AlertConfig:
    given = request.alert_config
    return model.AlertConfig(
        notify_type=given.notify_type,
        start_hour=given.start_time or 0,
        end_hour=_LAST_HOUR if given.end_time is None else given.end_time,
        silence_time=_USUAL_SILENCE if given.silence_time is None else given.silence_time,
        webhook=given.web_hook or "",
        thresholds=tuple(
            model.Threshold(
                metric=one.metric_name,
                operator=one.operator,
                value=one.value,
                times=one.times,
                aggregate=model.AGGREGATES[one.metric_name],
            )
            for one in request.alert_config_escalation_list
        ),
        targets=tuple(
            Target(id=one.id, arn=one.arn, level=one.level or "", json_params=one.json_params or "")
            for one in request.alert_config_target_list
        ),
    )


def _host(cms: Cms, number: int) -> HostAvailability:
    found = cms.monitoring.probes.hosts.get(number)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def _site(cms: Cms, id_: str) -> SiteMonitor:
    found = cms.monitoring.probes.sites.get(id_)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def _switched(cms: Cms, numbers: Iterable[int], *, disabled: bool) -> Reply:
    tasks = [_host(cms, number) for number in numbers]
    for task in tasks:
        cms.monitoring.probes.put_host(task.model_copy(update={"disabled": disabled}))
    return done()


def _sites_switched(cms: Cms, ids: Iterable[str], *, on: bool) -> Reply:
    found = [task for id_ in ids if (task := cms.monitoring.probes.sites.get(id_)) is not None]
    for task in found:
        cms.monitoring.probes.put_site(task.model_copy(update={"enabled": on}))
    return replies.site_changed(len(found))
