"""Looking at an account's servers: all of them page by page, those being reclaimed, or some by id.

Pages are asked for by token, a hundred servers each: page numbers skip servers when others are released in between,
and the default page of ten hides the eleventh. A description bears the time at which its page was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, SLB, Client
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "sweep": ("ecs:DescribeInstances",),
    "sweep.members": (
        "slb:DescribeLoadBalancers",
        "slb:DescribeVServerGroups",
        "slb:DescribeVServerGroupAttribute",
        "slb:DescribeLoadBalancerAttribute",
    ),
}
READ_SECONDS = 10.0
#: The API's own limits: servers on a page, ids in a call, balancers on a page.
PAGE = 100
#: The vendor's word for the lock of a server that is being taken back.
RECLAIMED = "Recycling"
#: `tag:KEY` groups by a tag's value.
BY_TAG, BY_SERVER_GROUP = "tag:", "server_group"


class AlibabaFleet:
    """The servers of one Alibaba Cloud account as a sweep sees them; `group_by` says how groups are formed."""

    def __init__(self, client: Client, account: str, now: Callable[[], datetime], group_by: str = "") -> None:
        self._client = client
        self._account = account
        self._now = now
        self._group_by = group_by

    def sweep(self, region: str, members: Sequence[tuple[Place, str]] | None) -> Iterator[Sequence[Description]]:
        """Yield every server of a region, page by page. Raises Cloud*Error, also in the middle."""
        yield from self._pages(region, {}, None if members is None else _groups(members))

    def members(self, region: str) -> Sequence[tuple[Place, str]]:
        """Return every member of every balancer's groups in a region. Raises Cloud*Error."""
        return [(place, server) for balancer in self._balancers(region) for place, server in self._in(region, balancer)]

    def reclaimed(self, region: str) -> Iterator[Sequence[Description]]:
        """Yield the servers of a region that are being taken back, page by page. Raises Cloud*Error."""
        yield from self._pages(region, {"LockReason": RECLAIMED}, None)

    def look(self, region: str, ids: Sequence[str]) -> Iterator[Description]:
        """Describe servers by id; one that does not exist is absent. Raises Cloud*Error."""
        for start in range(0, len(ids), PAGE):
            part = json.dumps(list(ids[start : start + PAGE]))
            for page in self._pages(region, {"InstanceIds": part}, None):
                yield from page

    def _pages(
        self, region: str, query: Mapping[str, str], groups: Mapping[str, str] | None
    ) -> Iterator[list[Description]]:
        token = ""
        while True:
            at = self._now()
            asked = {**query, "MaxResults": str(PAGE), **({"NextToken": token} if token else {})}
            reply = self._client.call(ECS, "DescribeInstances", region, asked, READ_SECONDS)
            page = reply.get("Instances", {}).get("Instance", ())
            yield [self._description(one, region, at, groups) for one in page]
            following = str(reply.get("NextToken") or "")
            if not following or following == token:
                return
            token = following

    def _description(
        self, one: Mapping[str, Any], region: str, at: datetime, groups: Mapping[str, str] | None
    ) -> Description:
        id_ = str(one["InstanceId"])
        locks = one.get("OperationLocks", {}).get("LockReason", ())
        tags = {str(tag["TagKey"]): str(tag.get("TagValue", "")) for tag in one.get("Tags", {}).get("Tag", ())}
        return Description(
            id=ResourceId(Cloud.ALIBABA, self._account, region, "instance", id_),
            at=at,
            state=str(one["Status"]),
            name=str(one.get("InstanceName", "")),
            zone=str(one.get("ZoneId", "")),
            group=self._group(id_, tags, groups),
            tags=tags,
            locks=tuple(str(lock.get("LockReason", "")).lower() for lock in locks),
            attributes=one,
        )

    def _group(self, id_: str, tags: Mapping[str, str], groups: Mapping[str, str] | None) -> str | None:
        """Return the group's name, empty when there is none; None when this look cannot tell."""
        if self._group_by.startswith(BY_TAG):
            value = tags.get(self._group_by.removeprefix(BY_TAG), "")
            return f"{self._group_by}={value}" if value else ""
        if self._group_by == BY_SERVER_GROUP:
            return None if groups is None else groups.get(id_, "")
        return ""

    def _in(self, region: str, balancer: str) -> Iterator[tuple[Place, str]]:
        """Yield the members of one balancer: of its default group, and of each of its VServer groups."""
        query = {"LoadBalancerId": balancer}
        reply = self._client.call(SLB, "DescribeLoadBalancerAttribute", region, query, READ_SECONDS)
        yield from ((Place(balancer), server) for server in _servers(reply))
        listed = self._client.call(SLB, "DescribeVServerGroups", region, query, READ_SECONDS)
        for group in listed.get("VServerGroups", {}).get("VServerGroup", ()):
            id_ = str(group["VServerGroupId"])
            asked = {"VServerGroupId": id_}
            reply = self._client.call(SLB, "DescribeVServerGroupAttribute", region, asked, READ_SECONDS)
            yield from ((Place(balancer, id_), server) for server in _servers(reply))

    def _balancers(self, region: str) -> Iterator[str]:
        number, seen = 1, 0
        while True:
            query = {"PageNumber": str(number), "PageSize": str(PAGE)}
            reply = self._client.call(SLB, "DescribeLoadBalancers", region, query, READ_SECONDS)
            page = reply.get("LoadBalancers", {}).get("LoadBalancer", ())
            yield from (str(one["LoadBalancerId"]) for one in page)
            number, seen = number + 1, seen + len(page)
            if not page or seen >= int(reply.get("TotalCount", 0)):
                return


def _servers(reply: Mapping[str, Any]) -> Iterator[str]:
    return (str(one["ServerId"]) for one in reply.get("BackendServers", {}).get("BackendServer", ()))


def _groups(members: Sequence[tuple[Place, str]]) -> dict[str, str]:
    """Return the server group of each server; of several the first by name, so that it is always the same."""
    found: dict[str, str] = {}
    for place, server in members:
        name = f"server_group={place.group or place.balancer}"
        found[server] = min(found.get(server, name), name)
    return found
