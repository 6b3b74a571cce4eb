"""The handlers, by family. Importing this package registers every one of them with `SERVICE`."""

from cloudheal_sim.alibaba.cms.actions import (
    contacts,
    events,
    groups,
    log_monitors,
    metric_rules,
    metrics,
    probes,
    tag_rules,
    templates,
)
from cloudheal_sim.alibaba.cms.service import SERVICE

__all__ = [
    "SERVICE",
    "contacts",
    "events",
    "groups",
    "log_monitors",
    "metric_rules",
    "metrics",
    "probes",
    "tag_rules",
    "templates",
]
