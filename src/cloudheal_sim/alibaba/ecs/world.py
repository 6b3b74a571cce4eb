"""ECS's section of the world document: every instance, disk and snapshot, what is under way, and the catalogue.

Reading checks everything and builds nothing, because the world's time is not known yet; installing builds the objects
and plans the timers from the due instants in them; dumping writes the full form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.ecs.model.catalogue import Catalogue
from cloudheal_sim.alibaba.ecs.world_catalogue import catalogue_document, catalogue_of
from cloudheal_sim.alibaba.ecs.world_instances import InstanceBuilder, instance_document
from cloudheal_sim.alibaba.ecs.world_parts import EcsPart
from cloudheal_sim.alibaba.ecs.world_storage import (
    disk_document,
    disk_from,
    snapshot_document,
    snapshot_from,
    system_disk_for,
)
from cloudheal_sim.kernel.world import WorldError, once, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.state import Ecs


@dataclass(frozen=True, slots=True)
class Plan:
    """A share of a world document that was read and found good."""

    part: EcsPart
    catalogue: Catalogue


class EcsSection:
    """ECS's share of the world."""

    keys = frozenset(EcsPart.model_fields)

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def read(self, part: Mapping[str, Any]) -> Plan:
        """Check a share of a document. Raises WorldError."""
        read = parsed(EcsPart, part, "alibaba")
        catalogue = catalogue_of(read)
        known = _instance_ids(read, catalogue)
        _check_disks(read, known)
        once("alibaba.snapshots", [one.id for one in read.snapshots])
        return Plan(read, catalogue)

    def install(self, parsed: Plan) -> None:
        """Replace ECS's state by what was read."""
        ecs, part = self._ecs, parsed.part
        for shelf in (ecs.fleet, ecs.storage.disks, ecs.storage.snapshots, ecs.addresses):
            shelf.clear()
        ecs.catalogue, ecs.overdue = parsed.catalogue, part.overdue
        ecs.lifecycle.durations = part.durations
        ecs.stock.load(part.stock)
        ecs.tokens.load(part.client_tokens)
        InstanceBuilder(ecs).build(part.instances)
        self._install_disks(part)
        self._resume()

    def dump(self) -> dict[str, object]:
        """Write ECS's state in full."""
        ecs = self._ecs
        return {
            **catalogue_document(ecs.catalogue),
            "durations": ecs.lifecycle.durations.model_dump(),
            "stock": ecs.stock.dump(),
            "overdue": ecs.overdue,
            "client_tokens": ecs.tokens.dump(),
            "instances": [instance_document(one) for one in ecs.fleet.everything()],
            "disks": [disk_document(one) for one in ecs.storage.disks.everything()],
            "snapshots": [snapshot_document(one) for one in ecs.storage.snapshots.everything()],
        }

    def _install_disks(self, part: EcsPart) -> None:
        ecs, now = self._ecs, self._ecs.kernel.clock.now()
        with_system = {one.instance for one in part.disks if one.kind == "system" and one.released is None}
        for instance in ecs.fleet:
            if instance.id not in with_system:
                ecs.storage.disks.add(system_disk_for(instance, ecs.catalogue))
        for disk in part.disks:
            ecs.storage.disks.add(disk_from(disk, ecs.fleet, now))
        for snapshot in part.snapshots:
            ecs.storage.snapshots.add(snapshot_from(snapshot, now))

    def _resume(self) -> None:
        ecs = self._ecs
        ecs.lifecycle.resume()
        ecs.reclaims.resume()
        ecs.terms.resume()
        ecs.storage.resume()


def _instance_ids(part: EcsPart, catalogue: Catalogue) -> set[str]:
    ids: list[str] = []
    for number, one in enumerate(part.instances):
        region = catalogue.regions.get(one.region)
        where = f"alibaba.instances.{number}"
        if region is None:
            msg = f"{where}.region: no region {one.region!r}; this world has {', '.join(catalogue.regions)}"
            raise WorldError(msg)
        if one.zone is not None and not one.zone.startswith(f"{one.region}"):
            msg = f"{where}.zone: {one.zone!r} is not in region {one.region!r}"
            raise WorldError(msg)
        ids += one.ids
    return once("alibaba.instances", ids)


def _check_disks(part: EcsPart, instances: set[str]) -> None:
    once("alibaba.disks", [one.id for one in part.disks])
    for number, one in enumerate(part.disks):
        if one.instance and one.instance not in instances and one.released is None:
            msg = f"alibaba.disks.{number}.instance: no instance {one.instance!r} in this world"
            raise WorldError(msg)
