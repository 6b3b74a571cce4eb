"""Wire in: log metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.cms.model.log_monitors import Operator
from cloudheal_sim.alibaba.cms.requests.fields import GroupNumber, OptionalGroup, PageNumber, PageSize, read_json
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Struct, Text

#: Minutes that a window may last (requirement S4.2).
_MINUTES = frozenset({1, 2, 3, 4, 5, 10, 15, 20, 30, 60})


def _windows(value: object) -> object:
    if not isinstance(value, str) or not value:
        return (60,)
    seconds = tuple(int(one) for one in value.split(","))
    if any(one % 60 or one // 60 not in _MINUTES for one in seconds):
        raise ValueError("expected whole minutes of 1,2,3,4,5,10,15,20,30,60, in seconds")
    return seconds


def _express(value: object) -> object:
    """Refuse anything but `{"extend": {alias: formula}}`."""
    if isinstance(value, str) and value:
        given = read_json(value)
        if not isinstance(given, dict) or not isinstance(given.get("extend", {}), dict):
            raise ValueError('expected {"extend": {"alias": "formula"}}')
    return value


class Aggregate(Struct):
    """`Aggregates.N`; field names that are not ASCII never match a log (requirement Q29) and are refused."""

    field_name: Annotated[str, Field(pattern=r"^[!-~]+$")]
    function: Annotated[
        str, Field(pattern=r"^(count|sum|avg|max|min|value|countps|sumps|distinct|distribution|percentile|P\d{1,2})$")
    ]
    alias: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Groupby(Struct):
    """`Groupbys.N`."""

    field_name: Annotated[str, Field(min_length=1)]
    alias: Text = None


class ValueFilter(Struct):
    """`ValueFilter.N`."""

    key: Annotated[str, Field(min_length=1)]
    operator: Operator
    value: str = ""


class PutLogMonitor(RpcRequest):
    """Create a log metric, or change one by its LogId."""

    log_id: OptionalGroup = None
    sls_region_id: Annotated[str, Field(min_length=1)]
    sls_project: Annotated[str, Field(min_length=1)]
    sls_logstore: Annotated[str, Field(min_length=1)]
    metric_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1, max_length=10)]
    groupbys: Annotated[tuple[Groupby, ...], Field(max_length=10)] = ()
    value_filter: Annotated[tuple[ValueFilter, ...], Field(max_length=10)] = ()
    value_filter_relation: Annotated[Literal["and", "or"] | None, Blank] = None
    tumblingwindows: Annotated[tuple[int, ...], BeforeValidator(_windows)] = (60,)
    metric_express: Annotated[Text, BeforeValidator(_express)] = None
    unit: Text = None
    group_id: OptionalGroup = None


class DescribeLogMonitorList(RpcRequest):
    """List log metrics."""

    group_id: OptionalGroup = None
    search_value: Text = None
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeLogMonitorAttribute(RpcRequest):
    """Show one log metric."""

    metric_name: str


class DeleteLogMonitor(RpcRequest):
    """Delete a log metric."""

    log_id: GroupNumber
