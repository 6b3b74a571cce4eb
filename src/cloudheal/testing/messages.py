"""Messages as CloudMonitor sends them, for events that a cloud of our own making has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from cloudheal.model.resource import ResourceId

_ZONE = timezone(timedelta(hours=8))


def message(
    resource: ResourceId,
    name: str,
    content: Mapping[str, object],
    at: datetime,
    status: str = "",
    product: str = "ECS",
) -> bytes:
    """Return the message of an event about a resource; `name` is the vendor's, such as `Instance:StateChange`."""
    local = at.astimezone(_ZONE)
    document = {
        "ver": "1.0",
        "product": product,
        "name": name,
        "resourceId": f"acs:ecs:{resource.region}:{resource.account}:{resource.kind}/{resource.id}",
        "regionId": resource.region,
        "userId": resource.account,
        "eventTime": f"{local:%Y%m%dT%H%M%S}.{local.microsecond // 1000:03}+0800",
        "status": status,
        "content": dict(content),
    }
    return json.dumps(document, ensure_ascii=False).encode()
