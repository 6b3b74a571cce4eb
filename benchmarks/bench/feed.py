"""A feed of events as CloudMonitor puts them on a queue: Base64, of servers that start, run and stop in order."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
#: Most of what a fleet says; no rule acts on the first four.
STATES = ("Pending", "Starting", "Running", "Stopping", "Stopped")


def body(server: str, state: str, at: datetime) -> bytes:
    """Make one message."""
    document = {
        "product": "ECS",
        "resourceId": f"acs:ecs:{REGION}:{ACCOUNT}:instance/{server}",
        "level": "INFO",
        "instanceName": server,
        "regionId": REGION,
        "name": "Instance:StateChange",
        "content": {"resourceId": server, "resourceType": "ALIYUN::ECS::Instance", "state": state},
        "status": "Normal",
        "eventTime": at.strftime("%Y%m%dT%H%M%S.") + f"{at.microsecond // 1000:03}+0000",
        "id": f"{server}-{int(at.timestamp() * 1000)}",
        "userId": ACCOUNT,
    }
    return base64.b64encode(json.dumps(document).encode())


def feed(count: int, servers: int = 2_000, copies: int = 50, begin: datetime = BEGIN) -> Iterator[bytes]:
    """Yield so many messages of a fleet; every `copies`-th is delivered twice, as queues do."""
    made = number = 0
    while made < count:
        server = f"i-bp1{number % servers:06d}"
        message = body(server, STATES[(number // servers) % len(STATES)], begin + timedelta(milliseconds=37 * number))
        number += 1
        for _ in range(2 if number % copies == 0 else 1):
            made += 1
            yield message


def rule(name: str, **changes: Any) -> dict[str, Any]:
    """Make a rule that restarts the servers of one tag."""
    return {
        "name": name,
        "when": {"source": ["alibaba.ecs"], "type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"tags": {"env": ["prod"]}},
        "desired": "on",
        "playbook": "restart_stopped",
        "mode": "auto",
        **changes,
    }


def rules(count: int) -> Sequence[dict[str, Any]]:
    """Make so many rules: the first acts on every stop, each other is for one server of its own."""
    own = [
        rule(
            f"own-{number}",
            when={
                "type": ["Instance:StateChange"],
                "data": {"state": ["Stopped"], "resourceId": [f"i-bp1own{number:05d}"]},
            },
        )
        for number in range(1, count)
    ]
    return [rule("restart-unexpected-stop"), *own]
