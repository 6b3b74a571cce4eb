"""The logs that this process follows: from the settings to threads, and what is wrong with any of them.

One process on a host follows the logs of a database; a second one stands by and takes over when the first has died,
which a lock of the system tells at once. Where no such lock can be had, the commits themselves keep two processes from
counting a line twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from cloudheal.logs.counting import Counter, Engine, Fed, Limits
from cloudheal.logs.definition import Definition
from cloudheal.logs.names import shown
from cloudheal.metrics.counters import Counters, Gauge
from cloudheal.pipeline.log_following import Follower, Reading
from cloudheal.ports.clock import Clock
from cloudheal.record.database import Database
from cloudheal.record.log_following import OvertakenError
from cloudheal.settings.schema import Settings
from cloudheal.sources.log_files import TailedFiles

log = logging.getLogger("cloudheal.logs")

#: How often files are read.
POLL_SECONDS = 0.1
#: A log that was not read to its end once in so long is late.
LATE_SECONDS = 60.0


@dataclass(slots=True)
class Following:
    """Every log of the settings, each to be ticked by a thread of its own."""

    database: Database
    followers: Mapping[str, Follower]
    host: str
    """Under which name this host's lines are counted."""
    stands_by: bool = False
    """Another process of this host follows."""
    _lock: int | None = None
    _told: frozenset[str] = frozenset()
    """What was logged to be wrong, and still is."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def works(self) -> Mapping[str, Callable[[], object]]:
        """Return what is to be done again and again, by the name of a chore."""
        return {f"log {name}": lambda one=one: self._work(one) for name, one in self.followers.items()}  # type: ignore[misc]

    def problems(self) -> Iterator[str]:
        """Name what somebody must look at."""
        if self.stands_by:
            return
        for one in self.readings():
            yield from (
                f"log.unreadable {one.log} path={shown(trouble.path)} code={trouble.why}" for trouble in one.troubles
            )
            if one.looked and not one.files and not one.troubles:
                yield f"log.none {one.log}"
            if one.late > LATE_SECONDS:
                yield f"log.late {one.log} bytes={one.behind} seconds={one.late:.0f}"

    def warn(self) -> int:
        """Log what is wrong, once for as long as it lasts; returns how much is new."""
        now = {one.partition(" bytes=")[0]: one for one in self.problems()}
        new = sorted(now.keys() - self._told)
        for name in new:
            log.warning("logs.problem %s", now[name])
        self._told = frozenset(now)
        return len(new)

    def readings(self) -> Sequence[Reading]:
        """Return how each log is read."""
        return [one.reading for one in self.followers.values()]

    def gauges(self) -> Iterator[Gauge]:
        """Yield how each log is read, as numbers."""
        for one in self.readings():
            yield Gauge("cloudheal_log_files", one.files, {"log": one.log})
            yield Gauge("cloudheal_log_behind_bytes", one.behind, {"log": one.log})

    def catch_up(self, stop: Callable[[], bool]) -> int:
        """Read everything that is there to its end, rotated files too; returns how many logs there are."""
        for one in self.followers.values():
            while self._work(one) and not stop():
                pass
        return len(self.followers)

    def end(self) -> int:
        """Commit what was counted, and let another process follow; returns how many logs there are."""
        for name, one in self.followers.items():
            try:
                one.end()
            except (sa.exc.SQLAlchemyError, OvertakenError) as problem:  # the next one reads it again
                log.warning("log.not_ended log=%s reason=%s", name, type(problem).__name__)
        self.release()
        return len(self.followers)

    def release(self) -> bool:
        """Let another process follow, as the system does when this one dies; False when it could already."""
        held, self._lock = self._lock, None
        if held is not None:
            os.close(held)
        return held is not None

    def _work(self, follower: Follower) -> bool:
        return self._is_ours() and follower.follow()

    def _is_ours(self) -> bool:
        """Say whether this process is the one that follows."""
        with self._guard:
            if self._lock is None:
                self._lock = _locked(self.database)
                others = self._lock is None
                if others and not self.stands_by:
                    log.warning("log.standing_by reason=another_process_follows")
                self.stands_by = others
            return self._lock is not None


def following_of(
    settings: Settings, database: Database, definitions: Sequence[Definition], clock: Clock, counters: Counters
) -> Following:
    """Return what follows these logs; nothing is opened yet."""
    host = settings.follow.host or socket.gethostname()
    if not definitions:
        return Following(database, {}, host)

    def seconds() -> int:
        return int(clock.now().timestamp())

    def committed(name: str, fed: Fed) -> None:
        counted = {"counted": fed.counted, "late": fed.late}
        rejected = {reason.name.lower(): number for reason, number in fed.reasons.items()}
        for outcome, number in {**counted, **rejected}.items():
            counters.count("cloudheal_log_lines_total", number, log=name, outcome=outcome)

    for one in definitions:
        if one.guessed:
            log.warning("log.format_guessed log=%s format=%r", one.name, one.guessed)
    followers = {
        one.name: Follower(
            store=database,
            definition=one,
            engine=Picked(),
            files=TailedFiles(one.files, time.monotonic, seconds, olddir=one.olddir),
            host=host,
            clock=clock,
            tick=time.monotonic,
            committed=committed,
        )
        for one in definitions
    }
    return Following(database, followers, host)


class Picked:
    """The engine of this process, loaded when the first line is to be counted."""

    name = "picked"

    def counter(self, definition: Definition, limits: Limits | None = None) -> Counter:
        """Return a counter that has seen nothing."""
        return _engine().counter(definition, limits)

    def load(self, definition: Definition, state: bytes, limits: Limits | None = None) -> Counter:
        """Return a counter as it was when it was dumped."""
        return _engine().load(definition, state, limits)


def _engine() -> Engine:
    from cloudheal.logs.engines import pick  # noqa: PLC0415 - loads what counts, which few need

    return pick()


def _locked(database: Database) -> int | None:
    """Take the lock of this host and database; None while another process has it.

    Where a stranger put something in its place there is no lock, and who follows goes on without.
    """
    name = hashlib.blake2b(_named(database).encode(), digest_size=8).hexdigest()
    path = Path(tempfile.gettempdir()) / f"cloudheal-logs-{os.getuid()}-{name}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as problem:
        return _without_lock(path, str(problem.strerror))
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        return _without_lock(path, "somebody else's")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _without_lock(path: Path, reason: str) -> int:
    """Return what stands for a lock that cannot be had; the commits keep two processes apart."""
    log.warning("log.no_lock path=%s reason=%s", path, reason)
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _named(database: Database) -> str:
    """Return what no other database is called: of a file the whole path, because each folder may have one."""
    url = database.writing.url
    if database.is_sqlite and url.database and url.database != ":memory:":
        return str(Path(url.database).resolve())
    return str(url.set(password=None))
