"""Probe tasks as kept objects: availability seen from inside (host availability) and from public places (site monitor).

Nothing is probed here: a task is what its maker asked for, and reading it back says exactly that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.contacts import dated
from cloudheal_sim.alibaba.cms.model.metric_rules import Target
from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel

#: What each metric of a probe may be aggregated by.
AGGREGATES = {
    "HttpStatus": "Value",
    "HttpLatency": "Average",
    "TelnetStatus": "Value",
    "TelnetLatency": "Average",
    "PingLostRate": "Average",
}
#: Which metrics a task of each type has.
METRICS_OF = {
    "HTTP": frozenset({"HttpStatus", "HttpLatency"}),
    "TELNET": frozenset({"TelnetStatus", "TelnetLatency"}),
    "PING": frozenset({"PingLostRate"}),
}


class Option(Record):
    """What is asked of whom."""

    http_uri: str = ""
    http_method: str = ""
    http_header: str = ""
    http_post_content: str = ""
    http_response_charset: str = ""
    http_response_match_content: str = ""
    http_negative: bool | None = None
    telnet_or_ping_host: str = ""
    interval: int = 60


class Threshold(Record):
    """When the answer is alarming."""

    metric: str
    operator: Literal[">", ">=", "<", "<=", "="]
    value: str
    times: int | None = None
    aggregate: str


class AlertConfig(Record):
    """When and how often an alarm is told."""

    notify_type: int
    start_hour: int = 0
    end_hour: int = 23
    silence_time: int = 86_400
    webhook: str = ""
    thresholds: tuple[Threshold, ...] = ()
    targets: tuple[Target, ...] = ()


class HostAvailability(Record):
    """Probes that run from the instances of a group."""

    id: int | None = Field(None, ge=1)
    group: int
    name: Annotated[str, Field(min_length=1)]
    type: Literal["HTTP", "TELNET", "PING"]
    scope: Literal["GROUP", "GROUP_SPEC_INSTANCE"] = "GROUP"
    instances: tuple[str, ...] = ()
    option: Option = Option()
    alert: AlertConfig
    disabled: bool = False
    created: Instant = None
    updated: Instant = None

    @property
    def number(self) -> int:
        """The id of a task that is in force."""
        if self.id is None:
            raise ValueError(f"task {self.name!r} has no id yet")
        return self.id


class SiteMonitor(Record):
    """Probes that run from public places; `interval` is in minutes."""

    id: str = ""
    name: Annotated[str, Field(min_length=1)]
    type: str
    address: str
    interval: str = "1"
    agent_group: str = "PC"
    isp_cities: str = ""
    options: str = ""
    custom_schedule: str = ""
    vpc_config: str = ""
    alert_ids: tuple[str, ...] = ()
    enabled: bool = True
    created: Instant = None
    updated: Instant = None


class Probes:
    """Every probe task of one account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.hosts: Store[int, HostAvailability] = Store(kernel, "host_availability")
        self.sites: Store[str, SiteMonitor] = Store(kernel, "site_monitor")

    def put_host(self, task: HostAvailability) -> HostAvailability:
        """Keep a task, drawing its id when it has none."""
        task = task.model_copy(update={"id": task.id or self._free_number()})
        return self.hosts.put(task.number, dated(task, self.hosts.get(task.number), self._kernel.clock.now()))

    def put_site(self, task: SiteMonitor) -> SiteMonitor:
        """Keep a task, drawing its id when it has none."""
        task = task.model_copy(update={"id": task.id or self._kernel.chance.uuid("site_monitors").lower()})
        return self.sites.put(task.id, dated(task, self.sites.get(task.id), self._kernel.clock.now()))

    def completed(self, task: HostAvailability) -> HostAvailability:
        """Return a task of a world document with its id and times."""
        now = self._kernel.clock.now()
        times = {"created": task.created or now, "updated": task.updated or task.created or now}
        return task.model_copy(update={"id": task.id or self._free_number(), **times})

    def completed_site(self, task: SiteMonitor) -> SiteMonitor:
        """Return a task of a world document with its id and times."""
        now = self._kernel.clock.now()
        id_ = task.id or self._kernel.chance.uuid("site_monitors").lower()
        times = {"created": task.created or now, "updated": task.updated or task.created or now}
        return task.model_copy(update={"id": id_, **times})

    def _free_number(self) -> int:
        chance = self._kernel.chance.stream("host_availability")
        return self.hosts.free(lambda: chance.randint(10_000, 9_999_999))
