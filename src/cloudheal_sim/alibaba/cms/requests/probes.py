"""Wire in: probe tasks, with the limits that the documentation names."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cloudheal_sim.alibaba.cms.model.probes import AGGREGATES
from cloudheal_sim.alibaba.cms.requests.fields import GroupNumber, Names, OptionalGroup, PageNumber, PageSize
from cloudheal_sim.alibaba.cms.requests.metric_rules import JsonString
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Numbered, Struct, Text

_NAME = re.compile(r"[A-Za-z0-9_\u4e00-\u9fff]{4,100}")
_INTERVALS = (15, 30, 60, 120, 300, 900, 1800, 3600)


def _task_name(value: object) -> object:
    if not (isinstance(value, str) and _NAME.fullmatch(value)):
        raise ValueError("expected 4 to 100 letters, digits, underscores or Chinese characters")
    return value


def _interval(value: object) -> object:
    if value not in ("", None) and (not str(value).isdigit() or int(str(value)) not in _INTERVALS):
        raise ValueError(f"expected one of {_INTERVALS}")
    return value


TaskName = Annotated[str, BeforeValidator(_task_name)]
Scope = Annotated[Literal["GROUP", "GROUP_SPEC_INSTANCE"] | None, Blank]
Hour = Annotated[Annotated[int, Field(ge=0, le=23)] | None, Blank]
Instances = Annotated[Numbered, Field(max_length=21)]
TaskIds = Annotated[tuple[int, ...], BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
Minutes = Annotated[Literal["1", "5", "15", "30", "60"] | None, Blank]
SiteType = Literal[
    "HTTP", "HTTPS", "PING", "TCP", "UDP", "DNS", "SMTP", "POP3", "FTP", "WEBSOCKET", "BROWSER", "APITEST"
]


class TaskOption(Struct):
    """`TaskOption.*`."""

    http_uri: Text = Field(None, alias="HttpURI")
    http_method: Annotated[Literal["GET", "POST", "HEAD"] | None, Blank] = None
    http_header: Text = None
    http_post_content: Text = None
    http_response_charset: Text = None
    http_response_match_content: Text = None
    http_negative: Flag = None
    telnet_or_ping_host: Text = None
    interval: Annotated[int | None, Blank, BeforeValidator(_interval)] = None


class AlertConfig(Struct):
    """`AlertConfig.*`."""

    notify_type: Annotated[int, Field(ge=0, le=2)]
    start_time: Hour = None
    end_time: Hour = None
    silence_time: Annotated[Annotated[int, Field(ge=0)] | None, Blank] = None
    web_hook: Text = None


class Threshold(Struct):
    """`AlertConfigEscalationList.N`."""

    metric_name: Literal["HttpStatus", "HttpLatency", "TelnetStatus", "TelnetLatency", "PingLostRate"]
    aggregate: Text = None
    operator: Literal[">", ">=", "<", "<=", "="]
    value: str
    times: Annotated[Annotated[int, Field(ge=1)] | None, Blank] = None

    @model_validator(mode="after")
    def _aggregate_fits(self) -> Self:
        if self.aggregate not in {None, AGGREGATES[self.metric_name]}:
            raise ValueError(f"{self.metric_name} is aggregated by {AGGREGATES[self.metric_name]}")
        return self


class Target(Struct):
    """`AlertConfigTargetList.N`."""

    id: str
    arn: str
    level: Text = None
    json_params: Text = None


Thresholds = Annotated[tuple[Threshold, ...], Field(min_length=1, max_length=21)]
Targets = Annotated[tuple[Target, ...], Field(max_length=5)]


class CreateHostAvailability(RpcRequest):
    """Probe from the instances of a group."""

    group_id: GroupNumber
    task_name: TaskName
    task_type: Literal["PING", "TELNET", "HTTP"]
    task_scope: Scope = None
    instance_list: Instances = ()
    task_option: TaskOption = TaskOption()
    alert_config: AlertConfig
    alert_config_escalation_list: Thresholds
    alert_config_target_list: Targets = ()


class ModifyHostAvailability(RpcRequest):
    """Change a task; its type stays."""

    id: GroupNumber
    group_id: GroupNumber
    task_name: TaskName
    task_scope: Scope = None
    instance_list: Instances = ()
    task_option: TaskOption = TaskOption()
    alert_config: AlertConfig
    alert_config_escalation_list: Thresholds
    alert_config_target_list: Targets = ()


class DeleteHostAvailability(RpcRequest):
    """Delete tasks."""

    id: Annotated[TaskIds, Field(min_length=1, max_length=20)]


class EnableHostAvailability(RpcRequest):
    """Let tasks probe."""

    id: Annotated[TaskIds, Field(min_length=1, max_length=20)]


class DisableHostAvailability(RpcRequest):
    """Keep tasks from probing."""

    id: Annotated[TaskIds, Field(min_length=1, max_length=20)]


class DescribeHostAvailabilityList(RpcRequest):
    """List tasks."""

    id: OptionalGroup = None
    ids: Names = ()
    group_id: OptionalGroup = None
    task_name: Text = None
    page_number: PageNumber = None
    page_size: PageSize = None


class CreateSiteMonitor(RpcRequest):
    """Probe from public places."""

    address: Annotated[str, Field(min_length=1)]
    task_name: TaskName
    task_type: SiteType
    interval: Minutes = None
    agent_group: Annotated[Literal["PC", "MOBILE", "FC"] | None, Blank] = None
    isp_cities: JsonString = None
    options_json: JsonString = None
    alert_ids: Names = ()
    custom_schedule: JsonString = None
    vpc_config: JsonString = None


class ModifySiteMonitor(RpcRequest):
    """Change a task; what is not given stays."""

    IGNORED = "IntervalUnit"

    task_id: str
    address: Text = None
    task_name: TaskName | None = None
    interval: Minutes = None
    isp_cities: JsonString = None
    options_json: JsonString = None
    alert_ids: Names = ()
    custom_schedule: JsonString = None


class EnableSiteMonitors(RpcRequest):
    """Let tasks probe."""

    task_ids: Annotated[Names, Field(min_length=1)]


class DisableSiteMonitors(RpcRequest):
    """Keep tasks from probing."""

    task_ids: Annotated[Names, Field(min_length=1)]


class DeleteSiteMonitors(RpcRequest):
    """Delete tasks, on request with the rules attached to them."""

    task_ids: Annotated[Names, Field(min_length=1)]
    is_delete_alarms: Flag = None


class DescribeSiteMonitorList(RpcRequest):
    """List tasks; `TaskState` is 1 for enabled and 2 for disabled."""

    task_id: Text = None
    task_type: Text = None
    task_state: Annotated[Literal["1", "2"] | None, Blank] = None
    agent_group: Text = None
    keyword: Text = None
    page: PageNumber = None
    page_size: PageSize = None
