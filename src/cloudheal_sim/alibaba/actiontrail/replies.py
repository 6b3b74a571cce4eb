"""Wire out: an event of the trail, as the documentation's samples show it."""

from __future__ import annotations

from cloudheal_sim.alibaba.actiontrail.model import Deed
from cloudheal_sim.kernel.clock import iso_seconds


def event_of(deed: Deed) -> dict[str, object]:
    """Return one event."""
    return {
        "eventId": deed.id,
        "eventVersion": 1,
        "eventName": deed.action,
        "eventTime": iso_seconds(deed.at),
        "eventType": "ApiCall",
        "eventRW": "Write",
        "eventSource": f"ecs.{deed.region}.aliyuncs.com",
        "serviceName": "Ecs",
        "apiVersion": "2014-05-26",
        "acsRegion": deed.region,
        "isGlobal": False,
        "requestId": deed.request_id,
        "sourceIpAddress": deed.address,
        "userAgent": "AliyunConsole" if not deed.access_key else "AlibabaCloud",
        "referencedResources": {"ACS::ECS::Instance": list(deed.servers)},
        "requestParameters": {"InstanceId": deed.servers[0] if deed.servers else "", "RegionId": deed.region},
        "userIdentity": _identity(deed),
        **({"errorCode": deed.error} if deed.error else {}),
    }


def _identity(deed: Deed) -> dict[str, object]:
    if deed.user == "system":
        return {"type": "system", "userName": "ecs.aliyuncs.com"}
    who = {"type": "root-account", "accountId": deed.account, "principalId": deed.account, "userName": deed.user}
    if deed.access_key:
        return {**who, "accessKeyId": deed.access_key}
    session = {"attributes": {"mfaAuthenticated": "false", "creationDate": iso_seconds(deed.at)}}
    return {**who, "sessionContext": session}
