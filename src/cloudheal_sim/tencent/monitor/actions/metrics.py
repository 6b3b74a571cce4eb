"""The calls about metrics: which there are, and their values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime, to_millis
from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.monitor import errors
from cloudheal_sim.tencent.monitor.model.metrics import METRICS, NAMESPACE, PERIODS, Metric
from cloudheal_sim.tencent.monitor.requests import DescribeBaseMetrics, GetMonitorData, InstanceDimensions
from cloudheal_sim.tencent.monitor.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.metric_values import Cell
    from cloudheal_sim.tencent.monitor.state import Monitor

MOST_POINTS, MOST_INSTANCES = 7200, 50
_LOCAL = timezone(timedelta(hours=8))
_AVERAGE, _GREATEST, _LEAST = 1, 2, 4


@SERVICE.action(GetMonitorData, rate=20)
def get_monitor_data(monitor: Monitor, request: GetMonitorData, exchange: Exchange) -> Reply:
    """Give the points of a metric; an instance without data has empty lists, missing points are absent."""
    metric = _metric(request.namespace, request.metric_name)
    if request.period not in PERIODS:
        raise Refused(errors.BAD_PERIOD, period=request.period, periods=", ".join(map(str, PERIODS)))
    if len(request.instances) > MOST_INSTANCES:
        raise Refused(errors.TOO_MANY_INSTANCES, limit=MOST_INSTANCES)
    now, period = monitor.kernel.clock.now(), request.period * MILLIS_PER_SECOND
    end = _instant(request.end_time, "EndTime", now)
    begin = _instant(request.start_time, "StartTime", to_millis(_midnight(now)))
    if end < begin:
        raise Refused(errors.BAD_TIME, name="EndTime")
    if (end - begin) // period * len(request.instances) > MOST_POINTS:
        raise Refused(errors.TOO_MANY_POINTS, limit=MOST_POINTS)
    region = exchange.entry.region
    lines = [_line(monitor, metric, one, region, (begin, end, period), request) for one in request.instances]
    return {
        "StartTime": _shown(begin // period * period),
        "EndTime": _shown(end // period * period),
        "Period": request.period,
        "MetricName": request.metric_name,
        "Msg": "",
        "DataPoints": lines,
    }


@SERVICE.action(DescribeBaseMetrics)
def describe_base_metrics(_monitor: Monitor, request: DescribeBaseMetrics, _exchange: Exchange) -> Reply:
    """List the metrics of instances."""
    if request.namespace.upper() != NAMESPACE:
        raise Refused(errors.BAD_NAMESPACE, name=request.namespace[:40])
    wanted = request.metric_name.lower()
    return {"MetricSet": [_metric_row(one) for name, one in METRICS.items() if wanted in {"", name}]}


def _metric(namespace: str, name: str) -> Metric:
    if namespace.upper() != NAMESPACE:
        raise Refused(errors.BAD_NAMESPACE, name=namespace[:40])
    found = METRICS.get(name.lower())
    if found is None:
        raise Refused(errors.BAD_METRIC, name=name[:40])
    return found


def _line(
    monitor: Monitor,
    metric: Metric,
    asked: InstanceDimensions,
    region: str,
    span: tuple[int, int, int],
    request: GetMonitorData,
) -> dict[str, object]:
    given = {one.name: one.value for one in asked.dimensions}
    instance = monitor.cvm.fleet.find(given.get("InstanceId", ""), region)
    points = {} if instance is None else monitor.metrics.points(metric, instance, *span)
    greatest = metric.peaks and request.period >= 300
    line: dict[str, object] = {
        "Dimensions": [{"Name": one.name, "Value": one.value} for one in asked.dimensions],
        "Timestamps": [stamp // MILLIS_PER_SECOND for stamp in points],
        "Values": [_rounded(cell.maximum if greatest else cell.average) for cell in points.values()],
    }
    return {**line, **_further(points.values(), request.specify_statistics)}


def _further(cells: Iterable[Cell], wanted: int) -> dict[str, object]:
    found = list(cells)
    every = {
        "AvgValues": (_AVERAGE, [_rounded(one.average) for one in found]),
        "MaxValues": (_GREATEST, [_rounded(one.maximum) for one in found]),
        "MinValues": (_LEAST, [_rounded(one.minimum) for one in found]),
    }
    return {name: values for name, (bit, values) in every.items() if wanted & bit}


def _metric_row(metric: Metric) -> dict[str, object]:
    return {
        "Namespace": NAMESPACE,
        "MetricName": metric.name,
        "MetricCName": metric.title,
        "MetricEName": metric.name,
        "Unit": metric.unit,
        "UnitCname": metric.unit,
        "Period": list(PERIODS),
        "Periods": [
            {"Period": str(one), "StatType": ["max" if metric.peaks and one >= 300 else "avg"]} for one in PERIODS
        ],
        "Meaning": {"En": metric.name, "Zh": metric.title},
        "Dimensions": [{"Dimensions": ["InstanceId"]}],
    }


def _instant(text: str, name: str, otherwise: int) -> int:
    """Read a time; one without a zone is in UTC+8. Raises Refused."""
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
        return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=_LOCAL))
    except (ValueError, OverflowError) as problem:
        raise Refused(errors.BAD_TIME, name=name) from problem


def _midnight(now: int) -> datetime:
    return to_datetime(now).astimezone(_LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)


def _shown(instant: int) -> str:
    return to_datetime(instant).astimezone(_LOCAL).isoformat(timespec="seconds")


def _rounded(value: float) -> float:
    return round(value, 3)
