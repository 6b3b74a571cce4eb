"""The ECS service object; every module of `actions/` declares its calls on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Service

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.state import Ecs

SERVICE: Service[Ecs] = Service("ecs", "Ecs", "2014-05-26")
