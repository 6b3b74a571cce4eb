"""Messages in hand: kept from other receivers for as long as their commit takes.

A queue gives a message to somebody else when it was neither deleted nor asked for again within its visibility time.
A thread of its own, on a connection of its own, asks again at half time; each time the message gets a new handle, and
the old one is dead. A handle that expired all the same is no error: the message comes again, as a duplicate.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.queue import Queue, QueuedMessage

log = logging.getLogger("cloudheal.queue")

#: A commit that takes longer than this is stuck, and another worker shall have the message.
MOST_SECONDS = 900.0
#: The pause after a call that failed.
AGAIN_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Held:
    """One message in hand; whoever uses its handle holds `using`."""

    message: QueuedMessage
    handle: str
    taken: float
    renew_at: float
    using: threading.Lock = field(default_factory=threading.Lock)
    let_go: bool = False


class Custody:
    """Keeps the messages of one queue for all receivers of this process."""

    def __init__(self, connect: Callable[[], Queue], seconds: int, extended: Callable[[], object]) -> None:
        """`seconds` is what is asked for each time; `extended` is told of every time."""
        self._connect = connect
        self._seconds = seconds
        self._extended = extended
        self._held: set[Held] = set()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Stop keeping; what is still in hand expires."""
        with self._changed:
            self._over.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=AGAIN_SECONDS)

    def hold(self, messages: Sequence[QueuedMessage]) -> list[Held]:
        """Keep messages until they are let go."""
        now = time.monotonic()
        held = [Held(one, one.handle, now, now + self._half(one)) for one in messages]
        with self._changed:
            self._held.update(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="cloudheal-custody", daemon=True)
                self._thread.start()
            self._changed.notify()
        return held

    def let_go(self, held: Sequence[Held]) -> list[str]:
        """Stop keeping messages; returns their handles as they are now."""
        with self._changed:
            self._held.difference_update(held)
        handles = []
        for one in held:
            with one.using:
                one.let_go = True
                handles.append(one.handle)
        return handles

    def _half(self, message: QueuedMessage) -> float:
        return min(self._seconds, message.hidden_seconds or self._seconds) / 2

    def _keep(self) -> None:
        """Renew what is due, until told to stop; connected only while something is due."""
        while (due := self._due()) is not None:
            if due:
                with closing(self._connect()) as queue:
                    for one in due:
                        self._renew(queue, one)

    def _due(self) -> list[Held] | None:
        """Wait for something to be due and return it; None when it is over."""
        with self._changed:
            now = time.monotonic()
            next_ = min((one.renew_at for one in self._held), default=now + MOST_SECONDS)
            if next_ > now and not self._over.is_set():
                self._changed.wait(next_ - now)
            if self._over.is_set():
                return None
            return [one for one in self._held if one.renew_at <= time.monotonic()]

    def _renew(self, queue: Queue, one: Held) -> None:
        now = time.monotonic()
        with one.using:
            if one.let_go:
                return
            try:
                handle = queue.extend(one.handle, self._seconds) if now < one.taken + MOST_SECONDS else None
            except (CloudTransientError, CloudPermanentError) as problem:
                log.info("queue.not_extended queue=%s code=%s", queue.name, problem.vendor_code)
                one.renew_at = now + AGAIN_SECONDS
                return
            one.handle, one.renew_at = handle or one.handle, now + self._seconds / 2
        if handle is None:
            log.info("queue.expired queue=%s message=%s comes_again=yes", queue.name, one.message.message_id)
            with self._changed:
                self._held.discard(one)
        else:
            self._extended()
