"""Disks and snapshots."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import unless_dry
from cloudheal_sim.alibaba.ecs.actions.selection import created_within, equal, kept, tagged
from cloudheal_sim.alibaba.ecs.model.disk import Snapshot, SnapshotStatus
from cloudheal_sim.alibaba.ecs.model.instance import Status
from cloudheal_sim.alibaba.ecs.parameters import checked_tags, described, known_region
from cloudheal_sim.alibaba.ecs.replies.paging import either_way
from cloudheal_sim.alibaba.ecs.replies.storage import disk_item, snapshot_item
from cloudheal_sim.alibaba.ecs.requests.storage import (
    CreateSnapshot,
    DeleteSnapshot,
    DescribeDisks,
    DescribeSnapshots,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.tokens import Used

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.disk import Disk
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange

T = TypeVar("T")

#: Manual snapshots that one disk may have.
MOST_SNAPSHOTS = 256
MOST_DISK_IDS = 100
_SNAPSHOT_NAME = re.compile(r"(?!auto|https?://)[A-Za-z一-鿿].{1,127}", re.DOTALL)


@SERVICE.action(DescribeDisks)
def describe_disks(ecs: Ecs, request: DescribeDisks, exchange: Exchange) -> Reply:
    """List disks of a region; ids that are not there are absent."""
    region, as_of, disks = known_region(ecs, request.region_id), exchange.as_of, ecs.storage.disks
    if len(request.disk_ids) > MOST_DISK_IDS:
        raise Refused(errors.DISK_IDS_MALFORMED)
    keeps = _disk_filters(ecs, request, as_of)
    unless_dry(dry_run=request.dry_run)
    if request.disk_ids:
        meant = disks.chosen(request.disk_ids, region, as_of)
    elif request.instance_id and as_of is None:
        meant = [one for one in disks.of(request.instance_id) if one.region == region]
    else:
        meant = list(disks.in_region(region, as_of))
    page = either_way(kept(meant, keeps), request)
    items = [disk_item(one, _charge_type(ecs, one), as_of) for one in page.items]
    return {"Disks": {"Disk": items}, **page.frame}


@SERVICE.action(CreateSnapshot)
def create_snapshot(ecs: Ecs, request: CreateSnapshot, _exchange: Exchange) -> Reply:
    """Begin a snapshot; one at a time of a disk, and a limited number in all."""
    now, asked = ecs.kernel.clock.now(), request.model_dump_json(exclude={"client_token"})
    if request.client_token and (used := ecs.tokens.find("CreateSnapshot", request.client_token, now)):
        if used.fingerprint != asked:
            raise Refused(errors.TOKEN_MISMATCH)
        return {"SnapshotId": used.ids[0]}
    if request.snapshot_name is not None and not _SNAPSHOT_NAME.fullmatch(request.snapshot_name):
        raise Refused(errors.SNAPSHOT_NAME)
    disk = _ready_for_snapshot(ecs, request)
    snapshot = Snapshot(
        id=ecs.new_id("s", disk.region),
        region=disk.region,
        disk=disk.id,
        disk_kind=disk.kind,
        size=disk.size,
        status=Timeline(SnapshotStatus.PROGRESSING, now),
        created=now,
        name=request.snapshot_name or "",
        description=described(request.description) or "",
        retention_days=request.retention_days,
        resource_group=request.resource_group_id or "",
        tags=checked_tags(request.tag),
    )
    ecs.storage.create_snapshot(snapshot, ecs.lifecycle.durations.creating_snapshot)
    if request.client_token:
        ecs.tokens.remember("CreateSnapshot", request.client_token, Used(asked, (snapshot.id,), now))
    return {"SnapshotId": snapshot.id}


@SERVICE.action(DescribeSnapshots)
def describe_snapshots(ecs: Ecs, request: DescribeSnapshots, exchange: Exchange) -> Reply:
    """List snapshots of a region."""
    region, snapshots = known_region(ecs, request.region_id), ecs.storage.snapshots
    keeps = _snapshot_filters(ecs, request)
    unless_dry(dry_run=request.dry_run)
    ids, as_of = request.snapshot_ids, exchange.as_of
    meant = snapshots.chosen(ids, region, as_of) if ids else snapshots.in_region(region, as_of)
    page = either_way(kept(meant, keeps), request)
    now = ecs.kernel.clock.now() if as_of is None else as_of
    return {"Snapshots": {"Snapshot": [snapshot_item(one, now) for one in page.items]}, **page.frame}


@SERVICE.action(DeleteSnapshot)
def delete_snapshot(ecs: Ecs, request: DeleteSnapshot, _exchange: Exchange) -> Reply:
    """Remove a snapshot that is complete."""
    found = ecs.storage.snapshots.find(request.snapshot_id, request.region_id)
    if found is None:
        raise Refused(errors.SNAPSHOT_NOT_FOUND)
    if found.due is not None:
        raise Refused(errors.SNAPSHOT_IN_PROGRESS)
    ecs.storage.delete_snapshot(found)
    return {}


def _ready_for_snapshot(ecs: Ecs, request: CreateSnapshot) -> Disk:
    disk = ecs.storage.disks.find(request.disk_id, request.region_id)
    if disk is None:
        raise Refused(errors.DISK_NOT_FOUND)
    if disk.attached is None:
        raise Refused(errors.NEVER_ATTACHED)
    holder = ecs.fleet.find(disk.instance)
    if holder is not None and holder.status.value not in {Status.RUNNING, Status.STOPPED}:
        raise Refused(errors.INCORRECT_STATUS)
    earlier = ecs.storage.snapshots.of(disk.id)
    if any(one.due is not None for one in earlier):
        raise Refused(errors.CREATING_SNAPSHOT)
    if len(earlier) >= MOST_SNAPSHOTS:
        raise Refused(errors.SNAPSHOT_QUOTA)
    return disk


def _disk_filters(ecs: Ecs, request: DescribeDisks, as_of: int | None) -> list[Callable[[Disk], bool]]:
    keeps: list[Callable[[Disk], bool]] = [tagged(tag) for tag in request.tag]
    keeps += [created_within(one) for one in request.filter]
    wanted: tuple[tuple[object, Callable[[Disk], object]], ...] = (
        (request.instance_id, lambda one: one.instance),
        (None if request.disk_type == "all" else request.disk_type, lambda one: one.kind),
        (None if request.category == "all" else request.category, lambda one: one.category),
        (None if request.status == "All" else request.status, lambda one: one.status.at(as_of)),
        (request.disk_name, lambda one: one.name),
        (request.disk_charge_type, lambda one: _charge_type(ecs, one)),
        (request.delete_with_instance, lambda one: one.delete_with_instance),
        (request.portable, lambda one: one.kind == "data"),
        (request.snapshot_id, lambda one: one.source_snapshot),
        (request.zone_id, lambda one: one.zone),
    )
    return keeps + [equal(value, read) for value, read in wanted if value is not None]


def _snapshot_filters(ecs: Ecs, request: DescribeSnapshots) -> list[Callable[[Snapshot], bool]]:
    keeps: list[Callable[[Snapshot], bool]] = [tagged(tag) for tag in request.tag]
    keeps += [created_within(one) for one in request.filter]
    if request.instance_id is not None:
        of_instance = {disk.id for disk in ecs.storage.disks.of(request.instance_id)}
        keeps.append(lambda one: one.disk in of_instance)
    source = None if request.source_disk_type is None else request.source_disk_type.lower()
    wanted: tuple[tuple[object, Callable[[Snapshot], object]], ...] = (
        (request.disk_id, lambda one: one.disk),
        (request.snapshot_name, lambda one: one.name),
        (None if request.snapshot_type == "all" else request.snapshot_type, lambda _: "user"),
        (source, lambda one: one.disk_kind),
        (None if request.status == "all" else request.status, lambda one: one.status.value),
        (request.resource_group_id, lambda one: one.resource_group),
    )
    return keeps + [equal(value, read) for value, read in wanted if value is not None]


def _charge_type(ecs: Ecs, disk: Disk) -> str:
    holder = ecs.fleet.find(disk.instance)
    return holder.charge_type if holder is not None and disk.kind == "system" else "PostPaid"
