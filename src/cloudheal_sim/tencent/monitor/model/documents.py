"""What an alarm callback says: the JSON of an event alarm and of a metric alarm, as the published samples have it.

Regions are short there (`gz`), times are in UTC+8 without saying so, and `recoverTime` is "0" until there is one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.monitor.model.records import Alarm

_SHORT = {
    "ap-guangzhou": "gz",
    "ap-shanghai": "sh",
    "ap-beijing": "bj",
    "ap-chengdu": "cd",
    "ap-chongqing": "cq",
    "ap-nanjing": "nj",
    "ap-hongkong": "hk",
    "ap-singapore": "sg",
}
_POLICY_TYPE = {"policyType": "cvm_device", "policyTypeCName": "云服务器-基础监控"}


def local(instant: int) -> str:
    """Write an instant in UTC+8, as callbacks do."""
    return (to_datetime(instant) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


def short_region(region: str) -> str:
    """Return the short code of a region."""
    return _SHORT.get(region, region)


def callback_document(alarm: Alarm, instance: Instance, account: str, now: int) -> dict[str, object]:
    """Write what a callback is sent when an alarm begins or ends."""
    head: dict[str, object] = {
        "sessionId": alarm.session,
        "alarmStatus": alarm.status,
        "alarmType": alarm.kind,
    }
    times = {
        "firstOccurTime": local(alarm.first),
        "durationTime": (now - alarm.first) // MILLIS_PER_SECOND,
        "recoverTime": "0" if alarm.ended is None else local(alarm.ended),
    }
    if alarm.kind == "metric":
        return {**head, "alertId": alarm.session, **_metric(alarm, instance, account), **times}
    return {**head, **_event(alarm, instance), **times}


def _event(alarm: Alarm, instance: Instance) -> dict[str, object]:
    lan, wan = instance.network.private_ip, next(iter(instance.network.public_ips), "")
    return {
        "alarmObjInfo": {
            "region": short_region(alarm.region),
            "dimensions": {
                "unInstanceId": alarm.instance,
                "deviceName": instance.name,
                "objDetail": {"deviceLanIp": lan, "deviceWanIp": wan, "uniqVpcId": instance.network.vpc},
            },
        },
        "alarmPolicyInfo": {
            "policyId": alarm.policy,
            **_POLICY_TYPE,
            "policyName": alarm.policy_name,
            "conditions": {
                "productName": "cvm",
                "productShowName": "云服务器",
                "eventName": alarm.name,
                "eventShowName": alarm.title,
                "alarmNotifyType": "singleAlarm",
                "alarmNotifyPeriod": "",
            },
        },
        "additionalMsg": [{"key": "deviceLanIp", "value": lan}, {"key": "deviceWanIp", "value": wan}],
    }


def _metric(alarm: Alarm, instance: Instance, account: str) -> dict[str, object]:
    return {
        "alarmObjInfo": {
            "region": short_region(alarm.region),
            "namespace": "qce/cvm",
            "appId": account,
            "uin": account,
            "dimensions": {
                "unInstanceId": alarm.instance,
                "deviceName": instance.name,
                "objId": f"{crc32(alarm.instance.encode()):08x}-0000-0000-0000-d928183a0001",
                "objName": f"{instance.network.private_ip}#588789",
            },
        },
        "alarmPolicyInfo": {
            "policyId": alarm.policy,
            **_POLICY_TYPE,
            "policyName": alarm.policy_name,
            "conditions": {
                "metricName": alarm.name,
                "metricShowName": alarm.title or alarm.name,
                "calcType": alarm.operator,
                "calcValue": f"{alarm.threshold:g}",
                "calcUnit": "%",
                "currentValue": f"{alarm.value:g}",
                "historyValue": "5",
                "unit": "%",
                "period": "60",
                "periodNum": "1",
                "alarmNotifyType": "continuousAlarm",
                "alarmNotifyPeriod": 300,
            },
        },
    }
