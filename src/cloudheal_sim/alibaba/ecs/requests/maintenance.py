"""Wire in: what the owner wishes for maintenance, and what the owner reports."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.model.maintenance import ActionOnMaintenance
from cloudheal_sim.alibaba.ecs.requests.fields import Paged
from cloudheal_sim.alibaba.ecs.requests.times import Instant
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Numbered, Struct


class MaintenanceWindow(Struct):
    """`HH:00:00` in UTC+8, twice."""

    start_time: str
    end_time: str


class ModifyInstanceMaintenanceAttributes(RpcRequest):
    """Changes the maintenance attributes of instances; what is not given stays."""

    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.INSTANCE_ID_LIMIT}

    region_id: str
    instance_id: Annotated[Numbered, Field(min_length=1, max_length=100)]
    action_on_maintenance: Annotated[ActionOnMaintenance | None, Blank] = None
    maintenance_window: tuple[MaintenanceWindow, ...] = Field((), max_length=1)
    notify_on_maintenance: Flag = None


class DescribeInstanceMaintenanceAttributes(Paged):
    """Shows the maintenance attributes of instances."""

    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.INSTANCE_ID_LIMIT}

    region_id: str
    instance_id: Annotated[Numbered, Field(max_length=100)] = ()


class ReportInstancesStatus(RpcRequest):
    """Tells the operator of the cloud that something is wrong with instances; only noted here."""

    IGNORED = "IssueCategory"
    INVALID_STATUS = 403

    region_id: str
    instance_id: Annotated[Numbered, Field(min_length=1, max_length=100)]
    reason: Literal[
        "instance-hang",
        "instance-stuck-in-status",
        "abnormal-network",
        "abnormal-local-disk",
        "abnormal-cloud-disk",
        "others",
    ]
    description: str
    disk_id: Annotated[Numbered, Field(max_length=100)] = ()
    device: Annotated[Numbered, Field(max_length=100)] = ()
    start_time: Instant = None
    end_time: Instant = None
