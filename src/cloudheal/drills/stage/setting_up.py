"""Sets a stage up: the simulator first, then a handler whose rules are trusted, because this is a rehearsal.

A newcomer needs no settings, no account and no key for it. All of it ends with the block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudheal.drills.scenario import Scenario
from cloudheal.drills.stage.door import free_door
from cloudheal.drills.stage.fleet import settings_of, usual_rules, world_of
from cloudheal.drills.stage.handler import Handler, HandlerProcess
from cloudheal.drills.stage.night import Night
from cloudheal.drills.stage.simulator import SimulatedCloud, StageError, simulated_cloud
from cloudheal.record.database import Database, open_database
from cloudheal.record.promotions import promote
from cloudheal.record.schema import migrate
from cloudheal.record.tables import RESOURCE
from cloudheal.record.workers import is_anyone_alive
from cloudheal.settings.rules import Rule

#: How long a handler may take until it is at work and knows the fleet, in real seconds, looked at so often.
READY_SECONDS, LOOK_SECONDS = 120.0, 0.2
#: Who trusts the rules of a stage.
DIRECTOR = "the stage"


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulated cloud with a handler."""

    cloud: SimulatedCloud
    handler: Handler
    config: Path
    night: Night

    def passes(self, latest: datetime) -> None:
        """Let time pass: a leap when all is idle, a moment of real time otherwise."""
        if self.night.is_idle():
            self.night.leap(latest)
        else:
            time.sleep(LOOK_SECONDS)


@contextmanager
def stage(scenario: Scenario, folder: Path, language: str) -> Iterator[Stage]:
    """Have a stage in a folder until the block ends, with the handler at work. Raises StageError."""
    door = free_door()
    with simulated_cloud(world_of(scenario, door)) as cloud:
        document = settings_of(scenario, cloud.url, folder, language, door)
        handler = HandlerProcess(folder, document)
        with staged(scenario, cloud, document, handler, handler.config) as ready:
            yield ready


@contextmanager
def staged(
    scenario: Scenario, cloud: SimulatedCloud, document: dict[str, Any], handler: Handler, config: Path
) -> Iterator[Stage]:
    """Have a stage on a cloud that is there already."""
    database = open_database(document["database"])
    try:
        migrate(database)
        with database.transaction() as connection:
            promote(connection, _rules(scenario), DIRECTOR, scenario.stage.now)
        handler.start()
        _until(lambda: _is_ready(database), handler)
        yield Stage(cloud, handler, config, Night(cloud, database, cloud.messages, lambda: handler.lives))
    finally:
        handler.stop()
        database.close()


def _rules(scenario: Scenario) -> Sequence[Rule]:
    return usual_rules(scenario.stage.cloud) if scenario.stage.rules is None else scenario.stage.rules


def _until(condition: Callable[[], bool], handler: Handler) -> int:
    """Wait on a condition; returns how many looks it took. Raises StageError."""
    for looks in range(round(READY_SECONDS / LOOK_SECONDS)):
        if condition():
            return looks
        if not handler.lives:
            break
        time.sleep(LOOK_SECONDS)
    said = handler.log_tail() if isinstance(handler, HandlerProcess) else ""
    raise StageError(f"the handler did not begin its work\n{said}".strip())


def _is_ready(database: Database) -> bool:
    """Say whether the handler is at work and knows its fleet."""
    with database.snapshot() as connection:
        knows = connection.execute(sa.select(RESOURCE.c.id).where(RESOURCE.c.described.is_not(None)).limit(1)).first()
        return is_anyone_alive(connection) and knows is not None
