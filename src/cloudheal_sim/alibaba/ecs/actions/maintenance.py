"""The calls about maintenance attributes, and the report of trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import existing, known_region
from cloudheal_sim.alibaba.ecs.model.maintenance import DEFAULT, Maintenance, dump_maintenance, read_window
from cloudheal_sim.alibaba.ecs.replies.maintenance import maintenance_attributes
from cloudheal_sim.alibaba.ecs.replies.paging import numbered
from cloudheal_sim.alibaba.ecs.requests.maintenance import (
    DescribeInstanceMaintenanceAttributes,
    ModifyInstanceMaintenanceAttributes,
    ReportInstancesStatus,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.ecs.state import Ecs
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(ModifyInstanceMaintenanceAttributes)
def modify_instance_maintenance_attributes(
    ecs: Ecs, request: ModifyInstanceMaintenanceAttributes, _exchange: Exchange
) -> Reply:
    """Change what is given on every instance named, all or none."""
    for instance in _named(ecs, request.region_id, request.instance_id):
        before = instance.maintenance
        instance.maintenance = _changed(before or DEFAULT, request)
        ecs.kernel.journal.change(
            "instance.maintenance", instance.id, dump_maintenance(before), dump_maintenance(instance.maintenance)
        )
    return {}


def _changed(maintenance: Maintenance, request: ModifyInstanceMaintenanceAttributes) -> Maintenance:
    if request.action_on_maintenance is not None:
        maintenance = replace(maintenance, action=request.action_on_maintenance)
    if request.notify_on_maintenance is not None:
        maintenance = replace(maintenance, notify=request.notify_on_maintenance)
    for given in request.maintenance_window:
        window = read_window(given.start_time, given.end_time)
        if window is None:
            raise invalid("MaintenanceWindow.1", 403)
        maintenance = replace(maintenance, window=window)
    return maintenance


@SERVICE.action(DescribeInstanceMaintenanceAttributes)
def describe_instance_maintenance_attributes(
    ecs: Ecs, request: DescribeInstanceMaintenanceAttributes, exchange: Exchange
) -> Reply:
    """Show the attributes of the instances named, or of all in the region; unknown ids are absent."""
    known_region(ecs, request.region_id)
    wanted = frozenset(request.instance_id)
    shown = [one for one in ecs.fleet.in_region(request.region_id, exchange.as_of) if not wanted or one.id in wanted]
    return maintenance_attributes(numbered(shown, request))


@SERVICE.action(ReportInstancesStatus)
def report_instances_status(ecs: Ecs, request: ReportInstancesStatus, _exchange: Exchange) -> Reply:
    """Note the report in the journal; nobody here looks into it."""
    instances = _named(ecs, request.region_id, request.instance_id)
    about_disks = request.reason in {"abnormal-local-disk", "abnormal-cloud-disk"}
    if about_disks and not (request.disk_id or request.device):
        raise invalid("DiskId.N", 403)
    if None not in {request.start_time, request.end_time} and (request.end_time or 0) < (request.start_time or 0):
        raise Refused(errors.TIME_END_BEFORE_START)
    report = request.model_dump(exclude={"region_id", "instance_id"}, exclude_defaults=True, mode="json")
    for instance in instances:
        ecs.kernel.journal.change("instance.reported", instance.id, None, report)
    return {}


def _named(ecs: Ecs, region: str, ids: Sequence[str]) -> list[Instance]:
    """Return the instances named; one that is unknown refuses all."""
    return [existing(ecs, id_, known_region(ecs, region)) for id_ in dict.fromkeys(ids)]
