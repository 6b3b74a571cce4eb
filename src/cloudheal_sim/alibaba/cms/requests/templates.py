"""Wire in: alert templates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.requests.fields import GroupNumber, Names, OptionalGroup, PageNumber, PageSize
from cloudheal_sim.alibaba.cms.requests.metric_rules import JsonString, Levels, Seconds
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Struct, Text

TemplateName = Annotated[str, Field(min_length=1, max_length=100)]
#: The console of requirement S4.24 takes no longer description.
Description = Annotated[Annotated[str, Field(max_length=64)] | None, Blank]
Hour = Annotated[Annotated[int, Field(ge=0, le=23)] | None, Blank]


class AlertTemplate(Struct):
    """`AlertTemplates.N`."""

    category: Annotated[str, Field(min_length=1)]
    namespace: Annotated[str, Field(min_length=1)]
    metric_name: Annotated[str, Field(min_length=1)]
    rule_name: Annotated[str, Field(min_length=1)]
    period: Seconds = None
    selector: JsonString = None
    webhook: Text = None
    escalations: Levels = Levels()


Rules = Annotated[tuple[AlertTemplate, ...], Field(min_length=1, max_length=200)]


class CreateMetricRuleTemplate(RpcRequest):
    """Create a template."""

    name: TemplateName
    description: Description = None
    alert_templates: Rules


class ModifyMetricRuleTemplate(RpcRequest):
    """Change a template; `RestVersion` is the version that the caller has read."""

    template_id: GroupNumber
    rest_version: Annotated[int, Field(ge=0)]
    name: Annotated[Annotated[str, Field(max_length=100)] | None, Blank] = None
    description: Description = None
    alert_templates: Annotated[tuple[AlertTemplate, ...], Field(max_length=200)] | None = None


class DeleteMetricRuleTemplate(RpcRequest):
    """Delete a template; the rules made of it stay."""

    template_id: GroupNumber


class DescribeMetricRuleTemplateList(RpcRequest):
    """List templates; `Order` true means ascending."""

    template_id: OptionalGroup = None
    name: Text = None
    keyword: Text = None
    history: Flag = None
    order_by: Annotated[Literal["gmtMotified", "gmtModified", "gmtCreate"] | None, Blank] = None
    order: Flag = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeMetricRuleTemplateAttribute(RpcRequest):
    """Show one template with its rules."""

    template_id: OptionalGroup = None
    name: Text = None


class ApplyMetricRuleTemplate(RpcRequest):
    """Make rules of templates for a group; contacts decide themselves how loudly they are told."""

    IGNORED = "NotifyLevel"

    group_id: GroupNumber
    template_ids: Annotated[Names, Field(min_length=1, max_length=20)]
    apply_mode: Annotated[Literal["GROUP_INSTANCE_FIRST", "ALARM_TEMPLATE_FIRST"] | None, Blank] = None
    append_mode: Annotated[Literal["all", "append"] | None, Blank] = None
    enable_start_time: Hour = None
    enable_end_time: Hour = None
    silence_time: Annotated[Annotated[int, Field(ge=0)] | None, Blank] = None
    webhook: Text = None
