"""Wire in: the calls that look at instances, zones and regions."""

from __future__ import annotations

from typing import ClassVar

from cloudheal_sim.tencent.api3 import Api3Request, Struct


class Filter(Struct):
    """One condition: a name, and values of which one must fit."""

    name: str
    values: tuple[str, ...]


class DescribeInstances(Api3Request):
    """A page of instances, by ids or by filters."""

    instance_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    offset: int = 0
    limit: int = 20


class DescribeInstancesStatus(Api3Request):
    """A page of instances with nothing but their states."""

    instance_ids: tuple[str, ...] = ()
    offset: int = 0
    limit: int = 20


class DescribeZones(Api3Request):
    """The zones of the region."""


class DescribeRegions(Api3Request):
    """All regions."""

    REGIONAL: ClassVar[bool] = False


class ModifyInstancesAttribute(Api3Request):
    """Change names, security groups, protection, user data."""

    IGNORED = "CamRoleName CamRoleType AutoReboot EnableJumboFrame"

    instance_ids: tuple[str, ...]
    instance_name: str | None = None
    host_name: str | None = None
    user_data: str | None = None
    security_groups: tuple[str, ...] = ()
    disable_api_termination: bool | None = None
