"""One log followed: read a block, count it, close minutes, and commit all of it with the place that was reached.

What is in memory is never more than a few seconds ahead of the record, and is thrown away whenever anything fails:
going on after a failure is the same as going on after a crash, so there is one way back and it is always in use.

A minute is closed when the newest line is so much later than its end as the log may be late; once everything that was
written has been read, the clock closes it too. A line that comes later still opens its minute again, and what it adds
is stored beside what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cloudheal.logs.counting import Counter, Engine, Fed, Minute
from cloudheal.logs.definition import Definition
from cloudheal.logs.windows import capped
from cloudheal.ports.clock import Clock
from cloudheal.ports.log_files import LogFiles, Trouble
from cloudheal.ports.store import Store
from cloudheal.record.log_following import Progress, Standing, advance, standing

log = logging.getLogger("cloudheal.logs")

#: How often what was counted is committed; a commit may take a tenth of the time at most.
COMMIT_SECONDS, SHARE = 5.0, 10
#: The pause after a failure: a database that is away is not asked ten times a second.
AGAIN_SECONDS = 1.0
#: How often it is said that nothing came: whoever waits for a minute to be over must not wait for a line.
SAID_SECONDS = 30
#: How long one tick reads on before others have their turn and what was counted may be committed.
TICK_SECONDS = 1.0
#: Lines counted at once where any time may have passed between them, because nobody has looked for so many seconds.
#: Each may be of a minute of its own, and a counter has room for 1,440.
LINES_AT_ONCE, UNSEEN_SECONDS = 1_000, 600.0
#: Minutes that are open, and late lines, which may open one each, before minutes are closed between commits.
OPEN_SECONDS, OPEN_LATE = 1_800, 400
#: Minutes in memory that wait for a commit.
MOST_PENDING = 5_000
#: Series stored for each that a metric may have: which are the largest is decided in the whole window.
STORED_SERIES = 4
#: Later than anything that is open.
_END = 1 << 40


@dataclass(frozen=True, slots=True)
class Reading:
    """How a log is read now: its files, what waits in them since when, and what cannot be read."""

    log: str
    files: int
    behind: int
    """Bytes that wait to be read."""
    late: float
    """For how many seconds something has been waiting all the time."""
    troubles: tuple[Trouble, ...]
    fed: Fed
    """What the lines came to that this process has committed."""
    looked: bool = True
    """False before the files were looked for."""


@dataclass(slots=True)
class Follower:
    """Follows one log on this host; used by one thread."""

    store: Store
    definition: Definition
    engine: Engine
    files: LogFiles
    host: str
    clock: Clock
    tick: Callable[[], float]
    """Seconds of a clock that only goes forward."""
    commit_seconds: float = COMMIT_SECONDS
    committed: Callable[[str, Fed], object] = lambda _name, _fed: None
    """Told after every commit what the lines of a log came to."""
    _standing: Standing | None = None
    _counter: Counter | None = None
    _fed: Fed = field(default_factory=Fed)
    _told: Fed = field(default_factory=Fed)
    _pending: list[Minute] = field(default_factory=list)
    _closed: int = 0
    _late: int = 0
    _due: float = 0.0
    _not_before: float = float("-inf")
    _waits_since: float | None = None
    _caught_up: float = float("-inf")
    """When all that was there had been read."""
    _most: Mapping[str, int] = field(default_factory=dict)
    _reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was read."""
        self._reading = Reading(self.definition.name, 0, 0, 0.0, (), Fed(), looked=False)

    def follow(self) -> bool:
        """Read and count what is new, and commit when it is time; True when more waits already.

        Whatever it raises, nothing is lost by it: the next call goes on from what is on record.
        """
        if self.tick() < self._not_before:
            return False
        try:
            if self._counter is None:
                self._counter = self.begin()
            counter = self._counter
            more = self._read(counter)
            self._look()
            if self.tick() >= self._due or len(self._pending) >= MOST_PENDING:
                self._commit(counter, self._watermark())
        except BaseException:
            self.forget()
            self._not_before = self.tick() + AGAIN_SECONDS
            raise
        return more

    def end(self) -> bool:
        """Commit what was counted, open minutes too, as an orderly end; False when nothing was in hand.

        With the minutes closed, whoever starts next may have changed what is counted.
        """
        counter, self._due = self._counter, 0.0
        if counter is not None:
            self._commit(counter, _END)
            self._look()
        self.forget()
        return counter is not None

    def forget(self) -> Follower:
        """Throw away what is in memory; the next call begins from what is on record."""
        self._counter = self._standing = None
        self._fed, self._pending, self._late, self._caught_up = Fed(), [], 0, float("-inf")
        self.files.close()
        return self

    @property
    def reading(self) -> Reading:
        """How it went when it was looked at last; asked by any thread."""
        return self._reading

    def _look(self) -> Reading:
        files, late = self.files, 0.0 if self._waits_since is None else self.tick() - self._waits_since
        self._reading = Reading(self.definition.name, files.count(), files.behind(), late, files.troubles(), self._told)
        return self._reading

    def begin(self) -> Counter:
        """Stand where the record says; returns what counts on from there."""
        name = self.definition.name
        with self.store.snapshot() as connection:
            found = standing(connection, name, self.host)
        counter = self._loaded(found)
        self.files.resume(list((found.places or {}).values()))
        self._standing, self._closed = found, found.newest - self.definition.late
        self._most = {one.name: one.most * STORED_SERIES for one in self.definition.metrics}
        # Of a log that was never followed the places are kept at once: rotated files are known by having been seen.
        self._due = self.tick() + (self.commit_seconds if found.version else 0)
        return counter

    def _loaded(self, found: Standing) -> Counter:
        if not found.state:
            return self.engine.counter(self.definition)
        try:
            return self.engine.load(self.definition, found.state)
        except ValueError as problem:
            log.warning("log.open_minutes_lost log=%s reason=%s", self.definition.name, problem)
            return self.engine.counter(self.definition)

    def _read(self, counter: Counter) -> bool:
        until = self.tick() + TICK_SECONDS
        while True:
            got = 0
            live = self.tick() - self._caught_up < UNSEEN_SECONDS
            for block in self.files.read():
                got += len(block)
                for piece in (block,) if live else pieces(block):
                    self._feed(counter, piece)
            waits = self.files.behind() > 0
            if not waits:
                self._waits_since, self._caught_up = None, self.tick()
            elif self._waits_since is None:
                self._waits_since = self.tick()
            if not got or self.tick() >= until or len(self._pending) >= MOST_PENDING:
                return waits and got > 0

    def _feed(self, counter: Counter, piece: bytes) -> Fed:
        fed = counter.feed(piece, self._now() + self.definition.ahead + 1)
        self._fed += fed
        self._late += fed.late
        if self._fed.newest - self._closed > OPEN_SECONDS or self._late >= OPEN_LATE:
            self._close(counter, max(self._closed, min(self._fed.newest, self._now()) - self.definition.late))
        return fed

    def _close(self, counter: Counter, before: int) -> int:
        minutes = counter.close(before)
        self._pending += (capped(one, self._most[one.metric])[0] for one in minutes)
        self._closed, self._late = max(self._closed, before), 0
        return len(minutes)

    def _watermark(self) -> int:
        """Return the second up to which minutes are over."""
        newest = max(self._fed.newest, self._standing.newest if self._standing else 0)
        now = self._now()
        return (now if self._waits_since is None else min(newest, now)) - self.definition.late

    def _commit(self, counter: Counter, before: int) -> Standing | None:
        began = self.tick()
        self._close(counter, before)
        done, places, closed = self._standing or Standing(), self.files.places(), min(before, self._watermark())
        is_same = not self._fed.lines and not self._pending and done.places == {one.number: one for one in places}
        if is_same and closed - done.closed < SAID_SECONDS:
            self._due = began + self.commit_seconds
            return None
        # Nothing is open then; a counter that went on from there would take every line for a late one.
        state = counter.dump() if before < _END else b""
        progress = Progress(tuple(self._pending), state, self._fed, places, closed)
        moment = self.clock.now()
        with self.store.transaction() as connection:
            self._standing = advance(connection, self.definition.name, self.host, done, progress, moment)
        fed, self._fed, self._pending = self._fed, Fed(), []
        self._told += fed
        self.committed(self.definition.name, fed)
        now = self.tick()
        self._due = now + max(self.commit_seconds, (now - began) * SHARE)
        return self._standing

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def pieces(block: bytes) -> Iterator[bytes]:
    """Yield a block of lines in pieces of about `LINES_AT_ONCE`."""
    lines = block.count(b"\n")
    if lines <= LINES_AT_ONCE:
        yield block
        return
    size, begin = len(block) * LINES_AT_ONCE // lines, 0
    while begin < len(block):
        end = block.rfind(b"\n", begin, begin + size) + 1 or block.find(b"\n", begin) + 1 or len(block)
        yield from pieces(block[begin:end])  # shorter lines may stand close together
        begin = end
