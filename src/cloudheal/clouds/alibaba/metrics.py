"""Values of a CloudMonitor metric over weeks: DescribeMetricList, range after range and page after page.

The whole reading has a limit of time, because whoever asks has something else to do. A reading that breaks off raises:
half a week is not a week.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudheal.clouds.alibaba.client import CMS, Client
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.account import Metric

#: RAM's name for the call differs from the call's own.
PERMISSION = "cms:QueryMetricList"
#: The API's own limits: points on a page, days in a range; a day below it, because a range has two ends.
PAGE, RANGE = 1440, timedelta(days=30)
#: Seconds for the whole reading, and for one call of it.
WHOLE_SECONDS, CALL_SECONDS = 20.0, 5.0
_ACTION = "DescribeMetricList"


class AlibabaMetrics:
    """The metrics of one Alibaba Cloud account."""

    def __init__(self, client: Client, elapsed: Callable[[], float]) -> None:
        """`elapsed` is a clock of real seconds, which only ever goes on."""
        self._client = client
        self._elapsed = elapsed

    def points(self, metric: Metric, since: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
        """Yield what was measured, several series after each other. Raises Cloud*Error, also in the middle."""
        give_up, begin = self._elapsed() + WHOLE_SECONDS, since
        while begin < until:
            end = min(begin + RANGE, until)
            for page in self._pages(metric, begin, end, give_up):
                yield from _read(page, metric.statistic)
            begin = end

    def _pages(self, metric: Metric, begin: datetime, end: datetime, give_up: float) -> Iterator[Mapping[str, Any]]:
        asked = {
            "Namespace": metric.namespace,
            "MetricName": metric.name,
            "Period": str(round(metric.period.total_seconds())),
            "StartTime": str(round(begin.timestamp() * 1000)),
            "EndTime": str(round(end.timestamp() * 1000)),
            "Length": str(PAGE),
            **({"Dimensions": json.dumps([dict(metric.dimensions)])} if metric.dimensions else {}),
        }
        token = ""
        while True:
            if self._elapsed() >= give_up:
                raise CloudTransientError(f"{_ACTION} took too long", vendor_code="TookTooLong")
            query = {**asked, **({"NextToken": token} if token else {})}
            reply = self._client.call(CMS, _ACTION, metric.region, query, CALL_SECONDS)
            if str(reply.get("Success", "true")).lower() == "false":
                raise CloudPermanentError(f"{_ACTION} was refused", vendor_code=str(reply.get("Code", "")))
            yield reply
            following = str(reply.get("NextToken") or "")
            if not following or following == token:
                return
            token = following


def _read(reply: Mapping[str, Any], statistic: str) -> Iterator[tuple[datetime, float]]:
    """Read a page. Raises CloudPermanentError for a reply in no documented form."""
    try:
        for one in json.loads(reply.get("Datapoints") or "[]"):
            if statistic in one:
                yield datetime.fromtimestamp(int(one["timestamp"]) / 1000, UTC), float(one[statistic])
    except (ValueError, LookupError, TypeError, OverflowError, OSError) as problem:
        raise CloudPermanentError(f"{_ACTION} answered in no known form", vendor_code="UnreadableReply") from problem
