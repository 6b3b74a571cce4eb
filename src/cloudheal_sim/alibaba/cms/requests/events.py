"""Wire in: event rules, their targets, system events and custom events."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, JsonText, Numbered, Struct, Text
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_millis

#: Below this a Unix time is in seconds: the year 5138, or in milliseconds March 1973.
_MOST_SECONDS = 100_000_000_000
_DIGITS = re.compile(r"\d{1,15}")


def _instant(value: object) -> object:
    """Read Unix seconds or milliseconds; the documentation says one and shows the other."""
    if value == "" or value is None:
        return None
    if not (isinstance(value, str) and _DIGITS.fullmatch(value)):
        msg = "a Unix time was expected"
        raise ValueError(msg)
    return int(value) * (MILLIS_PER_SECOND if int(value) < _MOST_SECONDS else 1)


def _event_time(value: object) -> object:
    """Read `20260302T110026.922+0800`, or a Unix time."""
    if isinstance(value, str) and "T" in value:
        return to_millis(datetime.strptime(value, "%Y%m%dT%H%M%S.%f%z"))
    return _instant(value)


def _upper(value: object) -> object:
    return (value.upper() or None) if isinstance(value, str) else value


Instant = Annotated[int | None, BeforeValidator(_instant)]
EventTime = Annotated[int | None, BeforeValidator(_event_time)]
Names = Annotated[Numbered, Field(max_length=50)]
PageNumber = Annotated[int, BeforeValidator(lambda value: value or 1), Field(ge=1, le=100_000_000)]
PageSize = Annotated[int, BeforeValidator(lambda value: value or 10), Field(ge=1, le=100)]


class KeywordFilter(Struct):
    """Keywords of the older form of a pattern."""

    keywords: Names = ()
    relation: Annotated[Literal["OR", "NOT"] | None, BeforeValidator(_upper)] = None


class EventPattern(Struct):
    """`EventPattern.N`."""

    product: str = Field(min_length=1)
    name_list: Names = ()
    level_list: Names = ()
    event_type_list: Names = ()
    status_list: Names = ()
    custom_filters: Text = None
    sql_filter: Annotated[Text, Field(alias="SQLFilter")] = None
    keyword_filter: KeywordFilter = KeywordFilter()


class PutEventRule(RpcRequest):
    """Create or change a rule by its name; what is absent stays as it was."""

    rule_name: str = Field(min_length=1, max_length=200)
    event_pattern: Annotated[tuple[EventPattern, ...], Field(min_length=1, max_length=50)]
    event_type: Annotated[Literal["SYSTEM", "CUSTOM"] | None, BeforeValidator(_upper)] = None
    state: Annotated[Literal["ENABLED", "DISABLED"] | None, BeforeValidator(_upper)] = None
    group_id: Text = None
    silence_time: Annotated[Annotated[int, Field(ge=0)] | None, Blank] = None
    description: Text = None


class MnsParameter(Struct):
    """`MnsParameters.N`."""

    id: Text = None
    region: Text = None
    queue: Text = None
    topic: Text = None

    @model_validator(mode="after")
    def _one_place(self) -> MnsParameter:
        if bool(self.queue) == bool(self.topic):
            msg = "one of Queue and Topic was expected"
            raise ValueError(msg)
        return self


class WebhookParameter(Struct):
    """`WebhookParameters.N`."""

    id: Text = None
    method: Annotated[Literal["GET", "POST"] | None, BeforeValidator(_upper)] = None
    protocol: Text = None
    url: str = Field(min_length=1)


class FcParameter(Struct):
    """`FcParameters.N`."""

    id: Text = None
    region: Text = None
    service_name: str
    function_name: str


class SlsParameter(Struct):
    """`SlsParameters.N`."""

    id: Text = None
    region: Text = None
    project: str
    log_store: str


class ContactParameter(Struct):
    """`ContactParameters.N`."""

    id: Text = None
    contact_group_name: str
    level: Annotated[Literal["2", "3", "4"] | None, Blank] = None


class OpenApiParameter(Struct):
    """`OpenApiParameters.N`."""

    id: Text = None
    product: str
    action: str
    version: str
    region: Text = None
    role: Text = None
    arn: Text = None
    json_params: Text = None


class PutEventRuleTargets(RpcRequest):
    """Add targets to a rule, or replace them by their ids."""

    rule_name: str
    mns_parameters: tuple[MnsParameter, ...] = Field((), max_length=5)
    webhook_parameters: tuple[WebhookParameter, ...] = Field((), max_length=5)
    fc_parameters: tuple[FcParameter, ...] = Field((), max_length=5)
    sls_parameters: tuple[SlsParameter, ...] = Field((), max_length=5)
    contact_parameters: tuple[ContactParameter, ...] = Field((), max_length=5)
    open_api_parameters: tuple[OpenApiParameter, ...] = Field((), max_length=5)


class DescribeEventRuleList(RpcRequest):
    """The rules, a page at a time."""

    name_prefix: Text = None
    group_id: Text = None
    is_enable: Flag = None
    page_number: PageNumber = 1
    page_size: PageSize = 10


class DescribeEventRuleAttribute(RpcRequest):
    """One rule."""

    IGNORED = "SilenceTime"

    rule_name: str


class DescribeEventRuleTargetList(RpcRequest):
    """The targets of one rule."""

    rule_name: str


class DeleteEventRules(RpcRequest):
    """Delete rules by name."""

    rule_names: Annotated[Numbered, Field(min_length=1)]


class EnableEventRules(RpcRequest):
    """Switch rules on."""

    rule_names: Annotated[Numbered, Field(min_length=1)]


class DisableEventRules(RpcRequest):
    """Switch rules off."""

    rule_names: Annotated[Numbered, Field(min_length=1)]


class DeleteEventRuleTargets(RpcRequest):
    """Take targets from a rule, by id."""

    rule_name: str
    ids: Annotated[Numbered, Field(min_length=1)]


class DescribeSystemEventMetaList(RpcRequest):
    """Every kind of event that may occur."""


class DescribeSystemEventCount(RpcRequest):
    """How often which events occurred."""

    product: Text = None
    name: Text = None
    level: Text = None
    event_type: Text = None
    status: Text = None
    group_id: Text = None
    search_keywords: Text = None
    start_time: Instant = None
    end_time: Instant = None


class DescribeSystemEventAttribute(DescribeSystemEventCount):
    """Events that occurred, the newest first."""

    page_number: PageNumber = 1
    page_size: PageSize = 10


class SendDryRunSystemEvent(RpcRequest):
    """Make the rules that want an event fire, without the event."""

    product: str = Field(min_length=1)
    event_name: str = Field(min_length=1)
    event_content: Annotated[dict[str, object], JsonText] = Field(default_factory=dict)
    group_id: Text = None


class EventInfo(Struct):
    """`EventInfo.N` of a custom event."""

    event_name: str = Field(min_length=1)
    content: str
    group_id: Text = None
    time: EventTime = None


class PutCustomEvent(RpcRequest):
    """Report events of one's own."""

    event_info: Annotated[tuple[EventInfo, ...], Field(min_length=1, max_length=50)]


class DescribeCustomEventCount(RpcRequest):
    """How often which custom events were reported."""

    name: Text = None
    event_id: Text = None
    group_id: Text = None
    search_keywords: Text = None
    start_time: Instant = None
    end_time: Instant = None


class DescribeCustomEventAttribute(DescribeCustomEventCount):
    """Custom events that were reported, the newest first."""

    page_number: PageNumber = 1
    page_size: PageSize = 10


class PutCustomEventRule(RpcRequest):
    """Create an alarm on custom events, or change the one of its id."""

    IGNORED = "EffectiveInterval EmailSubject"

    rule_id: str = Field(min_length=1)
    rule_name: str = Field(min_length=1)
    event_name: str = Field(min_length=1)
    group_id: str = Field(min_length=1)
    level: Annotated[Literal["CRITICAL", "WARN", "INFO"], BeforeValidator(_upper)]
    threshold: int = Field(ge=1, le=1_000_000)
    contact_groups: str = Field(min_length=1)
    period: Annotated[int, BeforeValidator(lambda value: value or 300), Field(ge=60, le=86400, multiple_of=60)] = 300
    webhook: Text = None
