"""Wire in: application groups, their members and rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.cms.model.groups import NAME_FIELDS, TAG_PREFIX, Function
from cloudheal_sim.alibaba.cms.requests.fields import GroupNumber, Moment, Names, OptionalGroup, PageNumber, PageSize
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Struct, Text

GroupName = Annotated[str, Field(min_length=1, max_length=256)]


def _filter_name(value: object) -> object:
    known = isinstance(value, str) and (value.lower() in NAME_FIELDS or value.startswith(TAG_PREFIX))
    if not known:
        raise ValueError(f"expected one of {', '.join(sorted(NAME_FIELDS))}, {TAG_PREFIX}<key>")
    return value


class Tag(Struct):
    """`Tag.N`."""

    key: str
    value: Text = None


class CreateMonitorGroup(RpcRequest):
    """Create a group."""

    group_name: GroupName
    contact_groups: Names = ()


class ModifyMonitorGroup(RpcRequest):
    """Change a group's name or whom it tells."""

    group_id: GroupNumber
    group_name: Annotated[Annotated[str, Field(max_length=256)] | None, Blank] = None
    contact_groups: Names | None = None


class UpdateMyGroups(RpcRequest):
    """ModifyMonitorGroup as of 2018-03-08."""

    group_id: GroupNumber
    group_name: Annotated[Annotated[str, Field(max_length=256)] | None, Blank] = None
    contact_groups: Names | None = None
    service_id: Text = None
    bind_urls: Text = None


class DeleteMonitorGroup(RpcRequest):
    """Delete a group with its rules."""

    group_id: GroupNumber


class DescribeMonitorGroups(RpcRequest):
    """List groups."""

    group_id: OptionalGroup = None
    group_name: Text = None
    keyword: Text = None
    instance_id: Text = None
    type: Text = None
    types: Names = ()
    dynamic_tag_rule_id: Text = None
    group_founder_tag_key: Text = None
    group_founder_tag_value: Text = None
    tag: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    select_contact_groups: Flag = None
    include_template_history: Flag = None
    page_number: PageNumber = None
    page_size: PageSize = None


class Instance(Struct):
    """`Instances.N`."""

    category: Annotated[str, Field(min_length=1)]
    instance_id: Annotated[str, Field(min_length=1)]
    instance_name: str
    region_id: str


Instances = Annotated[tuple[Instance, ...], Field(min_length=1, max_length=2000)]


class CreateMonitorGroupInstances(RpcRequest):
    """Put resources into a group."""

    group_id: GroupNumber
    instances: Instances


class ModifyMonitorGroupInstances(RpcRequest):
    """Replace the named members of a group."""

    group_id: GroupNumber
    instances: Instances


class DeleteMonitorGroupInstances(RpcRequest):
    """Take resources out of a group."""

    group_id: GroupNumber
    category: str
    instance_id_list: Names


class DescribeMonitorGroupInstances(RpcRequest):
    """List a group's members."""

    group_id: GroupNumber
    category: Text = None
    instance_ids: Names = ()
    keyword: Text = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeMonitorGroupInstanceAttribute(RpcRequest):
    """List a group's members with what is known of them."""

    group_id: GroupNumber
    category: Text = None
    instance_ids: Names = ()
    keyword: Text = None
    total: Flag = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeMonitorGroupCategories(RpcRequest):
    """Count a group's members by category."""

    group_id: GroupNumber


class RuleFilter(Struct):
    """`GroupRules.N.Filters.N`."""

    function: Function
    name: Annotated[str, BeforeValidator(_filter_name)]
    value: Annotated[str, Field(min_length=1)]


class GroupRule(Struct):
    """`GroupRules.N`."""

    category: Annotated[str, Field(min_length=1)]
    filter_relation: Literal["and", "or"]
    filters: Annotated[tuple[RuleFilter, ...], Field(min_length=1, max_length=3)]


class PutMonitorGroupDynamicRule(RpcRequest):
    """Set the rules by which instances join a group; effects are immediate, so IsAsync changes nothing."""

    IGNORED = "IsAsync"

    group_id: GroupNumber
    group_rules: Annotated[tuple[GroupRule, ...], Field(min_length=1, max_length=3)]


class DescribeMonitorGroupDynamicRules(RpcRequest):
    """Show the rules of a group."""

    group_id: GroupNumber


class DeleteMonitorGroupDynamicRule(RpcRequest):
    """Delete a group's rules of one category, or all."""

    group_id: GroupNumber
    category: Text = None


class CreateMonitorGroupNotifyPolicy(RpcRequest):
    """Hold a group's alarms back for a time."""

    group_id: GroupNumber
    policy_type: Literal["PauseNotify"]
    start_time: Moment
    end_time: Moment


class DescribeMonitorGroupNotifyPolicyList(RpcRequest):
    """Show for how long alarms are held back."""

    group_id: OptionalGroup = None
    policy_type: Literal["PauseNotify"]
    page_number: PageNumber = None
    page_size: PageSize = None


class DeleteMonitorGroupNotifyPolicy(RpcRequest):
    """Let a group's alarms through again."""

    group_id: GroupNumber
    policy_type: Literal["PauseNotify"]
