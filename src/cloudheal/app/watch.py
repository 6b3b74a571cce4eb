"""How this worker does, for those who watch it: /healthz and /metrics.

Not well means that somebody must look: the tables cannot be read, this worker was declared dead or is stopping, a queue
does not give messages, a role gives no keys, canaries do not come back, a queue is not emptied in time, a chore fails
again and again, a listener does not return, a log cannot be read or is read too slowly, or the disk is nearly full. A
pause, a silent account and keys that cannot be renewed but hold are shown and are no illness.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cloudheal.app.chores import Chores
from cloudheal.app.following import Following
from cloudheal.app.lookout import inlets_of
from cloudheal.app.outage import Outage, reason_of
from cloudheal.app.queue_state import QueueState, QueueStates
from cloudheal.metrics.counters import Counters, Gauge
from cloudheal.model.control import Hold
from cloudheal.model.resource import Cloud
from cloudheal.pipeline.listening import Patrol
from cloudheal.pipeline.log_following import Reading
from cloudheal.ports.account import RoleState
from cloudheal.ports.clock import Clock
from cloudheal.record.database import Database
from cloudheal.record.health import Pulse, gauges_of, pulse, shown
from cloudheal.record.holds import EVERYTHING, holds_on
from cloudheal.record.polls import is_incomplete
from cloudheal.record.watches import Flight, Watched, last_return, newest_flight, watches
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.watch import WatchSettings

#: Failures in a row that are an illness of a queue; a missing queue or a refused key is one at once.
MOST_FAILURES = 3
_AT_ONCE = frozenset({"queue.missing", "queue.refused"})
#: Watches whose badness is shown and told, and is no illness.
_WARNINGS = ("source.silent",)


@dataclass(frozen=True, slots=True)
class Disk:
    """The space beside the database's file; -1 where the database is elsewhere."""

    free: int

    def is_low(self, floor_mb: int) -> bool:
        """Say whether less than the floor is left."""
        return 0 <= self.free < floor_mb * 1_000_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """Everything that both pages show, read in one snapshot."""

    pulse: Pulse
    watched: Mapping[str, Watched]
    flights: Mapping[str, tuple[Flight | None, Flight | None]]
    paused: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is told about one worker."""

    database: Database
    worker: str
    clock: Clock
    counters: Counters
    stopping: threading.Event
    queues: QueueStates
    settings: WatchSettings
    accounts: Sequence[AccountSettings]
    outage: Outage
    chores: Chores
    patrol: Patrol
    following: Following
    roles: Callable[[], Mapping[tuple[Cloud, str], RoleState]]
    """How the short-lived keys of the accounts' roles stand."""

    def health(self) -> Mapping[str, object]:
        """Say how the worker does: `ok` is whether all is well, `problems` are what is not."""
        queues, disk, roles = self.queues.all(), self.disk(), self.roles()
        states = [_queue(one) for one in queues]
        try:
            seen = self._seen()
        except sa.exc.SQLAlchemyError as problem:
            problems = [f"database {reason_of(problem)}", *_ill_queues(queues), *_ill_roles(roles, ill=True)]
            return {
                "ok": False,
                "problems": problems,
                "worker": self.worker,
                "database": reason_of(problem),
                "queues": states,
                "disk_free_bytes": disk.free,
            }
        problems = [
            *self._own(seen.pulse, disk),
            *_ill_queues(queues),
            *_ill_roles(roles, ill=True),
            *_ill(seen.watched),
            *self.following.problems(),
        ]
        return {
            "ok": not problems,
            "problems": problems,
            "warnings": [
                *(name for name, one in seen.watched.items() if one.since and name.startswith(_WARNINGS)),
                *_incomplete(seen.pulse),
                *_ill_roles(roles, ill=False),
            ],
            "worker": self.worker,
            "worker_alive": seen.pulse.alive,
            "database": self.outage.reason or "ok",
            "paused": seen.paused,
            "queues": states,
            "roles": {f"{cloud}/{id_}": _role(one) for (cloud, id_), one in roles.items()},
            "listeners": {call.listener: round(seconds, 3) for call, seconds in self.patrol.calls()},
            "logs": {one.log: _log(one) for one in self.following.readings()},
            "watches": {name: _watched(one) for name, one in seen.watched.items()},
            "canaries": {name: _flight(*flights) for name, flights in seen.flights.items()},
            "disk_free_bytes": disk.free,
            **shown(seen.pulse),
        }

    def metrics(self) -> str:
        """Return the worker's counters and gauges as Prometheus reads them."""
        seen, now = self._seen(), self.clock.now()
        gauges = [*gauges_of(seen.pulse, now), *_watch_gauges(seen), *_queue_gauges(self.queues.all())]
        gauges += [*_listener_gauges(self.patrol), *self.following.gauges()]
        gauges.append(Gauge("cloudheal_paused", 1 if seen.paused else 0, {}))
        if (disk := self.disk()).free >= 0:
            gauges.append(Gauge("cloudheal_disk_free_bytes", disk.free, {}))
        return self.counters.exposition(gauges)

    def disk(self) -> Disk:
        """Look at the space beside the database's file."""
        file = self.database.writing.url.database
        if not self.database.is_sqlite or not file or file == ":memory:":
            return Disk(-1)
        try:
            return Disk(shutil.disk_usage(Path(file).absolute().parent).free)
        except OSError:
            return Disk(0)

    def _seen(self) -> _Seen:
        names = [one.shown for one in inlets_of(self.accounts)]
        with self.database.snapshot() as connection:
            pauses = holds_on(connection, [EVERYTHING], self.clock.now())
            return _Seen(
                pulse=pulse(connection, self.worker),
                watched=watches(connection),
                flights={name: (newest_flight(connection, name), last_return(connection, name)) for name in names},
                paused=_pause(pauses[0]) if pauses else None,
            )

    def _own(self, found: Pulse, disk: Disk) -> Iterator[str]:
        if not found.alive:
            yield "worker.declared_dead"
        if self.stopping.is_set():
            yield "worker.stopping"
        if self.outage.reason:
            yield f"database.failed {self.outage.reason}"
        if disk.is_low(self.settings.disk_floor_mb):
            yield f"disk.low free={disk.free}"
        yield from (f"chore.failing {one.chore} times={one.times} reason={one.reason}" for one in self.chores.ill())
        yield from (
            f"listener.hangs {call.listener} resource={call.resource} seconds={seconds:.0f}"
            for call, seconds in self.patrol.hanging()
        )


def _ill_queues(states: Sequence[QueueState]) -> list[str]:
    ill = (one for one in states if one.problem in _AT_ONCE or one.failures >= MOST_FAILURES)
    return [f"{one.problem} {one.account}/{one.queue} code={one.code}" for one in ill]


def _ill_roles(roles: Mapping[tuple[Cloud, str], RoleState], *, ill: bool) -> Iterator[str]:
    """Name the roles whose keys cannot be renewed: ill are those of which none hold any more."""
    for (cloud, id_), one in roles.items():
        if one.problem and (one.until is None) is ill:
            yield f"role.refused {cloud}/{id_} code={one.problem} what_to_do={one.what_to_do!r}"


def _ill(watched: Mapping[str, Watched]) -> list[str]:
    return [name for name, one in watched.items() if one.since is not None and not name.startswith(_WARNINGS)]


def _incomplete(found: Pulse) -> Iterator[str]:
    """Name the looks that broke off: what they did not find may be there all the same."""
    for name, (_, outcome) in sorted(found.polls.items()):
        if is_incomplete(outcome):
            yield f"poll.incomplete {name} code={outcome}"


def _queue(state: QueueState) -> dict[str, object]:
    return {
        "queue": f"{state.account}/{state.queue}",
        "answered": state.answered.isoformat() if state.answered else None,
        "problem": state.problem,
        "code": state.code,
        "failing_since": state.failing_since.isoformat() if state.failing_since else None,
        "failures": state.failures,
    }


def _role(one: RoleState) -> dict[str, object]:
    return {"role": one.role, "keys_until": one.until.isoformat() if one.until else None, "problem": one.problem}


def _log(one: Reading) -> dict[str, object]:
    return {"files": one.files, "behind_bytes": one.behind, "late_seconds": round(one.late, 3), "lines": one.fed.lines}


def _watched(one: Watched) -> dict[str, object]:
    since = one.since.isoformat() if one.since else None
    return {"looked": one.looked.isoformat(), "seconds": round(one.value, 3), "bad_since": since}


def _pause(hold: Hold) -> dict[str, str]:
    return {"who": hold.who, "why": hold.why, "since": hold.since.isoformat()}


def _flight(newest: Flight | None, back: Flight | None) -> dict[str, object]:
    return {
        "sent": newest.sent.isoformat() if newest else None,
        "returned": back.returned.isoformat() if back and back.returned else None,
        "seconds": back.seconds if back else None,
    }


def _watch_gauges(seen: _Seen) -> Iterator[Gauge]:
    for name, one in seen.watched.items():
        kind, _, about = name.partition(" ")
        yield Gauge("cloudheal_watch_bad", 1 if one.since else 0, {"watch": kind, "about": about})
        if kind == "queue.late":
            yield Gauge("cloudheal_queue_age_seconds", one.value, {"queue": about})
        if kind == "source.silent":
            yield Gauge("cloudheal_source_silent_seconds", one.value, {"account": about})
    for queue, (_, back) in seen.flights.items():
        if back is not None and back.seconds is not None:
            yield Gauge("cloudheal_canary_seconds", back.seconds, {"queue": queue})


def _queue_gauges(states: Sequence[QueueState]) -> Iterator[Gauge]:
    for one in states:
        yield Gauge("cloudheal_queue_failures", one.failures, {"queue": f"{one.account}/{one.queue}"})


def _listener_gauges(patrol: Patrol) -> Iterator[Gauge]:
    busy = {call.listener: seconds for call, seconds in patrol.calls()}
    for teller in patrol.tellers:
        yield Gauge("cloudheal_listener_call_seconds", busy.get(teller.listener, 0), {"listener": teller.listener})
