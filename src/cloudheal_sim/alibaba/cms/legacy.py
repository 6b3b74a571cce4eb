"""CloudMonitor, version 2018-03-08: the calls that older programs still make, answered from the same state.

`Project`, `Metric` and `Cursor` are the older names of Namespace, MetricName and NextToken. UpdateMyGroups, retired
since, has a reply of its own form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.actions.groups import group_of
from cloudheal_sim.alibaba.cms.actions.metrics import META_PAGE, last_page, metas, range_page
from cloudheal_sim.alibaba.cms.replies import metrics as replies
from cloudheal_sim.alibaba.cms.replies.envelope import page
from cloudheal_sim.alibaba.cms.requests.groups import UpdateMyGroups
from cloudheal_sim.alibaba.cms.requests.metrics import QueryMetricLast, QueryMetricList, QueryMetricMeta
from cloudheal_sim.alibaba.cms.state import Cms
from cloudheal_sim.alibaba.rpc import Reply, Service

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange

SERVICE: Service[Cms] = Service("cms", "Cms", "2018-03-08")


@SERVICE.action(QueryMetricList)
def query_metric_list(cms: Cms, request: QueryMetricList, exchange: Exchange) -> Reply:
    """Return the points of a range, page by page."""
    found, token, period = range_page(cms, request, exchange)
    return _points(found, period, token)


@SERVICE.action(QueryMetricLast)
def query_metric_last(cms: Cms, request: QueryMetricLast, exchange: Exchange) -> Reply:
    """Return the newest visible point of each series."""
    found, token, period = last_page(cms, request, exchange)
    return _points(found, period, token)


@SERVICE.action(QueryMetricMeta)
def query_metric_meta(cms: Cms, request: QueryMetricMeta, _exchange: Exchange) -> Reply:
    """List metrics."""
    rows = metas(cms, request)
    return replies.metrics(page(rows, request.page_number, request.page_size, META_PAGE), len(rows))


@SERVICE.action(UpdateMyGroups)
def update_my_groups(cms: Cms, request: UpdateMyGroups, _exchange: Exchange) -> Reply:
    """Change a group; what is not given stays."""
    group = group_of(cms, request.group_id)
    cms.monitoring.groups.change(
        group,
        name=request.group_name or group.name,
        contact_groups=group.contact_groups if request.contact_groups is None else request.contact_groups,
        service_id=group.service_id if request.service_id is None else request.service_id,
        bind_url=group.bind_url if request.bind_urls is None else request.bind_urls,
    )
    return {"ErrorCode": 200, "Success": True}


def _points(found: list[replies.Point], period: int, token: str | None) -> Reply:
    answer = replies.points(found, period, None)
    return {**answer, "Cursor": token} if token else answer
