"""What happens to disks and snapshots in time: creation, completion, detachment, retention.

Completion and retention are due instants on the objects; timers only say when to look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.disk import Disk, DiskStatus, Snapshot, SnapshotStatus
from cloudheal_sim.alibaba.events import STATUS_NOTIFICATION, SystemEvent
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, MILLIS_PER_SECOND, iso_seconds

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.disk import Disks, Snapshots
    from cloudheal_sim.alibaba.events import Publish
    from cloudheal_sim.kernel.core import Kernel


class Storage:
    """Disks and snapshots with their clockwork."""

    def __init__(self, kernel: Kernel, disks: Disks, snapshots: Snapshots, publish: Publish) -> None:
        self._clock = kernel.clock
        self._journal = kernel.journal
        self._publish = publish
        self.disks = disks
        self.snapshots = snapshots

    def create_disk(self, disk: Disk, seconds: float) -> Disk:
        """Take a new disk in as Creating; it is In_use or Available after `seconds`."""
        disk.due = self._clock.now() + round(seconds * MILLIS_PER_SECOND)
        self.disks.add(disk)
        self._journal.change("disk.status", disk.id, None, disk.status.value)
        self._plan_disk(disk)
        return disk

    def create_snapshot(self, snapshot: Snapshot, seconds: float) -> Snapshot:
        """Take a new snapshot in as progressing; it is accomplished after `seconds`."""
        snapshot.duration = round(seconds * MILLIS_PER_SECOND)
        snapshot.due = self._clock.now() + snapshot.duration
        self.snapshots.add(snapshot)
        self._journal.change("snapshot.status", snapshot.id, None, snapshot.status.value)
        self._plan_snapshot(snapshot)
        return snapshot

    def delete_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Remove a snapshot."""
        self._journal.change("snapshot.status", snapshot.id, snapshot.status.value, None)
        return self.snapshots.remove(snapshot, self._clock.now())

    def started(self, instance_id: str) -> None:
        """Disks do not care whether their instance runs."""

    def released(self, instance_id: str) -> None:
        """Deal with the disks of an instance that is gone: deleted with it, or left Available."""
        for disk in self.disks.detach_all(instance_id):
            disk.due = None
            if disk.delete_with_instance:
                self._journal.change("disk.status", disk.id, disk.status.value, None)
                self.disks.remove(disk, self._clock.now())
                continue
            disk.instance, disk.device, disk.detached = "", "", self._clock.now()
            self._enter(disk, DiskStatus.AVAILABLE)

    def resume(self) -> None:
        """Plan the timers of everything under way anew."""
        for disk in self.disks:
            if disk.due is not None:
                self._plan_disk(disk)
        for snapshot in self.snapshots:
            if snapshot.due is not None or snapshot.retention_days is not None:
                self._plan_snapshot(snapshot)

    def _plan_disk(self, disk: Disk) -> None:
        due = disk.due
        if due is None:
            return
        self._clock.call_at(due, lambda: self._disk_ready(disk) if disk.due == due else None)

    def _disk_ready(self, disk: Disk) -> None:
        disk.due = None
        self._enter(disk, DiskStatus.IN_USE if disk.instance else DiskStatus.AVAILABLE)

    def _enter(self, disk: Disk, status: DiskStatus) -> None:
        before = disk.status.value
        disk.status.set(status, self._clock.now())
        self._journal.change("disk.status", disk.id, before, status)

    def _plan_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.due is not None:
            self._clock.call_at(snapshot.due, lambda: self._snapshot_done(snapshot))
        if snapshot.retention_days is not None:
            ends = snapshot.created + snapshot.retention_days * MILLIS_PER_DAY
            self._clock.call_at(ends, lambda: self._retention_over(snapshot))

    def _retention_over(self, snapshot: Snapshot) -> None:
        if snapshot.id in self.snapshots:
            self.delete_snapshot(snapshot)

    def _snapshot_done(self, snapshot: Snapshot) -> None:
        if snapshot.due is None or snapshot.id not in self.snapshots:
            return
        snapshot.due = None
        snapshot.status.set(SnapshotStatus.ACCOMPLISHED, self._clock.now())
        self._journal.change("snapshot.status", snapshot.id, SnapshotStatus.PROGRESSING, snapshot.status.value)
        self._publish(self._completed(snapshot))

    def _completed(self, snapshot: Snapshot) -> SystemEvent:
        now = self._clock.now()
        return SystemEvent(
            product="ECS",
            name="Snapshot:CreateSnapshotCompleted",
            level="INFO",
            event_type=STATUS_NOTIFICATION,
            status="Normal",
            region=snapshot.region,
            resource=f"snapshot/{snapshot.id}",
            resource_id=snapshot.id,
            at=now,
            content={
                "result": "accomplished",
                "snapshotId": snapshot.id,
                "snapshotName": snapshot.name,
                "snapshotType": "user",
                "diskId": snapshot.disk,
                "startTime": iso_seconds(snapshot.created),
                "endTime": iso_seconds(now),
            },
        )
