"""Wire out: metric meta and points. `Datapoints` is a JSON array inside a string, here and in every version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from cloudheal_sim.alibaba.cms.model.metrics import Point
from cloudheal_sim.alibaba.cms.replies.envelope import done

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudheal_sim.alibaba.cms.model.metric_catalogue import Metric


__all__ = ["Point", "Product", "metrics", "points", "points_alone", "products", "ranking"]


class Product(NamedTuple):
    """One row of DescribeProjectMeta."""

    namespace: str
    description: str
    labels: Mapping[str, str]


def products(rows: Iterable[Product], number: int, size: int, total: int) -> dict[str, object]:
    """Answer DescribeProjectMeta."""
    resources = [
        {"Namespace": row.namespace, "Description": row.description, "Labels": _labels(row.labels)} for row in rows
    ]
    return done(PageNumber=str(number), PageSize=str(size), Total=str(total), Resources={"Resource": resources})


def metrics(rows: Iterable[tuple[Metric, Mapping[str, str]]], total: int) -> dict[str, object]:
    """Answer DescribeMetricMetaList."""
    resources = [
        {
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Description": metric.description,
            "Dimensions": ",".join(metric.dimensions),
            "Periods": ",".join(str(period) for period in metric.periods),
            "Statistics": ",".join(metric.statistics),
            "Unit": metric.unit,
            "Labels": _labels(labels),
        }
        for metric, labels in rows
    ]
    return done(TotalCount=str(total), Resources={"Resource": resources})


def points(found: Sequence[Point], period: int, token: str | None) -> dict[str, object]:
    """Answer DescribeMetricList and DescribeMetricLast; no token means that this was the last page."""
    more = {"NextToken": token} if token else {}
    return {"Code": "200", "Success": True, "Period": str(period), "Datapoints": _datapoints(found), **more}


def points_alone(found: Sequence[Point], period: int) -> dict[str, object]:
    """Answer DescribeMetricData, which has no Success."""
    return {"Code": "200", "Period": str(period), "Datapoints": _datapoints(found)}


def ranking(found: Sequence[Point], period: int) -> dict[str, object]:
    """Answer DescribeMetricTop: places count from 1, each row tells of one point."""
    rows = [{"order": place, **_row(point), "_count": 1} for place, point in enumerate(found, 1)]
    return {"Code": "200", "Period": str(period), "Datapoints": json.dumps(rows, separators=(",", ":"))}


def _datapoints(found: Sequence[Point]) -> str:
    return json.dumps([_row(point) for point in found], separators=(",", ":"))


def _row(point: Point) -> dict[str, object]:
    return {"timestamp": point.at, **point.dimensions, **point.statistics}


def _labels(labels: Mapping[str, str]) -> str:
    return json.dumps([{"name": name, "value": value} for name, value in labels.items()], separators=(",", ":"))
