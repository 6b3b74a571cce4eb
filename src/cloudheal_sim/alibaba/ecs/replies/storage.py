"""Wire out: disks and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.disk import SnapshotStatus
from cloudheal_sim.alibaba.ecs.replies.instances import tags
from cloudheal_sim.alibaba.ecs.replies.moments import second

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.disk import Disk, Snapshot

_MILLIS_PER_SECOND = 1000


def disk_item(disk: Disk, charge_type: str, as_of: int | None) -> dict[str, object]:
    """Write one disk as DescribeDisks shows it, its status as it was at `as_of`."""
    attachment = {"InstanceId": disk.instance, "Device": disk.device, "AttachedTime": second(disk.attached)}
    return {
        "DiskId": disk.id,
        "DiskName": disk.name,
        "Description": disk.description,
        "RegionId": disk.region,
        "ZoneId": disk.zone,
        "Status": disk.status.at(as_of),
        "Type": disk.kind,
        "Category": disk.category,
        "PerformanceLevel": "PL1" if disk.category == "cloud_essd" else "",
        "Size": disk.size,
        "InstanceId": disk.instance,
        "Device": disk.device,
        "Attachments": {"Attachment": [attachment] if disk.instance else []},
        "MountInstances": {"MountInstance": []},
        "DiskChargeType": charge_type,
        "Portable": disk.kind == "data",
        "DeleteWithInstance": disk.delete_with_instance,
        "DeleteAutoSnapshot": True,
        "EnableAutoSnapshot": False,
        "EnableAutomatedSnapshotPolicy": False,
        "Encrypted": False,
        "ImageId": disk.image,
        "SourceSnapshotId": disk.source_snapshot,
        "SerialNumber": disk.id.partition("-")[2],
        "CreationTime": second(disk.created),
        "AttachedTime": second(disk.attached),
        "DetachedTime": second(disk.detached),
        "ExpiredTime": "2999-09-08T16:00Z",
        "OperationLocks": {"OperationLock": []},
        "Tags": tags(disk.tags),
    }


def snapshot_item(snapshot: Snapshot, now: int) -> dict[str, object]:
    """Write one snapshot as DescribeSnapshots shows it."""
    progress = 100 if snapshot.status.value is not SnapshotStatus.PROGRESSING else snapshot.progress(now)
    remaining = 0 if snapshot.due is None else max(0, snapshot.due - now) // _MILLIS_PER_SECOND
    return {
        "SnapshotId": snapshot.id,
        "SnapshotName": snapshot.name,
        "Description": snapshot.description,
        "RegionId": snapshot.region,
        "Status": snapshot.status.value,
        "Progress": f"{progress}%",
        "RemainTime": remaining,
        "SnapshotType": "user",
        "SourceDiskId": snapshot.disk,
        "SourceDiskType": snapshot.disk_kind,
        "SourceDiskSize": str(snapshot.size),
        "SourceStorageType": "disk",
        "Usage": "none",
        "Encrypted": False,
        "Available": progress == 100,
        "InstantAccess": False,
        "ResourceGroupId": snapshot.resource_group,
        "CreationTime": second(snapshot.created),
        "LastModifiedTime": second(snapshot.status.since),
        **({} if snapshot.retention_days is None else {"RetentionDays": snapshot.retention_days}),
        "Tags": tags(snapshot.tags),
    }
