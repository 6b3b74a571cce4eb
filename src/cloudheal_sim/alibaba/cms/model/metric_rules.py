"""Metric alert rules and what they have said: kept as objects, with their targets and the log of their alarms.

Nothing evaluates a rule against the metrics here: an alarm is raised by hand (the deed `metric_alarm`), and goes from
there the way a real one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.contacts import dated
from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudheal_sim.kernel.core import Kernel

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Level = Literal["CRITICAL", "WARN", "INFO"]
#: The number by which an alarm's escalation names its level.
LEVEL_NUMBERS: dict[str, int] = {"CRITICAL": 2, "WARN": 3, "INFO": 4}
Operator = Literal[
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanThreshold",
    "NotEqualToThreshold",
    "EqualToThreshold",
    "GreaterThanYesterday",
    "LessThanYesterday",
    "GreaterThanLastWeek",
    "LessThanLastWeek",
    "GreaterThanLastPeriod",
    "LessThanLastPeriod",
]
_SIGNS = {
    "GreaterThanOrEqualToThreshold": ">=",
    "GreaterThanThreshold": ">",
    "LessThanOrEqualToThreshold": "<=",
    "LessThanThreshold": "<",
    "NotEqualToThreshold": "!=",
    "EqualToThreshold": "==",
}
NoDataPolicy: TypeAlias = Literal["KEEP_LAST_STATE", "INSUFFICIENT_DATA", "OK"]
MOST_TARGETS = 5
#: Alarms kept in the log; the oldest fall off. By feel.
MOST_ALARMS = 10_000


class Escalation(Record):
    """When one level is reached."""

    statistics: str
    operator: Operator
    threshold: str
    times: Annotated[int, Field(ge=1)]
    pre_condition: str = ""
    n: int | None = None

    @property
    def expression(self) -> str:
        """The condition as the vendor's messages write it: `$Average>80`."""
        return f"${self.statistics}{_SIGNS.get(self.operator, self.operator)}{self.threshold}"


class Escalations(Record):
    """The three levels, the most urgent first."""

    critical: Escalation | None = None
    warn: Escalation | None = None
    info: Escalation | None = None

    def levels(self) -> dict[str, Escalation]:
        """Return the levels that are set, by the name that alarms carry."""
        named = {"CRITICAL": self.critical, "WARN": self.warn, "INFO": self.info}
        return {name: one for name, one in named.items() if one is not None}


class Label(Record):
    """A tag on a rule or on what it says."""

    key: str
    value: str = ""


class Expression(Record):
    """One part of a composite condition."""

    metric: str
    operator: Operator
    statistics: str
    threshold: str
    period: int | None = None


class Composite(Record):
    """A condition over several metrics."""

    level: str = ""
    join: str = ""
    raw: str = ""
    times: int | None = None
    expressions: tuple[Expression, ...] = ()


class Prometheus(Record):
    """A condition in PromQL."""

    prom_ql: str
    level: str = ""
    times: int | None = None
    annotations: tuple[Label, ...] = ()


class Target(Record):
    """Where a rule's alarms go besides its contacts; MNS queues and topics are really delivered to."""

    id: str
    arn: str
    level: str = ""
    json_params: str = ""


class MetricRule(Record):
    """One rule, on resources or on a group; texts that hold JSON are kept as they were given."""

    id: str
    name: str
    namespace: str
    metric: str = ""
    contact_groups: str = ""
    resources: str = ""
    dimensions: str = ""
    extra_dimensions: str = ""
    category: str = ""
    options: str = ""
    group: int | None = None
    template: int | None = None
    period: int = 60
    interval: str = ""
    silence_time: Annotated[int, Field(ge=0)] = 86_400
    effective_interval: str = "00:00-23:59"
    no_effective_interval: str = ""
    no_data_policy: NoDataPolicy = "KEEP_LAST_STATE"
    webhook: str = ""
    email_subject: str = ""
    send_ok: bool | None = None
    labels: tuple[Label, ...] = ()
    escalations: Escalations = Escalations()
    composite: Composite | None = None
    prometheus: Prometheus | None = None
    targets: Annotated[tuple[Target, ...], Field(max_length=MOST_TARGETS)] = ()
    enabled: bool = True
    state: State = "OK"
    created: Instant = None
    updated: Instant = None


class Alarm(Record):
    """One thing that a rule said; times are epoch milliseconds."""

    id: str
    rule: str
    at: int
    level: Literal["CRITICAL", "WARN", "INFO", "OK", "INSUFFICIENT_DATA"]
    previous: str = "OK"
    instance: str = ""
    dimensions: dict[str, str] = Field(default_factory=dict)
    value: float | None = None
    sent: bool = True


class MetricRules:
    """Every metric alert rule of one account, and the log of alarms."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.store: Store[str, MetricRule] = Store(kernel, "metric_rule")
        self.alarms: tuple[Alarm, ...] = ()

    def put(self, rule: MetricRule) -> MetricRule:
        """Keep a rule; one that is replaced keeps its state, its targets and whether it is enabled."""
        old = self.store.get(rule.id)
        if old is not None:
            rule = rule.model_copy(update={"state": old.state, "targets": old.targets, "enabled": old.enabled})
        return self.store.put(rule.id, dated(rule, old, self._kernel.clock.now()))

    def change(self, rule: MetricRule, **changes: object) -> MetricRule:
        """Replace a rule by one that differs in the fields named."""
        changed = rule.model_copy(update={**changes, "updated": self._kernel.clock.now()})
        return self.store.put(changed.id, changed)

    def of_group(self, group: int) -> Iterator[MetricRule]:
        """Iterate over the rules that act on a group."""
        return (rule for rule in list(self.store.all()) if rule.group == group)

    def note(self, alarm: Alarm) -> Alarm:
        """Write an alarm into the log."""
        self.alarms = (*self.alarms, alarm)[-MOST_ALARMS:]
        return alarm

    def latest(self, rule: MetricRule) -> dict[tuple[tuple[str, str], ...], Alarm]:
        """Return the last alarm of each resource that the rule spoke about."""
        return {tuple(sorted(one.dimensions.items())): one for one in self.alarms if one.rule == rule.id}
