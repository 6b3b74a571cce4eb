"""OpenTelemetry's protocol over HTTP, as JSON: every series a gauge of one data point a window.

The vendor-neutral libraries make metrics of instruments in this process; what is sent here was counted before, of
other machines too, and has a time of its own. The JSON form is as normative as the binary one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudheal.outlets.sample import Sample

HEADERS = {"Content-Type": "application/json"}


def export_request(samples: Sequence[Sample], host: str) -> bytes:
    """Return the body that carries samples from a host."""
    named: dict[str, list[Sample]] = {}
    for one in samples:
        named.setdefault(one.name, []).append(one)
    metrics = [{"name": name, "gauge": {"dataPoints": [_point(one) for one in some]}} for name, some in named.items()]
    resource = {"attributes": _attributes({"service.name": "cloudheal", "host.name": host}.items())}
    scoped = [{"scope": {"name": "cloudheal.logs"}, "metrics": metrics}]
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": scoped}]}).encode()


def rejected(answer: bytes) -> int:
    """Return how many data points a receiver that answered 200 says that it refused."""
    try:
        found: Any = json.loads(answer or b"{}")
        return int(found.get("partialSuccess", {}).get("rejectedDataPoints", 0))
    except (ValueError, TypeError, AttributeError):
        return 0


def _point(one: Sample) -> Mapping[str, Any]:
    at = str(one.at * 1_000_000_000)
    return {"attributes": _attributes(one.labels), "timeUnixNano": at, "asDouble": one.value}


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[Mapping[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in pairs]
