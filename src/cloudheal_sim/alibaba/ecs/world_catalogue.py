"""The catalogue's share of the world document: what may be chosen from, checked for references that lead nowhere."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model import catalogue as defaults
from cloudheal_sim.alibaba.ecs.model.catalogue import Catalogue, Region
from cloudheal_sim.alibaba.ecs.world_parts import EcsPart, RegionPart
from cloudheal_sim.kernel.world import WorldError

if TYPE_CHECKING:
    from collections.abc import Iterable


def catalogue_of(part: EcsPart) -> Catalogue:
    """Build the lists in force. Raises WorldError when a network is in a region that is not there."""
    listed = defaults.regions() if part.regions is None else tuple(_region(one) for one in part.regions)
    regions = {one.id: one for one in listed}
    vswitches = defaults.vswitches(listed) if part.vswitches is None else part.vswitches
    groups = defaults.security_groups(listed) if part.security_groups is None else part.security_groups
    _placed("vswitches", vswitches, regions)
    _placed("security_groups", groups, regions)
    return Catalogue(
        regions=regions,
        types={one.id: one for one in (part.instance_types or defaults.instance_types())},
        images={one.id: one for one in (part.images or defaults.images())},
        vswitches={one.id: one for one in vswitches},
        groups={one.id: one for one in groups},
    )


def catalogue_document(catalogue: Catalogue) -> dict[str, object]:
    """Write the lists in force in full."""
    return {
        "regions": [asdict(one) for one in catalogue.regions.values()],
        "instance_types": [asdict(one) for one in catalogue.types.values()],
        "images": [asdict(one) for one in catalogue.images.values()],
        "vswitches": [asdict(one) for one in catalogue.vswitches.values()],
        "security_groups": [asdict(one) for one in catalogue.groups.values()],
    }


def _region(given: str | RegionPart) -> Region:
    part = RegionPart(id=given) if isinstance(given, str) else given
    known = next((one for one in defaults.regions() if one.id == part.id), None)
    if known is None:
        known = Region(part.id, part.id, defaults.region_code(part.id), tuple(f"{part.id}-{zone}" for zone in "abc"))
    zones = known.zones if part.zones is None else part.zones
    return Region(part.id, part.name or known.name, part.code or known.code, zones)


def _placed(key: str, listed: Iterable[defaults.VSwitch | defaults.SecurityGroup], regions: dict[str, Region]) -> None:
    for one in listed:
        if one.region not in regions:
            msg = f"alibaba.{key}: {one.id} is in region {one.region!r}, which this world does not have"
            raise WorldError(msg)
