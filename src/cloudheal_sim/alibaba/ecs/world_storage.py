"""Disks and snapshots between the world document and the shelves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.disk import Disk, DiskStatus, Snapshot
from cloudheal_sim.alibaba.ecs.world_instances import AGE
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_millis, to_millis
from cloudheal_sim.kernel.moments import moments, timeline, timeline_document
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from datetime import datetime

    from cloudheal_sim.alibaba.ecs.model.catalogue import Catalogue
    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.world_parts import DiskPart, SnapshotPart

SYSTEM_DEVICE = "/dev/xvda"
DATA_DEVICE = "/dev/xvdb"


def system_disk_for(instance: Instance, catalogue: Catalogue) -> Disk:
    """Make the system disk of an instance whose document names none; its id follows the instance's."""
    image = catalogue.images.get(instance.image)
    return Disk(
        id=f"d-{instance.id.removeprefix('i-')}",
        region=instance.region,
        zone=instance.zone,
        kind="system",
        status=Timeline(DiskStatus.IN_USE, instance.created),
        created=instance.created,
        instance=instance.id,
        device=SYSTEM_DEVICE,
        size=image.size if image else 40,
        image=instance.image,
        attached=instance.created,
    )


def disk_from(part: DiskPart, fleet: Fleet, now: int) -> Disk:
    """Build one disk; what is attached is where its instance is."""
    holder = fleet.find(part.instance)
    created = now - AGE if part.created is None else to_millis(part.created)
    region = part.region or (holder.region if holder else "cn-hangzhou")
    status = part.status or (DiskStatus.IN_USE if part.instance else DiskStatus.AVAILABLE)
    return Disk(
        id=part.id,
        region=region,
        zone=part.zone or (holder.zone if holder else f"{region}-i"),
        kind=part.kind,
        status=timeline(status, created if part.since is None else to_millis(part.since), part.history),
        created=created,
        instance=part.instance,
        device=_device(part),
        category=part.category,
        size=part.size,
        name=part.name,
        description=part.description,
        image=part.image,
        source_snapshot=part.source_snapshot,
        tags=part.tags,
        delete_with_instance=part.delete_with_instance,
        attached=_at(part.attached) or (created if part.instance else None),
        detached=_at(part.detached),
        released=_at(part.released),
        due=_at(part.due),
    )


def snapshot_from(part: SnapshotPart, now: int) -> Snapshot:
    """Build one snapshot."""
    created = now - AGE if part.created is None else to_millis(part.created)
    return Snapshot(
        id=part.id,
        region=part.region,
        disk=part.disk,
        disk_kind=part.disk_kind,
        size=part.size,
        status=timeline(part.status, created if part.since is None else to_millis(part.since), part.history),
        created=created,
        name=part.name,
        description=part.description,
        retention_days=part.retention_days,
        resource_group=part.resource_group,
        tags=part.tags,
        due=_at(part.due),
        duration=round(part.duration * MILLIS_PER_SECOND),
        released=_at(part.released),
    )


def disk_document(disk: Disk) -> dict[str, object]:
    """Write one disk in full."""
    return {
        "id": disk.id,
        "region": disk.region,
        "zone": disk.zone,
        "kind": disk.kind,
        **timeline_document(disk.status),
        "instance": disk.instance,
        "device": disk.device,
        "category": disk.category,
        "size": disk.size,
        "name": disk.name,
        "description": disk.description,
        "image": disk.image,
        "source_snapshot": disk.source_snapshot,
        "tags": dict(disk.tags),
        "delete_with_instance": disk.delete_with_instance,
        "created": iso_millis(disk.created),
        **moments(attached=disk.attached, detached=disk.detached, released=disk.released, due=disk.due),
    }


def snapshot_document(snapshot: Snapshot) -> dict[str, object]:
    """Write one snapshot in full."""
    return {
        "id": snapshot.id,
        "region": snapshot.region,
        "disk": snapshot.disk,
        "disk_kind": snapshot.disk_kind,
        "size": snapshot.size,
        **timeline_document(snapshot.status),
        "created": iso_millis(snapshot.created),
        "name": snapshot.name,
        "description": snapshot.description,
        "retention_days": snapshot.retention_days,
        "resource_group": snapshot.resource_group,
        "tags": dict(snapshot.tags),
        "duration": snapshot.duration / MILLIS_PER_SECOND,
        **moments(due=snapshot.due, released=snapshot.released),
    }


def _at(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)


def _device(part: DiskPart) -> str:
    if part.device is not None:
        return part.device
    if not part.instance:
        return ""
    return SYSTEM_DEVICE if part.kind == "system" else DATA_DEVICE
