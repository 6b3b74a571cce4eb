"""Wire in: metric queries and reported values."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from cloudheal_sim.alibaba.cms.requests.fields import Dimensions, Moment, PageNumber, PageSize, read_json
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, JsonText, Struct, Text, Whole


def _grouping(value: object) -> object:
    """Read `{"groupby": ["userId"]}`; nothing else is known of the expression."""
    if value in ("", None, []):
        return ()
    if not isinstance(value, dict) or set(value) != {"groupby"}:
        raise ValueError('expected {"groupby": [...]}')
    names = value["groupby"]
    return names.split(",") if isinstance(names, str) else names


Grouping = Annotated[tuple[str, ...], BeforeValidator(_grouping), JsonText]
Length = Annotated[Annotated[int, Field(ge=1, le=1440)] | None, Blank]


class Label(Struct):
    """`[{"name": "product", "value": "ECS"}]`; written in lower case, unlike every other parameter."""

    name: str = Field(alias="name")
    value: str = Field("", alias="value")


Labels = Annotated[tuple[Label, ...], JsonText]


class DescribeProjectMeta(RpcRequest):
    """Which products have metrics."""

    labels: Labels = ()
    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeMetricMetaList(RpcRequest):
    """Which metrics a product has."""

    namespace: Text = None
    metric_name: Text = None
    labels: Labels = ()
    page_number: PageNumber = None
    page_size: PageSize = None


class MetricQuery(RpcRequest):
    """What every query of points takes."""

    namespace: str
    metric_name: str
    period: Whole = None
    start_time: Moment = None
    end_time: Moment = None
    dimensions: Dimensions = ()
    express: Grouping = ()
    length: Length = None


class DescribeMetricList(MetricQuery):
    """Points of a range, page by page."""

    next_token: Text = None


class DescribeMetricLast(MetricQuery):
    """The newest point of each series."""

    next_token: Text = None


class DescribeMetricTop(MetricQuery):
    """The newest point of each series, sorted by value."""

    orderby: str
    order_desc: Flag = None


class DescribeMetricData(MetricQuery):
    """Points of a range, without pages."""


class QueryMetricList(DescribeMetricList):
    """DescribeMetricList as of 2018-03-08."""

    IGNORED = "Page"

    namespace: str = Field(alias="Project")
    metric_name: str = Field(alias="Metric")
    next_token: Text = Field(None, alias="Cursor")


class QueryMetricLast(DescribeMetricLast):
    """DescribeMetricLast as of 2018-03-08."""

    IGNORED = "Page"

    namespace: str = Field(alias="Project")
    metric_name: str = Field(alias="Metric")
    next_token: Text = Field(None, alias="Cursor")


class QueryMetricMeta(DescribeMetricMetaList):
    """DescribeMetricMetaList as of 2018-03-08."""

    namespace: Text = Field(None, alias="Project")
    metric_name: Text = Field(None, alias="Metric")


def _values(value: object) -> object:
    return read_json(value) if isinstance(value, str) else value


class ReportedMetric(Struct):
    """`MetricList.N`."""

    model_config = ConfigDict(allow_inf_nan=False)

    group_id: str
    metric_name: Annotated[str, Field(min_length=1, max_length=64)]
    dimensions: Annotated[dict[str, Any], BeforeValidator(_values), Field(max_length=10)]
    time: Moment = None
    type: Annotated[Literal[0, 1], BeforeValidator(lambda value: int(value) if str(value).isdigit() else value)]
    period: Annotated[Annotated[int, Field(ge=1, le=86_400)] | None, Blank] = None
    values: Annotated[dict[str, float], BeforeValidator(_values), Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _raw_has_value(self) -> Self:
        if self.type == 0 and "value" not in self.values:
            raise ValueError("a raw value is expected under `value`")
        return self


class PutCustomMetric(RpcRequest):
    """Report values."""

    metric_list: Annotated[tuple[ReportedMetric, ...], Field(min_length=1, max_length=100)]
