"""Looking at an account's servers: all of them page by page, those being reclaimed, or some by id.

Pages are asked for by token, a hundred servers each: page numbers skip servers when others are released in between,
and the default page of ten hides the eleventh. A description bears the time at which its page was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.alibaba.grouping import AlibabaGrouping
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "sweep": ("ecs:DescribeInstances",),
}
READ_SECONDS = 10.0
#: The API's own limits: servers on a page, ids in a call, balancers on a page.
PAGE = 100
#: The vendor's word for the lock of a server that is being taken back.
RECLAIMED = "Recycling"


#: Returns the group of a server, empty when it is in none; None when this look cannot tell.
_GroupOf = Callable[[str], str | None]


class AlibabaFleet:
    """The servers of one Alibaba Cloud account as a sweep sees them; `group_by` says how groups are formed."""

    def __init__(self, client: Client, account: str, now: Callable[[], datetime], group_by: str = "") -> None:
        self._client = client
        self._account = account
        self._now = now
        self._grouping = AlibabaGrouping(client, group_by)

    def sweep(self, region: str, members: Sequence[tuple[Place, str]] | None) -> Iterator[Sequence[Description]]:
        """Yield every server of a region, page by page. Raises Cloud*Error, also in the middle."""
        groups = self._grouping.of_region(region, members)
        yield from self._pages(region, {}, None if groups is None else lambda id_: groups.get(id_, ""))

    def members(self, region: str) -> Sequence[tuple[Place, str]]:
        """Return every member of every balancer's groups in a region. Raises Cloud*Error."""
        return list(self._grouping.behind_balancers(region, {}))

    def reclaimed(self, region: str) -> Iterator[Sequence[Description]]:
        """Yield the servers of a region that are being taken back, page by page. Raises Cloud*Error."""
        yield from self._pages(region, {"LockReason": RECLAIMED}, None)

    def look(self, region: str, ids: Sequence[str]) -> Iterator[Description]:
        """Describe servers by id; one that does not exist is absent. Raises Cloud*Error."""
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            groups = self._grouping.of_some(region, part)
            for page in self._pages(region, {"InstanceIds": json.dumps(part)}, groups.get):
                yield from page

    def _pages(self, region: str, query: Mapping[str, str], group: _GroupOf | None) -> Iterator[list[Description]]:
        token = ""
        while True:
            at = self._now()
            asked = {**query, "MaxResults": str(PAGE), **({"NextToken": token} if token else {})}
            reply = self._client.call(ECS, "DescribeInstances", region, asked, READ_SECONDS)
            page = reply.get("Instances", {}).get("Instance", ())
            yield [self._description(one, region, at, group) for one in page]
            following = str(reply.get("NextToken") or "")
            if not following or following == token:
                return
            token = following

    def _description(self, one: Mapping[str, Any], region: str, at: datetime, group: _GroupOf | None) -> Description:
        id_ = str(one["InstanceId"])
        locks = one.get("OperationLocks", {}).get("LockReason", ())
        tags = {str(tag["TagKey"]): str(tag.get("TagValue", "")) for tag in one.get("Tags", {}).get("Tag", ())}
        return Description(
            id=ResourceId(Cloud.ALIBABA, self._account, region, "instance", id_),
            at=at,
            state=str(one["Status"]),
            name=str(one.get("InstanceName", "")),
            zone=str(one.get("ZoneId", "")),
            group=by_tags if (by_tags := self._grouping.of_tags(tags)) is not None else group and group(id_),
            tags=tags,
            locks=tuple(str(lock.get("LockReason", "")).lower() for lock in locks),
            attributes=one,
        )
