"""Wire in: tags, in the present and in the old form."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.fields import Paged, Switch, TagPair
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Numbered, Struct, Text


class TagFilter(Struct):
    """`TagFilter.N.TagKey` with `TagFilter.N.TagValues.M`."""

    tag_key: str = ""
    tag_values: Numbered = ()


class _OfResources(RpcRequest):
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "ResourceId": errors.TOO_MANY_RESOURCES,
        "Tag": errors.TOO_MANY_TAGS,
        "TagKey": errors.TOO_MANY_TAGS,
    }

    region_id: str
    resource_type: str


class TagResources(_OfResources):
    """Add or change tags of up to 50 resources."""

    resource_id: Annotated[Numbered, Field(max_length=50)]
    tag: tuple[TagPair, ...] = Field(min_length=1, max_length=20)


class UntagResources(_OfResources):
    """Take tags off up to 50 resources."""

    resource_id: Annotated[Numbered, Field(max_length=50)]
    tag_key: Annotated[Numbered, Field(max_length=20)] = ()
    all: Switch = False


class ListTagResources(_OfResources):
    """List tags by resource, or resources by tag."""

    resource_id: Annotated[Numbered, Field(max_length=50)] = ()
    tag: tuple[TagPair, ...] = Field((), max_length=20)
    tag_filter: tuple[TagFilter, ...] = ()
    next_token: Text = None


class DescribeTags(Paged):
    """Count resources by tag (the old form)."""

    IGNORED = "Category"

    region_id: str
    resource_type: Text = None
    resource_id: Text = None
    tag: tuple[TagPair, ...] = ()


class AddTags(RpcRequest):
    """Add tags to one resource (the old form)."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {"Tag": errors.TOO_MANY_TAGS}

    region_id: str
    resource_type: str
    resource_id: str
    tag: tuple[TagPair, ...] = Field(min_length=1, max_length=20)


class RemoveTags(RpcRequest):
    """Take tags off one resource (the old form)."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {"Tag": errors.TOO_MANY_TAGS}

    region_id: str
    resource_type: str
    resource_id: str
    tag: tuple[TagPair, ...] = Field((), max_length=20)
