"""Wire in: metric alert rules, their targets, and what they have said."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from cloudheal_sim.alibaba.cms.model.metric_rules import NoDataPolicy, Operator
from cloudheal_sim.alibaba.cms.requests.fields import (
    Dimensions,
    GroupNumber,
    Moment,
    Names,
    OptionalGroup,
    PageNumber,
    PageSize,
    read_json,
)
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Numbered, Struct, Text, Whole

_INTERVAL = re.compile(r"\d\d:\d\d-\d\d:\d\d(,\d\d:\d\d-\d\d:\d\d)*")


def _json_text(value: object) -> object:
    """Keep the text, but refuse what is not JSON."""
    if isinstance(value, str) and value.strip():
        read_json(value)
    return value


def _hours(value: object) -> object:
    if isinstance(value, str) and value and not _INTERVAL.fullmatch(value):
        raise ValueError("expected hh:mm-hh:mm")
    return value


def _unpacked(value: object) -> object:
    if not isinstance(value, str):
        return value
    return read_json(value) if value.strip() else None


#: A struct that is packed into one parameter as JSON.
Unpacked = BeforeValidator(_unpacked)
JsonString = Annotated[str | None, Blank, BeforeValidator(_json_text)]
Hours = Annotated[str | None, Blank, BeforeValidator(_hours)]
RuleIds = Annotated[Numbered, Field(min_length=1, max_length=20)]
Seconds = Annotated[Annotated[int, Field(ge=15, le=86_400)] | None, Blank]
Silence = Annotated[Annotated[int, Field(ge=0, le=30 * 86_400)] | None, Blank]


class Level(Struct):
    """`Escalations.Critical` and its like; a level counts when all four parts are given."""

    statistics: Text = None
    comparison_operator: Annotated[Operator | None, Blank] = None
    threshold: Text = None
    times: Annotated[Annotated[int, Field(ge=1, le=1000)] | None, Blank] = None
    pre_condition: Text = None
    n: Whole = None

    @model_validator(mode="after")
    def _whole_or_nothing(self) -> Self:
        parts = (self.statistics, self.comparison_operator, self.threshold, self.times)
        if any(part is not None for part in parts) and None in parts:
            raise ValueError("Statistics, ComparisonOperator, Threshold and Times belong together")
        return self


class Levels(Struct):
    """`Escalations`."""

    critical: Level | None = None
    warn: Level | None = None
    info: Level | None = None


class Label(Struct):
    """`Labels.N`."""

    key: str
    value: str = ""


class Packed(Struct):
    """A struct that both SDKs pack into one JSON parameter; numbers may stand for text there."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class PackedLabel(Packed):
    """A label within packed JSON."""

    key: str
    value: str = ""


class Expression(Packed):
    """`CompositeExpression.ExpressionList.N`."""

    metric_name: str
    comparison_operator: Operator
    statistics: str
    threshold: str
    period: Whole = None


class CompositeExpression(Packed):
    """`CompositeExpression`."""

    expression_list: tuple[Expression, ...] = ()
    expression_list_join: Text = None
    expression_raw: Text = None
    level: Text = None
    times: Whole = None


class Prometheus(Packed):
    """`Prometheus`."""

    prom_ql: str = Field(alias="PromQL")
    level: Text = None
    times: Whole = None
    annotations: tuple[PackedLabel, ...] = ()


class RuleFields(Struct):
    """What every kind of rule has."""

    rule_id: Annotated[str, Field(min_length=1, max_length=100)]
    rule_name: Annotated[str, Field(min_length=1)]
    namespace: Annotated[str, Field(min_length=1)]
    metric_name: Text = None
    contact_groups: Text = None
    escalations: Levels = Levels()
    effective_interval: Hours = None
    no_effective_interval: Hours = None
    email_subject: Text = None
    interval: Text = None
    labels: tuple[Label, ...] = ()
    no_data_policy: Annotated[NoDataPolicy | None, Blank] = None
    period: Seconds = None
    silence_time: Silence = None
    webhook: Text = None


class PutResourceMetricRule(RuleFields, RpcRequest):
    """Create or replace a rule on resources."""

    metric_name: str
    contact_groups: Annotated[str, Field(min_length=1)]
    resources: JsonString = None
    composite_expression: Annotated[CompositeExpression | None, Unpacked] = None
    prometheus: Annotated[Prometheus | None, Unpacked] = None
    send_ok: Flag = Field(None, alias="SendOK")


class ResourceRule(RuleFields):
    """`Rules.N`."""

    contact_groups: Annotated[str, Field(min_length=1)]
    resources: JsonString
    send_ok: Flag = Field(None, alias="SendOK")


class PutResourceMetricRules(RpcRequest):
    """Create or replace several rules on resources."""

    rules: Annotated[tuple[ResourceRule, ...], Field(min_length=1, max_length=60)]


class GroupRule(RuleFields):
    """`GroupMetricRules.N`."""

    metric_name: str
    category: str
    dimensions: Text = None
    options: Text = None


class PutGroupMetricRule(RuleFields, RpcRequest):
    """Create or replace a rule on a group."""

    group_id: GroupNumber
    metric_name: str
    category: Text = None
    dimensions: Text = None
    extra_dimension_json: JsonString = None
    options: Text = None


class CreateGroupMetricRules(RpcRequest):
    """Create several rules on a group."""

    group_id: GroupNumber
    group_metric_rules: Annotated[tuple[GroupRule, ...], Field(min_length=1, max_length=200)]


class DescribeMetricRuleList(RpcRequest):
    """List rules."""

    rule_ids: Annotated[Names, Field(max_length=20)] = ()
    rule_name: Text = None
    namespace: Text = None
    metric_name: Text = None
    alert_state: Annotated[Literal["OK", "ALARM", "INSUFFICIENT_DATA"] | None, Blank] = None
    enable_state: Flag = None
    group_id: OptionalGroup = None
    dimensions: Text = None
    page: PageNumber = None
    page_size: Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank] = None


class DescribeMetricRuleCount(RpcRequest):
    """Count rules by state."""

    namespace: Text = None
    metric_name: Text = None


class EnableMetricRules(RpcRequest):
    """Let rules speak."""

    rule_id: RuleIds


class DisableMetricRules(RpcRequest):
    """Keep rules from speaking."""

    rule_id: RuleIds


class DeleteMetricRules(RpcRequest):
    """Delete rules."""

    id: RuleIds


class RuleTarget(Struct):
    """`Targets.N`."""

    id: Annotated[str, Field(min_length=1)]
    arn: Annotated[str, Field(pattern=r"^acs:[a-z]+:[^:]*:[^:]*:.+")]
    level: Text = None
    json_params: JsonString = None


class PutMetricRuleTargets(RpcRequest):
    """Add or replace targets of a rule."""

    rule_id: str
    targets: Annotated[tuple[RuleTarget, ...], Field(min_length=1, max_length=5)]


class DescribeMetricRuleTargets(RpcRequest):
    """List the targets of a rule."""

    rule_id: str


class DeleteMetricRuleTargets(RpcRequest):
    """Delete targets of a rule."""

    rule_id: str
    target_ids: Annotated[Numbered, Field(min_length=1, max_length=5)]


class DescribeAlertLogList(RpcRequest):
    """List what rules have said; `SourceType` and the like name sources that do not exist here."""

    IGNORED = "SourceType EventType GroupBy"

    rule_id: Text = None
    rule_name: Text = None
    namespace: Text = None
    metric_name: Text = None
    group_id: OptionalGroup = None
    contact_group: Text = None
    level: Text = None
    product: Text = None
    search_key: Text = None
    send_status: Text = None
    start_time: Moment = None
    end_time: Moment = None
    last_min: Whole = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeAlertingMetricRuleResources(RpcRequest):
    """List the resources that are in alarm."""

    rule_id: Text = None
    group_id: OptionalGroup = None
    namespace: Text = None
    dimensions: Dimensions = ()
    alert_before_time: Moment = None
    page: PageNumber = None
    page_size: PageSize = None
