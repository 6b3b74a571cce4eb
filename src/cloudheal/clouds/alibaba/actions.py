"""The verbs that playbooks use, in Alibaba Cloud's calls, and the permission that each needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudheal.clouds.alibaba import backups, balancers, guests, orders, system_events
from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.moments import moment
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Server

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "servers": ("ecs:DescribeInstances",),
    "start": ("ecs:StartInstance",),
    "reboot": ("ecs:RebootInstance",),
    **backups.PERMISSIONS,
    **balancers.PERMISSIONS,
    **guests.PERMISSIONS,
    **orders.PERMISSIONS,
    **system_events.PERMISSIONS,
}
READ_SECONDS = 10.0
#: The API's own limit of ids in one call.
MOST_IDS = 100


class AlibabaCompute:
    """The servers of one Alibaba Cloud account."""

    def __init__(self, client: Client, account: str) -> None:
        self._client = client
        self._account = account

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers afresh, by the hundred; one that does not exist is absent."""
        found: dict[str, Server] = {}
        for start in range(0, len(ids), MOST_IDS):
            part = list(ids[start : start + MOST_IDS])
            query = {"InstanceIds": json.dumps(part), "PageSize": str(MOST_IDS)}
            reply = self._client.call(ECS, "DescribeInstances", region, query, READ_SECONDS)
            found.update((server.id.id, server) for server in self._listed(reply, region))
        return found

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Ask for a stopped server to be started; returns the vendor's request id."""
        reply = self._client.call(ECS, "StartInstance", region, {"InstanceId": id_}, seconds)
        return str(reply.get("RequestId", ""))

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Ask for a running server to be restarted; returns the vendor's request id."""
        query = {"InstanceId": id_, "ForceStop": "true" if force else "false"}
        reply = self._client.call(ECS, "RebootInstance", region, query, seconds)
        return str(reply.get("RequestId", ""))

    def _listed(self, reply: Mapping[str, Any], region: str) -> Iterator[Server]:
        for one in reply.get("Instances", {}).get("Instance", ()):
            locks = one.get("OperationLocks", {}).get("LockReason", ())
            tags = one.get("Tags", {}).get("Tag", ())
            yield Server(
                id=ResourceId(Cloud.ALIBABA, self._account, region, "instance", str(one["InstanceId"])),
                state=str(one["Status"]),
                name=str(one.get("InstanceName", "")),
                zone=str(one.get("ZoneId", "")),
                locks=tuple(str(lock.get("LockReason", "")).lower() for lock in locks),
                expires=moment(one.get("ExpiredTime")),
                started=str(one.get("StartTime", "")),
                spot=one.get("SpotStrategy", "NoSpot") not in {"", "NoSpot"},
                tags={str(tag["TagKey"]): str(tag.get("TagValue", "")) for tag in tags},
                address=_private_address(one),
            )


def _private_address(shown: Mapping[str, Any]) -> str:
    """Return the private address of a server; one in the classic network has it elsewhere."""
    inside = shown.get("VpcAttributes", {}).get("PrivateIpAddress", {}).get("IpAddress", ())
    classic = shown.get("InnerIpAddress", {}).get("IpAddress", ())
    return str(next(iter((*inside, *classic)), ""))
