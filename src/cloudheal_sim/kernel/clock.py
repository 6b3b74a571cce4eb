"""The one virtual clock: everything that happens in time in the simulated cloud reads it.

Three modes: `real` follows the machine, `scaled` runs `scale` times as fast, `stepped` moves only when told to.
Timers fire in due order, and while one fires `now()` is its due time exactly, so that a five minute notice is five
minutes in every mode. The clock never runs backwards; only a new world may set an earlier time (`restart`).
"""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MILLIS_PER_SECOND = 1000
MILLIS_PER_DAY = 86_400_000
#: Timers in the heap before cancelled ones are looked for; by feel.
_SWEEP_AT = 4096
#: The epoch of datetimes handed out; kept as a constant because conversions are on the hot path.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Where time ends: datetimes know no year after 9999, and what is planned must fit behind the present.
_END = round((datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))
#: Where timers due later are put; they never fire.
_NEVER = round((datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))


#: The longest span that anything may be told to take: time itself ends in the year 9000.
LONGEST_SECONDS = 100 * 365 * 86_400


class Mode(StrEnum):
    """How virtual time moves."""

    REAL = "real"
    SCALED = "scaled"
    STEPPED = "stepped"


class ClockError(ValueError):
    """The clock was asked to do something that time cannot do; the message says what."""


@dataclass(order=True, slots=True)
class Timer:
    """A callback due at an instant; cancelled timers stay in the heap and are skipped.

    A `patience` timer changes nothing in the world: it is when somebody who waits for an answer stops waiting.
    """

    due: int
    seq: int
    callback: Callable[[], object] = field(compare=False)
    patience: bool = field(default=False, compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Keep the callback from ever firing."""
        self.cancelled = True


def to_datetime(instant: int) -> datetime:
    """Turn epoch milliseconds into an aware UTC datetime."""
    return _EPOCH + timedelta(milliseconds=instant)


def to_millis(moment: datetime) -> int:
    """Turn an aware datetime into epoch milliseconds; a naive one is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round((aware - _EPOCH) / timedelta(milliseconds=1))


def iso_millis(instant: int) -> str:
    """Write an instant as `YYYY-MM-DDThh:mm:ss.sssZ`, the control API's form."""
    return to_datetime(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(instant: int) -> str:
    """Write an instant as `YYYY-MM-DDThh:mm:ssZ`, as most vendor APIs show it."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_minutes(instant: int) -> str:
    """Write an instant as `YYYY-MM-DDThh:mmZ`, as vendor APIs show when something was made."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%MZ")


def checked(instant: int) -> int:
    """Return an instant at which the clock can stand. Raises ClockError for one outside the years 1970 to 8999."""
    if not 0 <= instant <= _END:
        msg = f"now: expected an instant in the years 1970 to 8999, got {_shown(instant)}"
        raise ClockError(msg)
    return instant


def _shown(instant: int) -> str:
    try:
        return iso_millis(instant)
    except OverflowError:
        return f"{instant} ms after 1970"


def wall_millis() -> int:
    """Read the machine's clock; the only place in the simulator that does."""
    return time.time_ns() // 1_000_000


class Clock:
    """Virtual time in epoch milliseconds, with timers."""

    def __init__(self, now: int, mode: Mode = Mode.REAL, scale: float = 1.0) -> None:
        self._timers: list[Timer] = []
        self._seq = 0
        self._sweep_at = _SWEEP_AT
        self._firing: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleepers: set[asyncio.Future[bool]] = set()
        self._wake: asyncio.TimerHandle | None = None
        self.skew_check = True
        self._set(now, mode, scale)

    def _set(self, now: int, mode: Mode, scale: float) -> None:
        if not scale > 0:
            msg = f"scale must be above 0, got {scale}"
            raise ClockError(msg)
        self.mode = mode
        self.scale = scale if mode is Mode.SCALED else 1.0
        self._base = checked(now)
        self._base_monotonic = time.monotonic()

    def now(self) -> int:
        """Return the current virtual instant in epoch milliseconds."""
        if self._firing is not None:
            return self._firing
        if self.mode is Mode.STEPPED:
            return self._base
        elapsed = (time.monotonic() - self._base_monotonic) * self.scale
        return min(self._base + int(elapsed * MILLIS_PER_SECOND), _END)

    def call_at(self, due: int, callback: Callable[[], object], *, patience: bool = False) -> Timer:
        """Have `callback` called once when virtual time reaches `due`; an instant in the past fires next."""
        self._seq += 1
        timer = Timer(min(due, _NEVER), self._seq, callback, patience)
        heapq.heappush(self._timers, timer)
        if len(self._timers) > self._sweep_at:
            self._sweep()
        if self._firing is None and self._timers[0] is timer:
            self._arm()
        return timer

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called `seconds` of virtual time from now."""
        return self.call_at(self.now() + round(seconds * MILLIS_PER_SECOND), callback)

    async def sleep_until(self, due: int) -> bool:
        """Wait until virtual time reaches `due`, in whatever way it gets there; False when a new world begins first."""
        if due <= self.now():
            return True
        reached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        timer = self.call_at(due, lambda: _release(reached, reached=True), patience=True)
        self._sleepers.add(reached)
        try:
            return await reached
        finally:
            self._sleepers.discard(reached)
            timer.cancel()

    def next_due(self) -> int | None:
        """Return when the next timer is due, or None when nothing is planned."""
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].due if self._timers else None

    def next_change(self) -> int | None:
        """Return when the next timer is due that changes something: calls that wait for an answer are passed over."""
        # Below a timer of a heap nothing is due earlier, so one looks only behind those that are passed over.
        nodes = [(timer, 0) for timer in self._timers[:1]]
        while nodes:
            timer, node = heapq.heappop(nodes)
            if not (timer.cancelled or timer.patience):
                return timer.due
            below = self._timers[2 * node + 1 : 2 * node + 3]
            for number, child in enumerate(below, 2 * node + 1):
                heapq.heappush(nodes, (child, number))
        return None

    def pending(self) -> int:
        """Count the timers that will still fire."""
        return sum(not timer.cancelled for timer in self._timers)

    def catch_up(self) -> int:
        """Fire, in order, every timer that is due by now; return how many fired."""
        return 0 if self._firing is not None else self._fire_until(self.now())

    def advance(self, seconds: float) -> int:
        """Move time forward, firing every due timer at its own instant; return how many fired."""
        if not 0 <= seconds < float("inf"):
            msg = f"seconds must be 0 or more, got {seconds}"
            raise ClockError(msg)
        return self.advance_to(self.now() + round(seconds * MILLIS_PER_SECOND))

    def advance_to(self, instant: int) -> int:
        """Move time forward to `instant`, firing what is due on the way."""
        if instant < self.now():
            msg = f"time does not run backwards: it is {iso_millis(self.now())}; PUT a world to start elsewhere"
            raise ClockError(msg)
        fired = self._fire_until(checked(instant))
        self._set(max(instant, self._base), self.mode, self.scale)
        self._arm()
        return fired

    def change(self, mode: Mode, scale: float) -> None:
        """Change how time moves, keeping the present instant and all timers."""
        self._set(self.now(), mode, scale)
        self._arm()

    def restart(self, now: int) -> None:
        """Forget every timer and continue from `now`: a new world begins."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for sleeper in self._sleepers:
            _release(sleeper, reached=False)
        self._set(now, self.mode, self.scale)
        self._arm()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the event loop drive the timers from now on."""
        self._loop = loop
        self._arm()

    def _fire_until(self, instant: int) -> int:
        fired = 0
        try:
            while (due := self.next_due()) is not None and due <= instant:
                self._fire(heapq.heappop(self._timers))
                fired += 1
        finally:
            self._arm()
        return fired

    def _fire(self, timer: Timer) -> None:
        self._firing = max(timer.due, self._base)
        if self.mode is Mode.STEPPED:
            self._base = self._firing
        try:
            timer.callback()
        finally:
            self._firing = None

    def _sweep(self) -> None:
        """Drop cancelled timers, which would stay until they are due: days, for a message's retention."""
        self._timers[:] = [timer for timer in self._timers if not timer.cancelled]
        heapq.heapify(self._timers)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._timers))

    def _arm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = self.next_due()
        if self._loop is None or self.mode is Mode.STEPPED or due is None:
            return
        delay = max(0.0, (due - self.now()) / MILLIS_PER_SECOND / self.scale)
        self._wake = self._loop.call_later(delay, self.catch_up)


def _release(sleeper: asyncio.Future[bool], *, reached: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(reached)
