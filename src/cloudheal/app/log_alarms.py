"""The alarms of the settings, with the resources that they are about, and where their series are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloudheal.logs.alarm_cap import cap_alarm
from cloudheal.logs.alarms import alarm_of
from cloudheal.logs.declared import definitions_of
from cloudheal.model.alarm import LOG
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.log_alarms import Guarded, LogAlarms
from cloudheal.pipeline.log_readings import StoredReadings
from cloudheal.settings.schema import Settings

if TYPE_CHECKING:
    from cloudheal.logs.definition import Definition
    from cloudheal.pipeline.intake import Intake
    from cloudheal.ports.clock import Clock
    from cloudheal.ports.store import Store

#: What to do when a metric has more series than it may have.
CAP_TEXTS = {
    "en": "The smallest series are in __other__: group by less, template URLs (urls:), or raise most.",
    "zh": "最小的序列计入 __other__：请减少分组字段，归一化 URL（urls:），或提高 most。",
}
#: The account of a log that belongs to none.
NOBODY = "local"


def alarms_of(settings: Settings, store: Store, intake: Intake, worker: str, clock: Clock) -> LogAlarms:
    """Return what evaluates the alarms of the settings. Raises SettingsError when a log cannot be counted by."""
    definitions = definitions_of(settings)
    return LogAlarms(
        store=store,
        intake=intake,
        worker=worker,
        guarded=list(_guarded(settings, definitions)),
        readings=StoredReadings({one.name: one for one in definitions}, clock.now()),
        zone=ZoneInfo(settings.timezone),
        clock=clock,
    )


def guarded_of(settings: Settings) -> list[Guarded]:
    """Return every alarm of the settings. Raises SettingsError when a log cannot be counted by."""
    return list(_guarded(settings, definitions_of(settings)))


def _guarded(settings: Settings, definitions: tuple[Definition, ...]) -> Iterator[Guarded]:
    for log, definition in zip(settings.logs, definitions, strict=True):
        metrics = {one.name: one for one in definition.metrics}
        for one in log.alarms:
            metric = metrics[one.metric]
            alarm = alarm_of(one.in_zone(settings.timezone), log.name, metric.by, one.minutes or metric.minutes)
            yield Guarded(alarm, definition.resource or _log(settings, log.name))
        cap = cap_alarm(definition, CAP_TEXTS[settings.language])
        if cap is not None:
            yield Guarded(cap, definition.resource or _log(settings, log.name))


def _log(settings: Settings, name: str) -> ResourceId:
    """Return a log as a resource of its own, of the first account: it belongs to no server and to no region."""
    first = next(iter(settings.accounts), None)
    cloud, account = (first.cloud, first.id) if first else (Cloud.ALIBABA, NOBODY)
    return ResourceId(cloud, account, "", LOG, name)
