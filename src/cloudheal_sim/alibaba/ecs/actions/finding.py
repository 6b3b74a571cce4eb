"""What nearly every action asks first: is there such an instance, and is this only a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.parameters import known_region
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.alibaba.rpc.refusal import DRY_RUN

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs


def existing(ecs: Ecs, instance_id: str, region_id: str = "") -> Instance:
    """Return an instance; one that is elsewhere than the region named does not exist there. Raises Refused."""
    found = ecs.fleet.find(instance_id, region_id)
    if found is None:
        raise Refused(errors.INSTANCE_NOT_FOUND)
    return found


def unless_dry(*, dry_run: bool) -> None:
    """End a dry run, everything having been checked. Raises Refused with DryRunOperation."""
    if dry_run:
        raise Refused(DRY_RUN)


__all__ = ["existing", "known_region", "unless_dry"]
