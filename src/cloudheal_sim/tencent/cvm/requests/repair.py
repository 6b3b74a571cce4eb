"""Wire in: the platform's repair tasks."""

from __future__ import annotations

from typing import ClassVar, Literal

from cloudheal_sim.tencent.api3 import Api3Request


class DescribeTaskInfo(Api3Request):
    """A page of repair tasks; without dates those that were made today."""

    REGIONAL: ClassVar[bool] = False

    limit: int
    offset: int
    product: str = ""
    task_status: tuple[int, ...] = ()
    task_type_ids: tuple[int, ...] = ()
    task_ids: tuple[str, ...] = ()
    instance_ids: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    start_date: str = ""
    end_date: str = ""
    order_field: Literal["CreateTime", "AuthTime", "EndTime"] = "CreateTime"
    order: Literal[0, 1] = 0


class RepairTaskControl(Api3Request):
    """Authorise a waiting task, now or for a time."""

    REGIONAL: ClassVar[bool] = False

    product: str
    instance_ids: tuple[str, ...]
    task_id: str
    operate: str
    order_auth_time: str = ""
    task_sub_method: Literal["", "LossyLocal"] = ""
