"""The calls about alarms: which events policies can watch, and what alarms there were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.happenings import KINDS
from cloudheal_sim.tencent.monitor import errors
from cloudheal_sim.tencent.monitor.model.documents import short_region
from cloudheal_sim.tencent.monitor.requests import DescribeAlarmEvents, DescribeAlarmHistories
from cloudheal_sim.tencent.monitor.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.monitor.model.records import Alarm
    from cloudheal_sim.tencent.monitor.state import Monitor

_VIEW = "cvm_device"


@SERVICE.action(DescribeAlarmEvents, rate=20)
def describe_alarm_events(_monitor: Monitor, request: DescribeAlarmEvents, _exchange: Exchange) -> Reply:
    """List the events that alarm policies can watch."""
    _checked(request.module)
    kinds = [one for one in KINDS if one.alarms and request.namespace == _VIEW]
    return {"Events": [{"EventName": one.alarm, "Description": one.title, "Namespace": _VIEW} for one in kinds]}


@SERVICE.action(DescribeAlarmHistories)
def describe_alarm_histories(monitor: Monitor, request: DescribeAlarmHistories, _exchange: Exchange) -> Reply:
    """List alarms of the past; the latest thousand are kept."""
    _checked(request.module)
    found = [one for one in monitor.alarms.history if all(keep(one) for keep in _keeps(request))]
    found.sort(key=lambda one: one.first, reverse=request.order.upper() != "ASC")
    begin = (request.page_number - 1) * request.page_size
    rows = [_row(monitor, one) for one in found[begin : begin + request.page_size]]
    return {"TotalCount": len(found), "Histories": rows}


def _checked(module: str) -> str:
    if module != "monitor":
        raise Refused(errors.BAD_MODULE)
    return module


def _keeps(request: DescribeAlarmHistories) -> list[Callable[[Alarm], bool]]:
    earliest = (request.start_time or 0) * MILLIS_PER_SECOND
    latest = None if request.end_time is None else request.end_time * MILLIS_PER_SECOND
    return [
        lambda one: one.first >= earliest and (latest is None or one.first <= latest),
        lambda one: not request.alarm_status or _status(one) in request.alarm_status,
        lambda one: request.alarm_object in one.instance,
        lambda one: request.policy_name in one.policy_name,
        lambda one: not request.policy_ids or one.policy in request.policy_ids,
        lambda one: not request.metric_names or one.name in request.metric_names,
        lambda one: not request.alarm_types or one.kind.upper() in request.alarm_types,
    ]


def _status(alarm: Alarm) -> str:
    return "ALARM" if alarm.status == "1" else "OK"


def _row(monitor: Monitor, alarm: Alarm) -> dict[str, object]:
    last = alarm.ended if alarm.ended is not None else monitor.kernel.clock.now()
    return {
        "AlarmId": alarm.session,
        "MonitorType": "MT_QCE",
        "Namespace": _VIEW,
        "AlarmObject": alarm.instance,
        "Content": alarm.title or alarm.name,
        "FirstOccurTime": alarm.first // MILLIS_PER_SECOND,
        "LastOccurTime": last // MILLIS_PER_SECOND,
        "AlarmStatus": _status(alarm),
        "PolicyId": alarm.policy,
        "PolicyName": alarm.policy_name,
        "VPC": "",
        "ProjectId": 0,
        "ProjectName": "",
        "InstanceGroup": [],
        "ReceiverUids": [],
        "ReceiverGroups": [],
        "NoticeWays": ["CALLBACK"],
        "OriginId": alarm.policy,
        "AlarmType": alarm.kind.upper(),
        "EventId": 0,
        "Region": short_region(alarm.region),
        "PolicyExists": 1,
        "MetricsInfo": [],
        "Dimensions": f'{{"unInstanceId":"{alarm.instance}"}}',
        "MetricName": alarm.name,
    }
