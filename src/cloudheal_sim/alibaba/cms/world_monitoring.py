"""The monitoring half's share of the world document.

Records are written as they are kept, so the full form is the record. Short forms: a name for a group, a contact or a
contact group; an instance id for a group's member; one number for both ends of `metric_delay_seconds`. Ids and times
that a document does not say are drawn and filled in when it is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.cms.model.alarms import Letter
from cloudheal_sim.alibaba.cms.model.contacts import Contact, ContactGroup, dated
from cloudheal_sim.alibaba.cms.model.custom_metrics import Report
from cloudheal_sim.alibaba.cms.model.groups import Group
from cloudheal_sim.alibaba.cms.model.log_monitors import LogMonitor
from cloudheal_sim.alibaba.cms.model.metric_catalogue import ECS, namespace_named
from cloudheal_sim.alibaba.cms.model.metric_lines import Override
from cloudheal_sim.alibaba.cms.model.metric_rules import Alarm, MetricRule
from cloudheal_sim.alibaba.cms.model.metrics import DEFAULT_DELAY
from cloudheal_sim.alibaba.cms.model.probes import HostAvailability, SiteMonitor
from cloudheal_sim.alibaba.cms.model.store import Record, only_once
from cloudheal_sim.alibaba.cms.model.tag_rules import TagRule
from cloudheal_sim.alibaba.cms.model.templates import Template
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.world import Part, WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudheal_sim.alibaba.cms.model.monitoring import Monitoring
    from cloudheal_sim.alibaba.cms.model.store import Store

K = TypeVar("K", int, str)
R = TypeVar("R", bound=Record)


def _both_ends(value: object) -> object:
    return [value, value] if isinstance(value, int | float) else value


Delay = Annotated[float, Field(ge=0, le=86_400)]


class MonitoringPart(Part):
    """The owned keys."""

    monitor_groups: tuple[Group, ...] = ()
    contacts: tuple[Contact, ...] = ()
    contact_groups: tuple[ContactGroup, ...] = ()
    metric_rules: tuple[MetricRule, ...] = ()
    metric_alarms: tuple[Alarm, ...] = ()
    metric_alarm_deliveries: tuple[Letter, ...] = ()
    metric_templates: tuple[Template, ...] = ()
    dynamic_tag_rules: tuple[TagRule, ...] = ()
    host_availability: tuple[HostAvailability, ...] = ()
    site_monitors: tuple[SiteMonitor, ...] = ()
    log_monitors: tuple[LogMonitor, ...] = ()
    metric_delay_seconds: Annotated[tuple[Delay, Delay], BeforeValidator(_both_ends)] = (
        DEFAULT_DELAY[0] / MILLIS_PER_SECOND,
        DEFAULT_DELAY[1] / MILLIS_PER_SECOND,
    )
    metric_overrides: tuple[Override, ...] = ()
    metric_resources: dict[str, list[dict[str, str]]] = Field(default_factory=dict)
    custom_metrics: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitoringSection:
    """Reads, installs and dumps the monitoring half."""

    monitoring: Monitoring

    @property
    def keys(self) -> frozenset[str]:
        """See Section."""
        return frozenset(MonitoringPart.model_fields)

    def read(self, part: Mapping[str, Any]) -> MonitoringPart:
        """See Section."""
        read = parsed(MonitoringPart, dict(part), "alibaba")
        for name, key in _KEYS.items():
            only_once((getattr(one, key) for one in getattr(read, name)), f"alibaba.{name}")
        if read.metric_delay_seconds[0] > read.metric_delay_seconds[1]:
            raise WorldError("alibaba.metric_delay_seconds: expected [least, most]")
        for namespace, resources in read.metric_resources.items():
            product = namespace_named(namespace)
            if product is None or product.name == ECS:
                raise WorldError(f"alibaba.metric_resources.{namespace}: not a namespace whose resources are told")
            if not all(product.identity in one for one in resources):
                raise WorldError(f"alibaba.metric_resources.{namespace}: every resource needs {product.identity}")
        return read

    def install(self, parsed: MonitoringPart) -> None:
        """See Section."""
        kept = self.monitoring
        now = kept.metrics.kernel.clock.now()
        _install(kept.groups.store, parsed.monitor_groups, kept.groups.completed, "id")
        _install(kept.tag_rules.store, parsed.dynamic_tag_rules, lambda one: one, "id")
        _install(kept.templates.store, parsed.metric_templates, kept.templates.completed, "id")
        _install(kept.probes.hosts, parsed.host_availability, kept.probes.completed, "id")
        _install(kept.probes.sites, parsed.site_monitors, kept.probes.completed_site, "id")
        _install(kept.log_monitors.store, parsed.log_monitors, kept.log_monitors.completed, "id")
        _install(kept.contacts.people, parsed.contacts, lambda one: _timed(one, now), "name")
        _install(kept.contacts.groups, parsed.contact_groups, lambda one: _timed(one, now), "name")
        _install(kept.rules.store, parsed.metric_rules, lambda one: _timed(one, now), "id")
        kept.rules.alarms = parsed.metric_alarms
        kept.alarms.courier.replace(parsed.metric_alarm_deliveries)
        least, most = parsed.metric_delay_seconds
        kept.metrics.delay = (round(least * MILLIS_PER_SECOND), round(most * MILLIS_PER_SECOND))
        kept.metrics.overrides = parsed.metric_overrides
        kept.metrics.resources = parsed.metric_resources
        kept.metrics.custom.replace(parsed.custom_metrics)

    def dump(self) -> dict[str, object]:
        """See Section."""
        kept = self.monitoring
        metrics = kept.metrics
        return {
            "monitor_groups": kept.groups.store.dump(),
            "contacts": kept.contacts.people.dump(),
            "contact_groups": kept.contacts.groups.dump(),
            "metric_rules": kept.rules.store.dump(),
            "metric_alarms": [alarm.shown() for alarm in kept.rules.alarms],
            "metric_alarm_deliveries": [letter.shown() for letter in kept.alarms.courier.under_way()],
            "metric_templates": kept.templates.store.dump(),
            "dynamic_tag_rules": kept.tag_rules.store.dump(),
            "host_availability": kept.probes.hosts.dump(),
            "site_monitors": kept.probes.sites.dump(),
            "log_monitors": kept.log_monitors.store.dump(),
            "metric_delay_seconds": [end / MILLIS_PER_SECOND for end in metrics.delay],
            "metric_overrides": [override.shown() for override in metrics.overrides],
            "metric_resources": metrics.resources,
            "custom_metrics": [report.shown() for report in metrics.custom.reports()],
        }


#: By what the records of a list are told apart.
_KEYS = {
    "monitor_groups": "id",
    "contacts": "name",
    "contact_groups": "name",
    "metric_rules": "id",
    "metric_templates": "id",
    "dynamic_tag_rules": "id",
    "host_availability": "id",
    "log_monitors": "id",
}


def _install(store: Store[K, R], records: Iterable[R], completed: Callable[[R], R], key: str) -> int:
    listed = list(records)
    store.clear(getattr(one, key) for one in listed)
    made = [completed(one) for one in listed]
    store.replace((getattr(one, key), one) for one in made)
    return len(made)


def _timed(record: R, now: int) -> R:
    """Fill in times that the document does not say; those it says stay."""
    made: R = dated(record, None, now)
    said = getattr(record, "updated", None)
    return made if said is None else made.model_copy(update={"updated": said})
