"""Wire in: tags, in the present calls and in the older ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Flag, Numbered, Text
from cloudheal_sim.alibaba.slb.requests.balancers import NamedTags, Tags

Kind = Literal["instance", "vservergroup"]


class TagResources(RpcRequest):
    """Set tags on load balancers or server groups."""

    resource_type: Kind
    resource_id: Annotated[Numbered, Field(min_length=1, max_length=50)]
    tag: Annotated[Tags, Field(min_length=1)]


class UntagResources(RpcRequest):
    """Take tags off load balancers or server groups."""

    resource_type: Kind
    resource_id: Annotated[Numbered, Field(min_length=1, max_length=50)]
    tag_key: Numbered = ()
    all: Flag = None


class ListTagResources(RpcRequest):
    """Which resources have which tags."""

    resource_type: Kind
    resource_id: Numbered = ()
    tag: Tags = ()
    next_token: Text = None


class AddTags(RpcRequest):
    """Set tags on a load balancer (older call)."""

    load_balancer_id: str
    tags: Annotated[NamedTags, Field(min_length=1, max_length=20)]


class RemoveTags(RpcRequest):
    """Take tags off a load balancer (older call)."""

    load_balancer_id: str
    tags: Annotated[NamedTags, Field(min_length=1, max_length=20)]


class DescribeTags(RpcRequest):
    """The tags in use (older call)."""

    load_balancer_id: Text = None
    tags: NamedTags = ()
    distinct_key: Flag = None
    page_number: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(50, ge=1, le=100)
