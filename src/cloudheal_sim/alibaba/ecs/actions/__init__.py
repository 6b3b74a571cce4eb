"""The ECS calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.alibaba.ecs.actions import (
    assistant,
    assistant_lists,
    catalogue,
    events,
    instances,
    launch,
    maintenance,
    power,
    storage,
    tags,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE

__all__ = [
    "SERVICE",
    "assistant",
    "assistant_lists",
    "catalogue",
    "events",
    "instances",
    "launch",
    "maintenance",
    "power",
    "storage",
    "tags",
]
