"""Wire in: disks and snapshots."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.fields import Filter, PagedEitherWay, Switch, TagPair
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Ids, Text


class DescribeDisks(PagedEitherWay):
    """List disks of a region."""

    IGNORED = (
        "AdditionalAttributes AutoSnapshotPolicyId DeleteAutoSnapshot EnableAutoSnapshot "
        "EnableAutomatedSnapshotPolicy EnableShared Encrypted KMSKeyId LockReason MultiAttach PerformanceLevel "
        "ResourceGroupId"
    )
    REFUSALS: ClassVar[dict[str, Refusal]] = {"DiskIds": errors.DISK_IDS}

    region_id: str
    disk_ids: Ids = ()
    instance_id: Text = None
    disk_type: Text = None
    category: Text = None
    status: Text = None
    disk_name: Text = None
    disk_charge_type: Text = None
    delete_with_instance: Flag = None
    portable: Flag = None
    snapshot_id: Text = None
    zone_id: Text = None
    dry_run: Switch = False
    tag: tuple[TagPair, ...] = ()
    filter: tuple[Filter, ...] = ()


class CreateSnapshot(RpcRequest):
    """Take a snapshot of a disk."""

    IGNORED = "Category InstantAccess InstantAccessRetentionDays StorageLocationArn"
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "SnapshotName": errors.SNAPSHOT_NAME,
        "RetentionDays": errors.RETENTION_DAYS,
        "ClientToken": errors.TOKEN_MALFORMED,
        "Tag": errors.TOO_MANY_TAGS,
    }

    disk_id: str
    snapshot_name: Text = None
    description: Text = None
    retention_days: Annotated[Annotated[int, Field(ge=1, le=65536)] | None, Blank] = None
    client_token: Annotated[Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")] | None, Blank] = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = Field((), max_length=20)


class DescribeSnapshots(PagedEitherWay):
    """List snapshots of a region."""

    IGNORED = "Category Encrypted KMSKeyId SnapshotLinkId Usage"
    REFUSALS: ClassVar[dict[str, Refusal]] = {"SnapshotIds": errors.SNAPSHOT_IDS_MALFORMED}

    region_id: str
    snapshot_ids: Ids = Field((), max_length=100)
    disk_id: Text = None
    instance_id: Text = None
    snapshot_name: Text = None
    snapshot_type: Text = None
    source_disk_type: Text = None
    status: Text = None
    resource_group_id: Text = None
    dry_run: Switch = False
    tag: tuple[TagPair, ...] = ()
    filter: tuple[Filter, ...] = ()


class DeleteSnapshot(RpcRequest):
    """Remove a snapshot."""

    IGNORED = "Force"

    snapshot_id: str
