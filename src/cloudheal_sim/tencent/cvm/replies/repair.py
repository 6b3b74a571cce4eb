"""Wire out: repair tasks. Their times carry no zone and are in UTC+8 (UNVERIFIED)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import to_datetime, to_millis
from cloudheal_sim.tencent.cvm.model.repair import TYPE_NAMES, TaskStatus

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.model.repair import RepairTask

TIME_FORM = "YYYY-MM-DD hh:mm:ss"
_FORM = "%Y-%m-%d %H:%M:%S"
_LOCAL = timezone(timedelta(hours=8))


def local(instant: int) -> str:
    """Write an instant as the tasks show it."""
    return to_datetime(instant).astimezone(_LOCAL).strftime(_FORM)


def from_local(text: str) -> int | None:
    """Read such a time; None when it is none."""
    try:
        return to_millis(datetime.strptime(text, _FORM).replace(tzinfo=_LOCAL).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def start_of_day(instant: int) -> int:
    """Return the beginning of the local day of an instant."""
    return to_millis(to_datetime(instant).astimezone(_LOCAL).replace(hour=0, minute=0, second=0, microsecond=0))


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
