"""Wire out: repair tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.cvm.model.repair import TYPE_NAMES, TaskStatus
from cloudheal_sim.tencent.times import local

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.model.repair import RepairTask


def task_row(task: RepairTask, instance: Instance, as_of: int | None) -> dict[str, object]:
    """Show one task with the instance that it is about."""
    status = int(task.status.at(as_of) or TaskStatus.AWAITING)
    network = instance.network
    return {
        "TaskId": task.id,
        "InstanceId": task.instance,
        "Alias": instance.name,
        "TaskTypeId": task.type,
        "TaskTypeName": TYPE_NAMES.get(task.type, ""),
        "TaskSubType": None,
        "TaskStatus": status,
        "DeviceStatus": status,
        "OperateStatus": status,
        "CreateTime": local(task.created),
        "AuthTime": local(task.planned),
        "EndTime": None if task.ended is None else local(task.ended),
        "TaskDetail": task.detail,
        "Zone": instance.zone,
        "Region": instance.region,
        "VpcId": network.vpc,
        "VpcName": "Default-VPC",
        "SubnetId": network.subnet,
        "SubnetName": "Default-Subnet",
        "WanIp": next(iter(network.public_ips), ""),
        "LanIp": network.private_ip,
        "Product": "CVM",
        "AuthType": task.auth_type,
        "AuthSource": str(task.auth_source),
    }
