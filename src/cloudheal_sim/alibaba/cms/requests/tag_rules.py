"""Wire in: rules that make a group for each value of a tag."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.groups import Function
from cloudheal_sim.alibaba.cms.requests.fields import PageNumber, PageSize
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Numbered, Struct, Text


class MatchExpress(Struct):
    """`MatchExpress.N`."""

    tag_name: Text = None
    tag_value: str = ""
    tag_value_match_function: Function = "all"


class CreateDynamicTagGroup(RpcRequest):
    """Make a group for each value of a tag; agents are always there, and groups get no event rules by themselves."""

    IGNORED = "EnableInstallAgent EnableSubscribeEvent"

    tag_key: Annotated[str, Field(min_length=1)]
    tag_region_id: Text = None
    contact_group_list: Annotated[Numbered, Field(min_length=1, max_length=100)]
    match_express: Annotated[tuple[MatchExpress, ...], Field(min_length=1, max_length=3)]
    match_express_filter_relation: Annotated[Literal["and", "or"] | None, Blank] = None
    template_id_list: Annotated[Numbered, Field(max_length=100)] = ()


class DescribeDynamicTagRuleList(RpcRequest):
    """List such rules."""

    dynamic_tag_rule_id: Text = None
    tag_key: Text = None
    tag_value: Text = None
    tag_region_id: Text = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DeleteDynamicTagGroup(RpcRequest):
    """Delete such a rule with the groups that it made."""

    dynamic_tag_rule_id: str
