"""How the healer itself is doing, read from its tables: for /healthz and for gauges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cloudheal.metrics.counters import Gauge
from cloudheal.record.draining import is_draining
from cloudheal.record.log_alarms import firing
from cloudheal.record.polls import is_incomplete, polls
from cloudheal.record.tables import DEAD_LETTER, EVENT, INCIDENT, RUN, WORKER


@dataclass(frozen=True, slots=True)
class Pulse:
    """A worker and its tables at a moment; `received` is when the last event was taken in."""

    alive: bool
    received: datetime | None
    open_incidents: int
    dead_letters: int
    runs: dict[str, int]
    polls: dict[str, tuple[datetime, str]]
    draining: bool
    """An operator asked the workers to begin nothing new."""
    firing: dict[str, int]
    """Series that fire, by the alarm on a log."""


def pulse(connection: sa.Connection, worker: str) -> Pulse:
    """Read the pulse; `alive` is false for a worker that others have declared dead."""
    listed = sa.select(WORKER.c.id).where(WORKER.c.id == worker, WORKER.c.heir == "")
    received = connection.scalar(sa.select(EVENT.c.received).order_by(EVENT.c.id.desc()).limit(1))
    waiting = sa.select(sa.func.count()).where(DEAD_LETTER.c.replayed.is_(None))
    return Pulse(
        alive=connection.execute(listed).first() is not None,
        received=None if received is None else datetime.fromtimestamp(received / 1000, UTC),
        open_incidents=connection.scalar(sa.select(sa.func.count()).where(INCIDENT.c.ended.is_(None))) or 0,
        dead_letters=connection.scalar(waiting) or 0,
        runs=dict(_runs(connection)),
        polls=polls(connection),
        draining=is_draining(connection),
        firing=firing(connection),
    )


def shown(found: Pulse) -> dict[str, object]:
    """Return a pulse as /healthz shows it, without its verdict."""
    return {
        "last_event": found.received.isoformat() if found.received else None,
        "open_incidents": found.open_incidents,
        "draining": found.draining,
        "polls": {name: {"ended": at.isoformat(), "outcome": how} for name, (at, how) in found.polls.items()},
    }


def gauges_of(found: Pulse, now: datetime) -> Iterator[Gauge]:
    """Yield a pulse as numbers."""
    yield Gauge("cloudheal_worker_alive", found.alive, {})
    yield Gauge("cloudheal_incidents_open", found.open_incidents, {})
    yield Gauge("cloudheal_dead_letters", found.dead_letters, {})
    for state, number in sorted(found.runs.items()):
        yield Gauge("cloudheal_runs", number, {"state": state})
    for name, (at, how) in sorted(found.polls.items()):
        age = (now - at).total_seconds()
        yield Gauge("cloudheal_poll_age_seconds", age, {"poll": name, "outcome": how})
        yield Gauge("cloudheal_poll_incomplete", is_incomplete(how), {"poll": name})
    for alarm, number in found.firing.items():
        yield Gauge("cloudheal_log_alarm_firing", number, {"alarm": alarm})
    if found.received:
        age = (now - found.received).total_seconds()
        yield Gauge("cloudheal_last_event_age_seconds", age, {})


def _runs(connection: sa.Connection) -> Iterator[tuple[str, int]]:
    counted = sa.select(RUN.c.state, sa.func.count()).where(RUN.c.state != "ended").group_by(RUN.c.state)
    yield from ((row[0], row[1]) for row in connection.execute(counted))
