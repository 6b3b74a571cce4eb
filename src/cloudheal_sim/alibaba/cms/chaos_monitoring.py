"""What chaos can do to the monitoring: raise a rule's alarm, load an instance's CPU as its metrics show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.cms.model.metric_catalogue import ECS
from cloudheal_sim.alibaba.cms.model.metric_lines import Override
from cloudheal_sim.kernel.chaos import Chaos, ChaosError, options_of
from cloudheal_sim.kernel.clock import LONGEST_SECONDS, MILLIS_PER_SECOND
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.cms.state import Cms


class MetricAlarm(Part):
    """What a rule says: a level, `OK` or `INSUFFICIENT_DATA`, about a resource with a value."""

    level: Annotated[
        Literal["CRITICAL", "WARN", "INFO", "OK", "INSUFFICIENT_DATA"], BeforeValidator(lambda text: str(text).upper())
    ] = "CRITICAL"
    instance: str = ""
    dimensions: dict[str, str] = Field(default_factory=dict)
    value: float | None = Field(None, allow_inf_nan=False)


class CpuLoad(Part):
    """How high, and for how long (seconds); null means until something else is said."""

    percent: float = Field(99.0, ge=0, le=100)
    seconds: float | None = Field(600.0, gt=0, le=LONGEST_SECONDS)


class MonitoringChaos:
    """The deeds, over one CloudMonitor."""

    def __init__(self, cms: Cms) -> None:
        self._cms = cms
        self._monitoring = cms.monitoring

    def register(self, chaos: Chaos) -> Chaos:
        """Offer every deed; the ids of `metric_alarm` are those of rules."""
        chaos.register("metric_alarm", self._is_rule, self._metric_alarm)
        chaos.register("cpu_load", self._is_instance, self._cpu_load)
        return chaos

    def _is_rule(self, id_: str) -> bool:
        return self._monitoring.rules.store.get(id_) is not None

    def _is_instance(self, id_: str) -> bool:
        return self._monitoring.groups.directory.facts(id_) is not None

    def _metric_alarm(self, id_: str, options: Mapping[str, Any]) -> None:
        rule, said = self._monitoring.rules.store.get(id_), options_of(MetricAlarm, options)
        if rule is None or not rule.enabled:
            raise ChaosError(f"instances: the rule {id_!r} is disabled and says nothing")
        dimensions = {**({"instanceId": said.instance} if said.instance else {}), **said.dimensions}
        self._monitoring.alarms.raised(rule, said.level, dimensions, said.value)

    def _cpu_load(self, id_: str, options: Mapping[str, Any]) -> None:
        load, now = options_of(CpuLoad, options), self._cms.kernel.clock.now()
        until = None if load.seconds is None else now + round(load.seconds * MILLIS_PER_SECOND)
        shown = {"CPUUtilization": load.percent, "cpu_total": load.percent, "cpu_idle": 100.0 - load.percent}
        for metric, value in shown.items():
            self._monitoring.override(
                Override(namespace=ECS, metric=metric, instance=id_, since=now, until=until, value=value)
            )
