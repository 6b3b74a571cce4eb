"""What filters and forms may offer: names that do not change while the page is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns.operations import OPERATIONS
from cloudheal_sim.kernel.faults import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator


def options(simulator: Simulator, _query: Query) -> Mapping[str, object]:
    """Return services, actions, kinds of faults and deeds of chaos."""
    services = (*simulator.alibaba.services, *simulator.tencent.services)
    return {
        "services": sorted({"mns", *(service.name for service in services)}),
        "actions": sorted({*OPERATIONS, *(name for service in services for name in service.actions)}),
        "faults": [kind.value for kind in Kind],
        "deeds": simulator.chaos.names(),
    }
