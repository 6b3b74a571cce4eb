"""All instances of one account."""

from __future__ import annotations

from cloudheal_sim.kernel.shelf import Shelf
from cloudheal_sim.tencent.cvm.model.instance import Instance


class Fleet(Shelf[Instance]):
    """The instances: by id, and by region in creation order."""
