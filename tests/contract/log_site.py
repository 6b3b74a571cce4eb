"""A site whose metrics a test writes down, and a worker that evaluates alarms on them, on the test's clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloudheal import playbooks as built_in
from cloudheal.act.library import library_of
from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import rule_book
from cloudheal.logs.alarm_rounds import Key, Line, Values
from cloudheal.logs.alarms import Alarm, alarm_of
from cloudheal.model.event import Event
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline.deciding import Decider
from cloudheal.pipeline.intake import Intake
from cloudheal.pipeline.log_alarms import Guarded, LogAlarms
from cloudheal.plugins import in_package, of_kind
from cloudheal.record.database import Database
from cloudheal.record.inbox import event_by_key
from cloudheal.record.log_alarms import Name, lines_of
from cloudheal.record.promotions import promote
from cloudheal.record.tables import EVENT, OUTBOX
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.alarms import AlarmSettings
from cloudheal.settings.rules import RuleFile
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEB = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", "i-bp1web01")
LIBRARY = library_of(of_kind(in_package(built_in), Playbook), TRIGGERS)
LATE = 60


class WrittenSeries:
    """Series as a test has written them down."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        """Happens while somebody reads, once."""
        self.points: dict[tuple[str, str], dict[int, dict[Key, float]]] = defaultdict(dict)
        self.stored: list[tuple[str, int, Key]] = []
        """Every value as it was written, by number."""

    def put(self, at: datetime, value: float, key: Key = (), *, metric: str = "requests", alias: str = "rt") -> None:
        """Write the value of a period."""
        self.points[metric, alias].setdefault(int(at.timestamp()), {})[key] = value
        self.stored.append((metric, int(at.timestamp()), key))

    def closed(self, _connection: sa.Connection, _definition: str, now: datetime) -> int:
        """A minute is awaited for another one."""
        return int(now.timestamp()) - LATE

    def values(self, _connection: sa.Connection, alarm: Alarm, start: int, end: int) -> Mapping[int, Values]:
        """Return what was written."""
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        points = self.points[alarm.metric, alarm.alias]
        return {at: values for at, values in points.items() if start <= at < end}

    def numbers(self, _connection: sa.Connection) -> Mapping[str, Mapping[str, int]]:
        """Return how many values were written, by one host."""
        return {"web": {"h1": len(self.stored)}}

    def corrections(
        self, _connection: sa.Connection, alarm: Alarm, after: Mapping[str, int], start: int, end: int
    ) -> Mapping[Key, int]:
        """Return the series of which values were written later."""
        found: dict[Key, int] = {}
        for metric, at, key in self.stored[after.get("h1", 0) :]:
            if metric == alarm.metric and start <= at < end:
                found[key] = min(at, found.get(key, at))
        return found


def alarm(
    levels: Mapping[str, Any], name: str = "slow", by: Sequence[str] = (), minutes: int = 1, **more: Any
) -> Alarm:
    """Return an alarm on the site's response time."""
    settings = {"name": name, "metric": "requests", "value": "rt", "levels": levels, **more}
    return alarm_of(AlarmSettings.model_validate(settings), "web", by, minutes)


class Site:
    """The site, its worker and everything that came of it."""

    def __init__(self, database: Database, *alarms: Alarm, rules: Sequence[Mapping[str, Any]] = ()) -> None:
        self.database = database
        self.clock = VirtualClock(NOON)
        self.series = WrittenSeries()
        ids, file = count(), RuleFile.model_validate({"rules": list(rules)})
        with database.transaction() as connection:
            promote(connection, file.rules, "test", NOON)
        self.intake = Intake(
            store=database,
            decider=Decider(
                looks=Engine(),
                rules=rule_book(file.rules),
                playbooks=LIBRARY.playbooks,
                trouble_of=lambda event: trouble_of(event, LIBRARY.triggers),
                clock=self.clock,
                new_id=lambda: f"{next(ids):06}",
                worker="w",
            ),
            wanted_by=lambda _: (),
            reader=lambda *_: None,  # type: ignore[arg-type]  # nothing comes by message
            lookup=lambda subjects: {one: Resource(one, NOON, "Running", one.id) for one in subjects},
        )
        self.alarms = self.worker("w", *alarms)

    def worker(self, name: str, *alarms: Alarm, subject: ResourceId = WEB) -> LogAlarms:
        """Return one worker's evaluation of alarms."""
        return LogAlarms(
            store=self.database,
            intake=self.intake,
            worker=name,
            guarded=[Guarded(one, subject) for one in alarms],
            readings=self.series,
            zone=ZoneInfo("Asia/Shanghai"),
            clock=self.clock,
        )

    def minute(self, value: float | None, key: Key = (), minutes: int = 1) -> int:
        """Let a period pass in which a series has a value, and evaluate it; returns how many were evaluated."""
        return self.minutes({key: value} if value is not None else {}, minutes)

    def minutes(self, values: Mapping[Key, float], minutes: int = 1) -> int:
        """Let a period pass in which series have values, and evaluate it."""
        at = self.clock.now() - timedelta(seconds=LATE)
        for key, value in values.items():
            self.series.put(at, value, key)
        self.clock.advance(timedelta(minutes=minutes))
        return self.alarms.tick()

    @property
    def events(self) -> list[Event]:
        """Every event, oldest first."""
        with self.database.snapshot() as connection:
            keys = connection.scalars(sa.select(EVENT.c.key).order_by(EVENT.c.id)).all()
            return [event for key in keys if (event := event_by_key(connection, key))]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Return the topics of all notices, with their counts."""
        with self.database.snapshot() as connection:
            rows = connection.execute(sa.select(OUTBOX.c.topic, OUTBOX.c.facts).order_by(OUTBOX.c.id)).all()
        return [(row.topic, row.facts) for row in rows]

    @property
    def topics(self) -> list[str]:
        """Return the topics of all notices."""
        return [topic for topic, _ in self.told]

    def lines(self, name: str = "slow") -> Mapping[Key, Line]:
        """Return how an alarm stands."""
        with self.database.snapshot() as connection:
            return lines_of(connection, Name("web", name))
