"""The balancers of one account: CLB of 2018-03-17, listeners of layer 4 and forwarding rules of layer 7.

A group is a listener (`lbl-...`), or a rule of one (`lbl-.../loc-...`). The service refuses a whole call when one
member is not there, or is there already; as everywhere, members that need no change are passed over in silence, so they
are looked for first. Changes take effect later than their answer: each is waited for as long as its time allows, and
whoever changes something reads the group back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudheal.clouds.tencent.client import CLB, Client
from cloudheal.clouds.tencent.servers import pages
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.cloud import MOST_MEMBERS, Group, Health, Member, Place

#: CAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "memberships": (
        "clb:DescribeLoadBalancers",
        "clb:DescribeTargets",
        "clb:DescribeTargetHealth",
        "cvm:DescribeInstances",
    ),
    "members": ("clb:DescribeTargets",),
    "set_weights": ("clb:ModifyTargetWeight", "clb:DescribeTargets", "clb:DescribeTaskStatus"),
    "remove": ("clb:DeregisterTargets", "clb:DescribeTargets", "clb:DescribeTaskStatus"),
    "add": ("clb:RegisterTargets", "clb:DescribeTargets", "clb:DescribeTaskStatus"),
}
READ_SECONDS = 10.0
#: The API's own limits: balancers on a page, and of which health is asked in one call.
PAGE, HEALTH_PAGE = 100, 30
#: How often a change is asked after, and the states of one.
LOOK_SECONDS, FAILED, UNDER_WAY = 0.5, 1, 2
#: How the service says that there is no such balancer, listener or rule.
_GONE = ("InvalidParameter.LBIdNotFound", "InvalidParameter.ListenerIdNotFound", "InvalidParameter.LocationNotFound")
_HEALTH = {"Alive": Health.NORMAL, "Dead": Health.ABNORMAL, "Unknown": Health.UNAVAILABLE, "Close": Health.UNCHECKED}
#: The place, the target and its port, to what the balancer's check says.
_Checks = Mapping[tuple[str, str, int], Health]


@dataclass(frozen=True, slots=True)
class _Change:
    """A changing call, and which members of those asked for it is for, by whether they are there."""

    action: str
    there: bool
    weighted: bool


_SET, _REMOVE, _ADD = (
    _Change("ModifyTargetWeight", there=True, weighted=True),
    _Change("DeregisterTargets", there=True, weighted=False),
    _Change("RegisterTargets", there=False, weighted=True),
)


class TencentBalancers:
    """The load balancers of one Tencent Cloud account."""

    def __init__(
        self,
        client: Client,
        pause: Callable[[float], object] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pause` waits in real time, which `elapsed` counts."""
        self._client = client
        self._pause = pause
        self._elapsed = elapsed

    def memberships(self, region: str, server: str, *, thorough: bool) -> tuple[Group, ...]:
        """Read every group that a server is in, with health; not thorough: among the balancers the cloud names."""
        narrowed = {} if thorough else self._narrowed(region, server)
        if narrowed is None:
            return ()
        found = list(self.balancers(region, narrowed))
        return tuple(self._with_health(region, self._holding(region, found, server)))

    def named(self, region: str, server: str, places: Sequence[Place]) -> tuple[Group, ...]:
        """Read these groups, with health, as far as they exist and the server is in them."""
        groups = self._holding(region, sorted({one.balancer for one in places}), server)
        return tuple(self._with_health(region, [one for one in groups if one.place in places]))

    def members(self, region: str, place: Place) -> tuple[Member, ...]:
        """Read one group afresh, without health."""
        listener = place.group.partition("/")[0]
        groups = list(self.groups(region, place.balancer, [listener]))
        found = next((one for one in groups if one.place == place), None)
        if found is None:
            raise CloudPermanentError(f"there is no group {place}", vendor_code=_GONE[1])
        return found.members

    def set_weights(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Give members the weights they carry; returns the vendor's request id."""
        return self._change(_SET, region, place, members, seconds)

    def remove(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Take members out of a group; returns the vendor's request id."""
        return self._change(_REMOVE, region, place, members, seconds)

    def add(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Put members into a group with the weights they carry; returns the vendor's request id."""
        return self._change(_ADD, region, place, members, seconds)

    def balancers(self, region: str, narrowed: Mapping[str, Any]) -> Iterator[str]:
        """Yield the ids of balancers, page by page. Raises Cloud*Error, also in the middle."""
        seen = 0
        while True:
            asked = {**narrowed, "Offset": seen, "Limit": PAGE}
            reply = self._client.call(CLB, "DescribeLoadBalancers", region, asked, READ_SECONDS)
            page = reply.get("LoadBalancerSet") or ()
            yield from (str(one["LoadBalancerId"]) for one in page)
            seen += len(page)
            if not page or seen >= int(reply.get("TotalCount") or 0):
                return

    def groups(self, region: str, balancer: str, listeners: Sequence[str] = ()) -> Iterator[Group]:
        """Yield the groups of a balancer with everybody in them. Raises Cloud*Error."""
        asked = {"LoadBalancerId": balancer, **({"ListenerIds": list(listeners)} if listeners else {})}
        reply = self._client.call(CLB, "DescribeTargets", region, asked, READ_SECONDS)
        for listener in reply.get("Listeners") or ():
            id_ = str(listener["ListenerId"])
            if listener.get("Rules") is None:
                yield Group(Place(balancer, id_), tuple(map(_member, listener.get("Targets") or ())))
            for rule in listener.get("Rules") or ():
                place = Place(balancer, f"{id_}/{rule['LocationId']}")
                yield Group(place, tuple(map(_member, rule.get("Targets") or ())))

    def _narrowed(self, region: str, server: str) -> dict[str, Any] | None:
        """Say which balancers a server may be behind: the service knows servers by their private address only.

        None when the server has none, or is not there.
        """
        shown = (one for page in pages(self._client, region, {"InstanceIds": [server]}) for one in page)
        addresses = [str(one) for row in shown for one in row.get("PrivateIpAddresses") or ()]
        return {"BackendPrivateIps": addresses} if addresses else None

    def _holding(self, region: str, balancers: Iterable[str], server: str) -> list[Group]:
        """Return the groups that a server is in; a balancer that was deleted since has none."""
        return [group for balancer in balancers for group in self._known_groups(region, balancer) if group.of(server)]

    def _known_groups(self, region: str, balancer: str) -> list[Group]:
        try:
            return list(self.groups(region, balancer))
        except CloudPermanentError as problem:
            if not problem.vendor_code.startswith(_GONE):
                raise
            return []

    def _with_health(self, region: str, groups: Sequence[Group]) -> Iterator[Group]:
        balancers = sorted({one.place.balancer for one in groups})
        checks: dict[tuple[str, str, int], Health] = {}
        for start in range(0, len(balancers), HEALTH_PAGE):
            asked = {"LoadBalancerIds": balancers[start : start + HEALTH_PAGE]}
            reply = self._client.call(CLB, "DescribeTargetHealth", region, asked, READ_SECONDS)
            checks.update(_checks(reply))
        for one in groups:
            yield Group(one.place, tuple(_checked(one.place, member, checks) for member in one.members))

    def _change(self, change: _Change, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:
        """Make one changing call for the members that it is for, and wait for it as long as there is time."""
        if not 0 < len(members) <= MOST_MEMBERS:
            raise ValueError(f"a call takes 1 to {MOST_MEMBERS} members, not {len(members)}")
        give_up = self._elapsed() + seconds
        listener, _, location = place.group.partition("/")
        asked = {"LoadBalancerId": place.balancer, "ListenerIds": [listener]}
        reply = self._client.call(CLB, "DescribeTargets", region, asked, seconds / 2)
        there = {(one.server, one.port) for one in _members_in(reply, place)}
        wanted = [one for one in members if ((one.server, one.port) in there) is change.there]
        if not wanted:
            return str(reply["RequestId"])
        query = {
            "LoadBalancerId": place.balancer,
            "ListenerId": listener,
            "Targets": [_target(one, weighted=change.weighted) for one in wanted],
            **({"LocationId": location} if location else {}),
        }
        made = str(self._client.call(CLB, change.action, region, query, give_up - self._elapsed())["RequestId"])
        self._await(region, made, give_up)
        return made

    def _await(self, region: str, task: str, give_up: float) -> bool:
        """Wait until a change has taken effect; False when the time was up first. Raises CloudPermanentError."""
        while (left := give_up - self._elapsed()) > LOOK_SECONDS:
            try:
                reply = self._client.call(CLB, "DescribeTaskStatus", region, {"TaskId": task}, left)
            except (CloudTransientError, CloudPermanentError):
                return False  # the group is read back in any case
            if reply.get("Status") == FAILED:
                message = "the balancer could not make the change"
                raise CloudPermanentError(message, vendor_code="FailedOperation", request_id=task)
            if reply.get("Status") != UNDER_WAY:
                return True
            self._pause(LOOK_SECONDS)
        return False


def _members_in(reply: Mapping[str, Any], place: Place) -> Iterator[Member]:
    listener, _, location = place.group.partition("/")
    for shown in reply.get("Listeners") or ():
        if shown["ListenerId"] != listener:
            continue
        rules = [one for one in shown.get("Rules") or () if one["LocationId"] == location] if location else [shown]
        yield from (_member(one) for rule in rules for one in rule.get("Targets") or ())


def _member(shown: Mapping[str, Any]) -> Member:
    address = str(next(iter(shown.get("PrivateIpAddresses") or ()), ""))
    return Member(
        server=str(shown.get("InstanceId") or shown.get("EniId") or address),
        port=int(shown.get("Port") or 0),
        weight=int(shown.get("Weight") or 0),
        type=str(shown.get("Type") or "CVM").lower(),
        address=address,
    )


def _target(member: Member, *, weighted: bool) -> dict[str, Any]:
    """Name a member to the service: a server by its id, anything else by its address."""
    named = {"InstanceId": member.server} if member.server.startswith("ins-") else {"EniIp": member.address}
    return {**named, "Port": member.port, **({"Weight": member.weight} if weighted else {})}


def _checks(reply: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, int], Health]]:
    for balancer in reply.get("LoadBalancers") or ():
        for listener in balancer.get("Listeners") or ():
            for rule in listener.get("Rules") or ():
                group = _group(str(listener["ListenerId"]), str(rule.get("LocationId") or ""))
                for target in rule.get("Targets") or ():
                    health = _HEALTH.get(str(target.get("HealthStatusDetail") or target.get("HealthStatusDetial")))
                    name = str(target.get("TargetId") or target.get("IP") or "")
                    yield (group, name, int(target.get("Port") or 0)), health or Health.UNCHECKED


def _group(listener: str, location: str) -> str:
    return f"{listener}/{location}" if location else listener


def _checked(place: Place, member: Member, checks: _Checks) -> Member:
    names = ((place.group, name, member.port) for name in (member.server, member.address))
    health = next((checks[one] for one in names if one in checks), Health.UNCHECKED)
    fields = (member.server, member.port, member.weight, member.type, member.address, member.description)
    return Member(*fields, health)
