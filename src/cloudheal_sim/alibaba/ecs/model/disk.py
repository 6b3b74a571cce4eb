"""Disks and their snapshots. A disk belongs to an instance or lies about; a snapshot takes its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.shelf import Shelf
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class DiskStatus(StrEnum):
    """The states of a disk that occur here."""

    CREATING = "Creating"
    IN_USE = "In_use"
    AVAILABLE = "Available"


class SnapshotStatus(StrEnum):
    """The states of a snapshot."""

    PROGRESSING = "progressing"
    ACCOMPLISHED = "accomplished"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Disk:
    """One disk; instants are epoch milliseconds, the size is in GiB."""

    id: str
    region: str
    zone: str
    kind: str
    """`system` or `data`."""
    status: Timeline[DiskStatus]
    created: int
    instance: str = ""
    """The instance it is attached to, empty when none."""
    device: str = ""
    category: str = "cloud_essd"
    size: int = 40
    name: str = ""
    description: str = ""
    image: str = ""
    source_snapshot: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    delete_with_instance: bool = True
    attached: int | None = None
    detached: int | None = None
    released: int | None = None
    due: int | None = None
    """When Creating ends."""
    seq: int = 0


@dataclass(slots=True, eq=False)
class Snapshot:
    """One snapshot of a disk; instants are epoch milliseconds, the size is in GiB."""

    id: str
    region: str
    disk: str
    disk_kind: str
    size: int
    status: Timeline[SnapshotStatus]
    created: int
    name: str = ""
    description: str = ""
    retention_days: int | None = None
    resource_group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    due: int | None = None
    """When it is accomplished."""
    duration: int = 0
    """How long it takes in all, milliseconds; progress is told from it."""
    released: int | None = None
    seq: int = 0

    def progress(self, now: int) -> int:
        """Return the per cent done at `now`; below 100 while it goes on."""
        if self.due is None or not self.duration:
            return 100
        return max(0, min(99, round(100 * (now - self.due + self.duration) / self.duration)))


class Disks(Shelf[Disk]):
    """The disks; those of one instance are found without a search."""

    def __init__(self) -> None:
        super().__init__()
        self._by_instance: dict[str, tuple[Disk, ...]] = {}

    def add(self, resource: Disk) -> Disk:
        """Take a disk in as the youngest."""
        super().add(resource)
        if resource.instance and resource.released is None:
            self._by_instance[resource.instance] = (*self.of(resource.instance), resource)
        return resource

    def of(self, instance_id: str) -> tuple[Disk, ...]:
        """Return the disks attached to an instance, the system disk first."""
        return self._by_instance.get(instance_id, ())

    def detach_all(self, instance_id: str) -> Iterable[Disk]:
        """Take an instance's disks off it and return them; what becomes of them is the caller's decision."""
        return self._by_instance.pop(instance_id, ())

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        super().clear()
        self._by_instance.clear()


class Snapshots(Shelf[Snapshot]):
    """The snapshots."""

    def of(self, disk_id: str) -> list[Snapshot]:
        """Return the snapshots of a disk, oldest first."""
        return [snapshot for snapshot in self if snapshot.disk == disk_id]
