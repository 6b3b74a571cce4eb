"""The balancers of one account: SLB (CLB) of 2014-05-15, default groups and VServer groups.

A server's memberships are looked for in all groups, on every port: the vendor's sample knew one group and one port,
and the service passes over what is not there in silence, so that nothing was removed and success was reported. For the
same reason replies of changing calls are not read at all here; whoever changes something reads the group back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cloudheal.clouds.alibaba.client import SLB, Client
from cloudheal.errors import CloudPermanentError
from cloudheal.ports.cloud import MOST_MEMBERS, Group, Health, Member, Place

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "memberships": (
        "slb:DescribeLoadBalancers",
        "slb:DescribeLoadBalancerAttribute",
        "slb:DescribeVServerGroups",
        "slb:DescribeVServerGroupAttribute",
        "slb:DescribeHealthStatus",
    ),
    "members": ("slb:DescribeVServerGroupAttribute", "slb:DescribeLoadBalancerAttribute"),
    "set_weights": ("slb:SetVServerGroupAttribute", "slb:SetBackendServers"),
    "remove": ("slb:RemoveVServerGroupBackendServers", "slb:RemoveBackendServers"),
    "add": ("slb:AddVServerGroupBackendServers", "slb:AddBackendServers"),
}
READ_SECONDS = 10.0
#: The API's own limit of balancers on one page.
PAGE = 100
#: How the service says that there is no such balancer.
_GONE = ("InvalidLoadBalancerId", "InvalidParameter.LoadBalancerId")
#: What several listeners say of one member, the worst of it first.
_WORST_FIRST = (Health.ABNORMAL, Health.UNAVAILABLE, Health.NORMAL)
#: Listener port, server and the port on it, to what the listener's check says.
_Checks = Mapping[tuple[int, str, int], Health]


class AlibabaBalancers:
    """The load balancers of one Alibaba Cloud account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def memberships(self, region: str, server: str, *, thorough: bool) -> tuple[Group, ...]:
        """Read every group that a server is in, with health; not thorough: among the balancers the cloud names.

        The list of balancers takes a server as filter. It is not documented that the filter sees VServer groups, so
        it serves only to find most of them quickly.
        """
        narrowed = {} if thorough else {"ServerId": server}
        return tuple(
            group for balancer in self._balancers(region, narrowed) for group in self._groups(region, balancer, server)
        )

    def named(self, region: str, server: str, places: Sequence[Place]) -> tuple[Group, ...]:
        """Read these groups, with health, as far as they exist and the server is in them."""
        balancers = sorted({place.balancer for place in places})
        return tuple(
            group
            for balancer in balancers
            for group in self._of_balancer(
                region, balancer, server, [one for one in places if one.balancer == balancer]
            )
        )

    def _of_balancer(self, region: str, balancer: str, server: str, places: Sequence[Place]) -> Iterator[Group]:
        """Read some groups of a balancer; one that was deleted since has no groups."""
        try:
            yield from self._groups(region, balancer, server, places)
        except CloudPermanentError as problem:
            if not problem.vendor_code.startswith(_GONE):
                raise

    def members(self, region: str, place: Place) -> tuple[Member, ...]:
        """Read one group afresh, without health."""
        if place.group:
            reply = self._read("DescribeVServerGroupAttribute", region, {"VServerGroupId": place.group})
        else:
            reply = self._read("DescribeLoadBalancerAttribute", region, {"LoadBalancerId": place.balancer})
        return tuple(_members(reply))

    def set_weights(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Give members the weights they carry; returns the vendor's request id."""
        action = "SetVServerGroupAttribute" if place.group else "SetBackendServers"
        return self._change(action, region, place, [_named(one) | {"Weight": one.weight} for one in members], seconds)

    def remove(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Take members out of a group; returns the vendor's request id."""
        action = "RemoveVServerGroupBackendServers" if place.group else "RemoveBackendServers"
        return self._change(action, region, place, [_named(one) for one in members], seconds)

    def add(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Put members into a group with the weights they carry; returns the vendor's request id."""
        action = "AddVServerGroupBackendServers" if place.group else "AddBackendServers"
        entries = [
            _named(one) | {"Weight": one.weight} | ({"Description": one.description} if one.description else {})
            for one in members
        ]
        return self._change(action, region, place, entries, seconds)

    def _change(
        self, action: str, region: str, place: Place, entries: Sequence[Mapping[str, object]], seconds: float
    ) -> str:
        if not 0 < len(entries) <= MOST_MEMBERS:
            raise ValueError(f"{action} takes 1 to {MOST_MEMBERS} members, not {len(entries)}")
        where = {"VServerGroupId": place.group} if place.group else {"LoadBalancerId": place.balancer}
        query = {**where, "BackendServers": json.dumps(entries, ensure_ascii=False)}
        return str(self._client.call(SLB, action, region, query, seconds).get("RequestId", ""))

    def _balancers(self, region: str, narrowed: Mapping[str, str]) -> Iterator[str]:
        """Name the balancers of a region, page by page."""
        number, seen = 1, 0
        while True:
            query = {**narrowed, "PageNumber": str(number), "PageSize": str(PAGE)}
            reply = self._read("DescribeLoadBalancers", region, query)
            page = reply.get("LoadBalancers", {}).get("LoadBalancer", ())
            yield from (str(one["LoadBalancerId"]) for one in page)
            number, seen = number + 1, seen + len(page)
            if not page or seen >= int(reply.get("TotalCount", 0)):
                return

    def _groups(
        self, region: str, balancer: str, server: str, places: Sequence[Place] | None = None
    ) -> Iterator[Group]:
        """Read the groups of one balancer that hold a server, with health; of `places` only, if they are given."""
        query = {"LoadBalancerId": balancer, "IncludeListener": "true"}
        listed = self._read("DescribeVServerGroups", region, query).get("VServerGroups", {}).get("VServerGroup", ())
        listeners = {str(one["VServerGroupId"]): _ports(one) for one in listed}
        groups = [
            Group(place, self.members(region, place))
            for place in (Place(balancer), *(Place(balancer, id_) for id_ in listeners))
            if places is None or place in places
        ]
        holding = [group for group in groups if group.of(server)]
        if not holding:
            return
        checks = self._checks(region, balancer)
        default = {port for port, _, _ in checks} - {port for ports in listeners.values() for port in ports}
        for group in holding:
            ports = listeners[group.place.group] if group.place.group else default
            yield Group(group.place, tuple(replace(one, health=_health(one, ports, checks)) for one in group.members))

    def _checks(self, region: str, balancer: str) -> _Checks:
        reply = self._read("DescribeHealthStatus", region, {"LoadBalancerId": balancer})
        found: dict[tuple[int, str, int], Health] = {}
        for one in reply.get("BackendServers", {}).get("BackendServer", ()):
            seen = (int(one.get("ListenerPort", 0)), str(one["ServerId"]), int(one.get("Port", 0)))
            status = str(one.get("ServerHealthStatus", ""))
            found[seen] = Health(status) if status in _WORST_FIRST else Health.UNAVAILABLE
        return found

    def _read(self, action: str, region: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._client.call(SLB, action, region, query, READ_SECONDS)


def _ports(group: Mapping[str, Any]) -> frozenset[int]:
    listeners = group.get("AssociatedObjects", {}).get("Listeners", {}).get("Listener", ())
    return frozenset(int(one["Port"]) for one in listeners)


def _members(reply: Mapping[str, Any]) -> Iterator[Member]:
    """Read members; the vendor's samples print numbers as strings, its models say integer."""
    for one in reply.get("BackendServers", {}).get("BackendServer", ()):
        yield Member(
            server=str(one["ServerId"]),
            port=int(one.get("Port") or 0),
            weight=int(one.get("Weight", 100)),
            type=str(one.get("Type") or "ecs"),
            address=str(one.get("ServerIp") or ""),
            description=str(one.get("Description") or ""),
        )


def _named(member: Member) -> dict[str, object]:
    """Name a member as changing calls do; addresses tell only members of other types apart."""
    named: dict[str, object] = {"ServerId": member.server, "Type": member.type}
    if member.port:
        named["Port"] = member.port
    if member.address and member.type != "ecs":
        named["ServerIp"] = member.address
    return named


def _health(member: Member, listeners: Collection[int], checks: _Checks) -> Health:
    """Return the worst that the group's listeners say; a default group's member has no port of its own."""
    said = {
        health
        for (listener, server, port), health in checks.items()
        if listener in listeners and server == member.server and member.port in {0, port}
    }
    return next((one for one in _WORST_FIRST if one in said), Health.UNCHECKED)
