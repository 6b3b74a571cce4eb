"""What the services of the simulated Alibaba Cloud tell each other: system events, and who takes them.

ECS publishes; CloudMonitor decides by its rules where an event goes; MNS queues it. None of them imports another:
`cloud.py` hands each what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STATUS_NOTIFICATION = "StatusNotification"
EXCEPTION = "Exception"
MAINTENANCE = "Maintenance"


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """One system event as CloudMonitor knows it (aliyun.md 6.1).

    `resource` is the short form such as `instance/i-bp1x`; CloudMonitor writes the ARN. `resource_id` is the bare id,
    `resource_group` the application groups are looked up by it. `at` is epoch milliseconds.
    """

    product: str
    name: str
    level: str
    event_type: str
    status: str
    region: str
    resource: str
    resource_id: str
    at: int
    content: Mapping[str, object]
    instance_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


#: Takes one event and sends it wherever the rules say.
Publish = Callable[[SystemEvent], object]


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What other services may know about an instance: enough for balancers, groups and metrics."""

    id: str
    name: str
    region: str
    zone: str
    status: str
    private_ip: str
    tags: Mapping[str, str]
    serving: bool
    """True while a health check against the instance would pass: running, not hung, its processes up."""
    history: tuple[tuple[int, str], ...] = ()
    """(since, status) from oldest to present, so that metrics end when the instance stops; empty when unknown."""
