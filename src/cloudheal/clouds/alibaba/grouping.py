"""Which servers belong together: by a tag, by a server group of a balancer, by an application group of CloudMonitor.

A sweep learns the groups of a whole region; a first look at a few servers asks for those alone. Of several groups the
first by name counts, so that it is always the same one. Where the account may not read groups, nothing is known of
them and the sweep goes on without.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudheal.clouds.alibaba.client import CMS, SLB, Client
from cloudheal.clouds.grouping import BY_MONITOR_GROUP, BY_SERVER_GROUP, FEW, group_of_tags, joined, of_places
from cloudheal.errors import CloudPermanentError
from cloudheal.ports.cloud import Place

log = logging.getLogger("cloudheal.grouping")

#: RAM actions by way of grouping, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "server_group": (
        "slb:DescribeLoadBalancers",
        "slb:DescribeVServerGroups",
        "slb:DescribeVServerGroupAttribute",
        "slb:DescribeLoadBalancerAttribute",
    ),
    "monitor_group": ("cms:DescribeMonitorGroups", "cms:DescribeMonitorGroupInstances"),
}
READ_SECONDS = 10.0
PAGE = 100


class AlibabaGrouping:
    """How one account's servers form groups."""

    def __init__(self, client: Client, group_by: str) -> None:
        self._client = client
        self._group_by = group_by

    def of_tags(self, tags: Mapping[str, str]) -> str | None:
        """Return the group that tags make, empty when they make none; None when tags do not make groups here."""
        return group_of_tags(self._group_by, tags)

    def of_region(self, region: str, members: Sequence[tuple[Place, str]] | None) -> Mapping[str, str] | None:
        """Return the group of every server that has one; None when nothing is known of groups. Raises Cloud*Error.

        `members` are those behind the balancers, where they were looked for.
        """
        if self._group_by == BY_SERVER_GROUP:
            return None if members is None else joined(self._group_by, of_places(members))
        return self._allowed(self._in_monitor_groups(region, ""))

    def of_some(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the groups of a few servers, as far as they are found quickly. Raises Cloud*Error."""
        if not 0 < len(ids) <= FEW or self._group_by not in PERMISSIONS:
            return {}
        found: dict[str, str] = {}
        for id_ in ids:
            some = self._allowed(self._narrowed(region, id_))
            found.update({id_: some[id_]} if some and id_ in some else {})
        return found

    def behind_balancers(self, region: str, narrowed: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
        """Yield the members of every balancer: of its default group, and of each VServer group. Raises Cloud*Error."""
        for one in self._pages(SLB, "DescribeLoadBalancers", region, narrowed, ("LoadBalancers", "LoadBalancer")):
            balancer = str(one["LoadBalancerId"])
            query = {"LoadBalancerId": balancer}
            reply = self._read(SLB, "DescribeLoadBalancerAttribute", region, query)
            yield from ((Place(balancer), server) for server in _servers(reply))
            listed = self._read(SLB, "DescribeVServerGroups", region, query)
            for group in listed.get("VServerGroups", {}).get("VServerGroup", ()):
                id_ = str(group["VServerGroupId"])
                reply = self._read(SLB, "DescribeVServerGroupAttribute", region, {"VServerGroupId": id_})
                yield from ((Place(balancer, id_), server) for server in _servers(reply))

    def _narrowed(self, region: str, id_: str) -> Iterator[tuple[str, str]]:
        if self._group_by == BY_SERVER_GROUP:
            return of_places(self.behind_balancers(region, {"ServerId": id_}))
        return self._in_monitor_groups(region, id_)

    def _allowed(self, found: Iterator[tuple[str, str]]) -> dict[str, str] | None:
        try:
            return joined(self._group_by, found)
        except CloudPermanentError as problem:
            log.warning("groups.refused group_by=%s code=%s", self._group_by, problem.vendor_code)
            return None

    def _in_monitor_groups(self, region: str, only: str) -> Iterator[tuple[str, str]]:
        """Yield by the groups' names, which people choose; a group may hold servers of several regions."""
        if self._group_by != BY_MONITOR_GROUP:
            return
        narrowed = {"InstanceId": only} if only else {}
        for one in self._pages(CMS, "DescribeMonitorGroups", region, narrowed, ("Resources", "Resource")):
            query = {"GroupId": str(one["GroupId"]), "Category": "ecs", **({"InstanceIds": only} if only else {})}
            members = self._pages(CMS, "DescribeMonitorGroupInstances", region, query, ("Resources", "Resource"))
            yield from ((str(member["InstanceId"]), str(one["GroupName"])) for member in members)

    def _pages(
        self, version: str, action: str, region: str, query: Mapping[str, str], path: tuple[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        number, seen = 1, 0
        while True:
            paged = {**query, "PageNumber": str(number), "PageSize": str(PAGE)}
            reply = self._read(version, action, region, paged)
            page = reply.get(path[0], {}).get(path[1], ())
            yield from page
            number, seen = number + 1, seen + len(page)
            if not page or seen >= int(reply.get("TotalCount", reply.get("Total", 0))):
                return

    def _read(self, version: str, action: str, region: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        return self._client.call(version, action, region, query, READ_SECONDS)


def _servers(reply: Mapping[str, Any]) -> Iterator[str]:
    return (str(one["ServerId"]) for one in reply.get("BackendServers", {}).get("BackendServer", ()))
