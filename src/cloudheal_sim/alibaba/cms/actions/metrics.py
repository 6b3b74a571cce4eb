"""The calls about metrics. A page token names the query it belongs to and is refused for another."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.errors import RESOURCE_NOT_FOUND
from cloudheal_sim.alibaba.cms.model.custom_metrics import Report
from cloudheal_sim.alibaba.cms.model.metric_catalogue import NAMESPACES, Metric
from cloudheal_sim.alibaba.cms.model.metrics import DAY, LOOK_BACK, Cursor, Query, for_period
from cloudheal_sim.alibaba.cms.replies import metrics as replies
from cloudheal_sim.alibaba.cms.replies.envelope import page
from cloudheal_sim.alibaba.cms.requests import metrics as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

LONGEST_RANGE = 31 * DAY
_USUAL_LENGTH = 1000
_USUAL_TOP = 10
META_PAGE = 30


@SERVICE.action(wire.DescribeProjectMeta)
def describe_project_meta(cms: Cms, request: wire.DescribeProjectMeta, _exchange: Exchange) -> Reply:
    """List the products that have metrics."""
    wanted = {label.name: label.value for label in request.labels}
    rows = [row for row in _products(cms) if wanted.items() <= row.labels.items()]
    number, size = request.page_number or 1, request.page_size or META_PAGE
    return replies.products(page(rows, number, size), number, size, len(rows))


@SERVICE.action(wire.DescribeMetricMetaList)
def describe_metric_meta_list(cms: Cms, request: wire.DescribeMetricMetaList, _exchange: Exchange) -> Reply:
    """List metrics with periods, statistics, dimensions and unit."""
    rows = metas(cms, request)
    return replies.metrics(page(rows, request.page_number, request.page_size, META_PAGE), len(rows))


@SERVICE.action(wire.DescribeMetricList)
def describe_metric_list(cms: Cms, request: wire.DescribeMetricList, exchange: Exchange) -> Reply:
    """Return the points of a range, page by page."""
    found, token, period = range_page(cms, request, exchange)
    return replies.points(found, period, token)


@SERVICE.action(wire.DescribeMetricLast)
def describe_metric_last(cms: Cms, request: wire.DescribeMetricLast, exchange: Exchange) -> Reply:
    """Return the newest visible point of each series."""
    found, token, period = last_page(cms, request, exchange)
    return replies.points(found, period, token)


@SERVICE.action(wire.DescribeMetricTop)
def describe_metric_top(cms: Cms, request: wire.DescribeMetricTop, exchange: Exchange) -> Reply:
    """Rank the series by their newest point; `OrderDesc=True` means ascending, as the documentation has it."""
    now = _now(cms, exchange)
    metric = _metric(cms, request)
    if request.orderby not in metric.statistics:
        raise invalid("Orderby")
    query = _query(request, metric, now, look_back=True)
    if query.stop - query.start > for_period(LOOK_BACK, query.period):
        raise invalid("StartTime")
    every = cms.monitoring.metrics.newest(query, now)
    ranked = sorted(every, key=lambda point: point.statistics[request.orderby], reverse=not request.order_desc)
    return replies.ranking(ranked[: request.length or _USUAL_TOP], query.period // MILLIS_PER_SECOND)


@SERVICE.action(wire.DescribeMetricData)
def describe_metric_data(cms: Cms, request: wire.DescribeMetricData, exchange: Exchange) -> Reply:
    """Return the first points of a range; there are no further pages."""
    now = _now(cms, exchange)
    query = _query(request, _metric(cms, request), now)
    found, _rest = cms.monitoring.metrics.page(query, request.length or _USUAL_LENGTH, None, now)
    return replies.points_alone(found, query.period // MILLIS_PER_SECOND)


@SERVICE.action(wire.PutCustomMetric)
def put_custom_metric(cms: Cms, request: wire.PutCustomMetric, _exchange: Exchange) -> Reply:
    """Keep reported values."""
    now = cms.kernel.clock.now()
    reports = [
        Report(
            group=one.group_id,
            metric=one.metric_name,
            dimensions={name: str(value) for name, value in one.dimensions.items()},
            at=one.time or now,
            type=one.type,
            period=one.period or 60,
            values=one.values,
        )
        for one in request.metric_list
    ]
    cms.monitoring.metrics.custom.add(reports)
    for report in reports:
        cms.kernel.journal.change("custom_metric", report.metric, None, report.shown())
    return {"Code": "200", "Message": "success"}


def range_page(
    cms: Cms, request: wire.DescribeMetricList, exchange: Exchange
) -> tuple[list[replies.Point], str | None, int]:
    """Return one page of a range, the token of the next, and the period in seconds."""
    now, metric = _now(cms, exchange), _metric(cms, request)
    query = _query(request, metric, now)
    cursor = _opened(request.next_token, query) if request.next_token else None
    if cursor is not None:
        query = Query(metric, query.period, cursor.start, cursor.stop, query.filters, query.group_by)
    moment = min(cursor.now, now) if cursor else now
    found, rest = cms.monitoring.metrics.page(query, request.length or _USUAL_LENGTH, cursor, moment)
    return found, rest and _token(rest, query), query.period // MILLIS_PER_SECOND


def last_page(
    cms: Cms, request: wire.DescribeMetricLast, exchange: Exchange
) -> tuple[list[replies.Point], str | None, int]:
    """Return one page of newest points, the token of the next, and the period in seconds."""
    now, metric = _now(cms, exchange), _metric(cms, request)
    query = _query(request, metric, now, look_back=True)
    cursor = _opened(request.next_token, query) if request.next_token else None
    if cursor is not None:
        query = Query(metric, query.period, cursor.start, cursor.stop, query.filters, query.group_by)
    moment, length = min(cursor.now, now) if cursor else now, request.length or _USUAL_LENGTH
    found = list(islice(cms.monitoring.metrics.newest(query, moment, cursor.key if cursor else ""), length + 1))
    page_of = found[:length]
    rest = Cursor(0, page_of[-1].key, moment, query.start, query.stop) if len(found) > length else None
    return page_of, rest and _token(rest, query), query.period // MILLIS_PER_SECOND


def metas(cms: Cms, request: wire.DescribeMetricMetaList) -> list[tuple[Metric, Mapping[str, str]]]:
    """Return the metrics that a call asks for, with their labels."""
    wanted = {label.name: label.value for label in request.labels}
    return [
        (metric, labels)
        for metric, labels in _metrics(cms)
        if request.namespace in {None, metric.namespace}
        and request.metric_name in {None, metric.name}
        and wanted.items() <= labels.items()
    ]


def _products(cms: Cms) -> Iterator[replies.Product]:
    for one in NAMESPACES:
        labels = {"product": one.product, "productCategory": one.category, "groupFlag": "true"}
        yield replies.Product(one.name, one.description, labels)
    for name in cms.monitoring.metrics.custom_namespaces:
        yield replies.Product(name, "custom metrics", {"product": "customMetric"})


def _metrics(cms: Cms) -> Iterator[tuple[Metric, Mapping[str, str]]]:
    for one in NAMESPACES:
        for metric in one.metrics:
            yield metric, {"product": one.product, "alertEnable": "true", "metricCategory": one.category}
    metrics = cms.monitoring.metrics
    for namespace in metrics.custom_namespaces:
        for name in metrics.custom.metrics():
            found = metrics.find(namespace, name)
            if found is not None:
                yield found, {"product": "customMetric"}


def _now(cms: Cms, exchange: Exchange) -> int:
    return cms.kernel.clock.now() if exchange.as_of is None else exchange.as_of


def _metric(cms: Cms, request: wire.MetricQuery) -> Metric:
    found = cms.monitoring.metrics.find(request.namespace, request.metric_name)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def _query(request: wire.MetricQuery, metric: Metric, now: int, *, look_back: bool = False) -> Query:
    seconds = request.period or metric.default_period
    if seconds not in metric.periods:
        raise invalid("Period")
    period = seconds * MILLIS_PER_SECOND
    usual = for_period(LOOK_BACK, period)
    stop = now if request.end_time is None else request.end_time
    start = stop - usual if request.start_time is None else request.start_time
    if start >= stop:
        raise invalid("EndTime")
    if stop - start > LONGEST_RANGE:
        raise invalid("StartTime")
    if look_back and not isinstance(request, wire.DescribeMetricTop):
        start = max(start, stop - usual)
    return Query(metric, period, start, stop, request.dimensions, request.express)


def _token(cursor: Cursor, query: Query) -> str:
    return urlsafe_b64encode(json.dumps([_mark(query), *cursor]).encode()).decode().rstrip("=")


def _opened(token: str, query: Query) -> Cursor:
    try:
        mark, at, key, now, start, stop = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, RecursionError) as problem:
        raise invalid("NextToken") from problem
    if mark != _mark(query) or not all(type(one) is int for one in (at, now, start, stop)) or type(key) is not str:
        raise invalid("NextToken")
    if stop - start > LONGEST_RANGE:
        raise invalid("NextToken")
    return Cursor(at, key, now, start, stop)


def _mark(query: Query) -> str:
    """Tell queries apart by everything but their time, which clients tend to move while they read on."""
    filters = sorted(sorted(one.items()) for one in query.filters)
    named = json.dumps([query.metric.namespace, query.metric.name, query.period, filters, query.group_by])
    return blake2b(named.encode(), digest_size=6).hexdigest()
