"""Disks and their copies: DescribeDisks, DescribeSnapshots, CreateSnapshot.

Copies are named by servers, not by disks, so that one list tells the state of all of them. What a server's disks are is
asked anew each time: a disk may be attached or detached between two calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.moments import moment
from cloudheal.ports.cloud import Made, Snapshot

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "disks": ("ecs:DescribeDisks",),
    "snapshots": ("ecs:DescribeSnapshots",),
    "snapshot": ("ecs:CreateSnapshot",),
}
READ_SECONDS = 10.0
#: The API's own limit of entries on a page.
PAGE = 100
#: A copy whose time of creation cannot be read is no fresh one.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class AlibabaBackups:
    """The disks and snapshots of one Alibaba Cloud account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def disks(self, region: str, server: str) -> tuple[str, ...]:
        """Return the ids of the disks that are attached to a server."""
        listed = self._pages("DescribeDisks", region, {"InstanceId": server}, ("Disks", "Disk"))
        return tuple(sorted(str(one["DiskId"]) for one in listed))

    def snapshots(self, region: str, server: str) -> tuple[Snapshot, ...]:
        """Return the copies that there are of a server's disks, the newest first."""
        listed = self._pages("DescribeSnapshots", region, {"InstanceId": server}, ("Snapshots", "Snapshot"))
        return tuple(sorted((_snapshot(one) for one in listed), key=lambda one: (one.created, one.id), reverse=True))

    def snapshot(self, region: str, disk: str, name: str, token: str, seconds: float) -> Made:
        """Begin to copy a disk. The same token brings the same copy, however often it is sent."""
        query = {"DiskId": disk, "SnapshotName": name, "ClientToken": token}
        reply = self._client.call(ECS, "CreateSnapshot", region, query, seconds)
        return Made(str(reply["SnapshotId"]), str(reply.get("RequestId", "")))

    def _pages(
        self, action: str, region: str, query: Mapping[str, str], path: tuple[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        token = ""
        while True:
            asked = {**query, "MaxResults": str(PAGE), **({"NextToken": token} if token else {})}
            reply = self._client.call(ECS, action, region, asked, READ_SECONDS)
            yield from reply.get(path[0], {}).get(path[1], ())
            following = str(reply.get("NextToken") or "")
            if not following or following == token:
                return
            token = following


def _snapshot(shown: Mapping[str, Any]) -> Snapshot:
    status = str(shown.get("Status", "")).lower()
    return Snapshot(
        id=str(shown["SnapshotId"]),
        disk=str(shown.get("SourceDiskId", "")),
        created=moment(shown.get("CreationTime")) or _LONG_AGO,
        is_done=status == "accomplished",
        has_failed=status == "failed",
    )
