"""Looking at an account's servers: all of them page by page, or some by id, with the agents in them.

Beside its state a server is described by whether the agent in it answers. That is how a server that runs and cannot be
reached is noticed when the message about it was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.grouping import BY_SERVER_GROUP, FEW, group_of_tags, joined, of_places
from cloudheal.clouds.tencent.balancers import TencentBalancers
from cloudheal.clouds.tencent.client import Client
from cloudheal.clouds.tencent.guests import TencentGuests
from cloudheal.clouds.tencent.servers import PAGE, locks_of, pages, state_of, tags_of
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.inventory import AGENT, Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Agent, Place

log = logging.getLogger("cloudheal.tencent")

#: CAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "sweep": ("cvm:DescribeInstances", "tat:DescribeAutomationAgentStatus"),
}


class TencentFleet:
    """The servers of one Tencent Cloud account as a sweep sees them; `group_by` says how groups are formed."""

    def __init__(self, client: Client, account: str, now: Callable[[], datetime], group_by: str = "") -> None:
        self._client = client
        self._account = account
        self._now = now
        self._group_by = group_by
        self._guests = TencentGuests(client)
        self._balancers = TencentBalancers(client)

    def sweep(self, region: str, members: Sequence[tuple[Place, str]] | None) -> Iterator[Sequence[Description]]:
        """Yield every server of a region, page by page. Raises Cloud*Error, also in the middle."""
        grouped = self._group_by == BY_SERVER_GROUP and members is not None
        groups = joined(self._group_by, of_places(members or ())) if grouped else None
        yield from self._pages(region, {}, groups, grouped=grouped)

    def members(self, region: str) -> Sequence[tuple[Place, str]]:
        """Return every member of every balancer's groups in a region. Raises Cloud*Error."""
        return list(self._members(region, {}))

    def reclaimed(self, region: str) -> Iterator[Sequence[Description]]:
        """Yield nothing: the cloud does not tell that it takes a server back (UNVERIFIED)."""
        log.debug("reclaimed.not_told region=%s", region)
        return iter(())

    def look(self, region: str, ids: Sequence[str]) -> Iterator[Description]:
        """Describe servers by id; one that does not exist is absent. Raises Cloud*Error."""
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            for page in self._pages(region, {"InstanceIds": part}, self._some(region, part), grouped=False):
                yield from page

    def _some(self, region: str, ids: Sequence[str]) -> dict[str, str] | None:
        """Return the groups of a few servers; None where they are not asked for."""
        if self._group_by != BY_SERVER_GROUP or not 0 < len(ids) <= FEW:
            return None
        try:
            found = ((group.place, id_) for id_ in ids for group in self._behind(region, id_))
            return joined(self._group_by, of_places(found))
        except CloudPermanentError as problem:
            log.warning("groups.refused group_by=%s code=%s", self._group_by, problem.vendor_code)
            return None

    def _behind(self, region: str, id_: str) -> Iterator[Any]:
        yield from self._balancers.memberships(region, id_, thorough=False)

    def _members(self, region: str, narrowed: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
        for balancer in self._balancers.balancers(region, narrowed):
            for group in self._balancers.groups(region, balancer):
                yield from ((group.place, member.server) for member in group.members)

    def _pages(
        self, region: str, asked: Mapping[str, Any], groups: Mapping[str, str] | None, *, grouped: bool
    ) -> Iterator[list[Description]]:
        at = self._now()
        for page in pages(self._client, region, asked):
            agents = self._agents(region, [str(one["InstanceId"]) for one in page])
            yield [self._description(one, region, at, agents, _group(one, groups, grouped=grouped)) for one in page]
            at = self._now()

    def _agents(self, region: str, ids: Sequence[str]) -> Mapping[str, Agent]:
        """Read the agents of servers; where that is not allowed or does not answer, nothing is known of them."""
        try:
            return self._guests.agents(region, ids)
        except (CloudPermanentError, CloudTransientError) as problem:
            log.warning("agents.unread region=%s code=%s", region, problem.vendor_code)
            return {}

    def _description(
        self, one: Mapping[str, Any], region: str, at: datetime, agents: Mapping[str, Agent], group: str | None
    ) -> Description:
        id_, tags = str(one["InstanceId"]), tags_of(one)
        agent = agents.get(id_)
        by_tags = group_of_tags(self._group_by, tags)
        return Description(
            id=ResourceId(Cloud.TENCENT, self._account, region, "instance", id_),
            at=at,
            state=state_of(one),
            name=str(one.get("InstanceName") or ""),
            zone=str((one.get("Placement") or {}).get("Zone") or ""),
            group=by_tags if by_tags is not None else group,
            tags=tags,
            locks=locks_of(one),
            attributes={**one, **({AGENT: "Online" if agent.is_online else "Offline"} if agent else {})},
        )


def _group(one: Mapping[str, Any], groups: Mapping[str, str] | None, *, grouped: bool) -> str | None:
    """Return the group of a server, empty when it is in none; None when this look cannot tell."""
    if groups is None:
        return None
    return groups.get(str(one["InstanceId"]), "" if grouped else None)
