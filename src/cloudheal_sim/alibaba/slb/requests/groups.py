"""Wire in: server groups."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Text
from cloudheal_sim.alibaba.slb.requests.balancers import Tags

Name = Annotated[Annotated[str, Field(max_length=80)] | None, Blank]


class CreateVServerGroup(RpcRequest):
    """A new server group of a balancer."""

    load_balancer_id: str
    v_server_group_name: Name = None
    backend_servers: str = ""
    tag: Tags = ()


class DeleteVServerGroup(RpcRequest):
    """Delete a server group that no listener uses."""

    v_server_group_id: str


class SetVServerGroupAttribute(RpcRequest):
    """Rename a server group, or set the weights of its members: the drain step."""

    v_server_group_id: str
    v_server_group_name: Name = None
    backend_servers: str = ""


class DescribeVServerGroups(RpcRequest):
    """The server groups of a balancer."""

    IGNORED = "IncludeRule"

    load_balancer_id: str
    description: Text = None
    include_listener: Flag = None
    tag: Tags = ()


class DescribeVServerGroupAttribute(RpcRequest):
    """One server group with its members."""

    v_server_group_id: str


class DescribeMasterSlaveServerGroups(RpcRequest):
    """The primary/secondary groups of a region; none can be made here, so none are listed."""

    IGNORED = "Description IncludeListener Tag"

    load_balancer_id: Text = None
