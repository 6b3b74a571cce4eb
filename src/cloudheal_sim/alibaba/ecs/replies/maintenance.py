"""Wire out: maintenance attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.maintenance import DEFAULT, ActionOnMaintenance, written_hour

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.replies.paging import Page
    from cloudheal_sim.alibaba.rpc import Reply


def maintenance_attributes(page: Page[Instance]) -> Reply:
    """Write one page of instances with their maintenance attributes."""
    return {
        **page.frame,
        "MaintenanceAttributes": {"MaintenanceAttribute": [_attribute(one) for one in page.items]},
    }


def _attribute(instance: Instance) -> dict[str, object]:
    maintenance = instance.maintenance or DEFAULT
    window = maintenance.window
    windows = [] if window is None else [{"StartTime": written_hour(window.start), "EndTime": written_hour(window.end)}]
    return {
        "InstanceId": instance.id,
        "ActionOnMaintenance": {
            "Value": str(maintenance.action),
            "DefaultValue": str(DEFAULT.action),
            "SupportedValues": {"SupportedValue": [str(action) for action in ActionOnMaintenance]},
        },
        "MaintenanceWindows": {"MaintenanceWindow": windows},
        "NotifyOnMaintenance": maintenance.notify,
    }
