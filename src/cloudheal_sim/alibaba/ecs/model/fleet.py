"""All instances of one account."""

from __future__ import annotations

from cloudheal_sim.alibaba.ecs.model.instance import Instance
from cloudheal_sim.kernel.shelf import Shelf


class Fleet(Shelf[Instance]):
    """The instances: by id, and by region in creation order."""
