"""Receivers: messages of a queue are taken in batches, committed, and only then deleted.

Several receivers share a queue, each with a connection of its own; what they hold at the same time is one commit. What
comes from the queue of urgent messages is committed apart, before everything else. A queue that does not answer or is
not there is waited for, with a pause that doubles from a second to a minute; so is a database that does not take what
was received, which is then given back to the queue. One queue's trouble is not the other's.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa

from cloudheal.app.custody import Custody, Held
from cloudheal.app.queue_state import QueueStates
from cloudheal.errors import CloudPermanentError, CloudTransientError, SettingsError, TransientError
from cloudheal.metrics.counters import Counters
from cloudheal.model.event import Fate
from cloudheal.ports.queue import Queue, QueuedMessage, StillJoiningError
from cloudheal.settings.accounts import AccountSettings, QueueSettings
from cloudheal.settings.kafka import KafkaSettings

log = logging.getLogger("cloudheal.queue")

#: The pause after a queue that did not answer, doubled up to the longest.
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
#: Calls whose messages one receiver has committed together while each of them brings all that it can.
MOST_CALLS = 8


class NotCommittedError(TransientError):
    """The database did not take what a queue gave; it was given back."""

    code = "queue.not_committed"


@dataclass(frozen=True, slots=True)
class Receivers:
    """Take the messages of one account's queues until told to stop."""

    account: AccountSettings
    take: Callable[[Sequence[bytes], str, bool], Sequence[Fate]]
    """Commits a batch of bodies from an origin, which can wait or not, and tells their fates.

    Raises what the database raises.
    """
    stopping: threading.Event
    states: QueueStates
    counters: Counters
    connect: Callable[[AccountSettings, str], Queue]
    """Opens a connection to a queue of an account."""
    idle: Callable[[], bool] = lambda: False
    """True while nothing is to be taken, because an operator drains the workers."""
    _over: threading.Event = field(default_factory=threading.Event)

    def receive(self, *, once: bool) -> int:
        """Take messages until told to stop, or with `once` until there are none; returns how many.

        Raises CloudTransientError, CloudPermanentError or NotCommittedError with `once`; without it all are waited for.
        """
        if not self.account.inlets:
            raise SettingsError(f"account {self.account.name} has no queue")
        with ExitStack() as custodies:
            receivers = [one for inlet in self.account.inlets for one in self._of(inlet, custodies)]
            with ThreadPoolExecutor(len(receivers), thread_name_prefix=f"queue-{self.account.name}") as pool:
                loops = [pool.submit(one.work, once=once) for one in receivers]
                wait(loops, return_when=FIRST_EXCEPTION)
                self._over.set()  # one that failed ends the others; without a failure all have ended
            return sum(one.result() for one in loops)

    def _of(self, inlet: QueueSettings | KafkaSettings, custodies: ExitStack) -> list[_Receiver]:
        """Return the receivers of one queue, which keep what they hold together."""
        connect = partial(self.connect, self.account, inlet.name)
        extended = partial(self.counters.count, "cloudheal_queue_extended_total", queue=inlet.name)
        custody = custodies.enter_context(closing(Custody(connect, inlet.visibility_seconds, extended)))
        queue = self.account.queue
        is_urgent = queue is not None and inlet.name == queue.urgent
        return [_Receiver(self, inlet, connect, custody, is_urgent) for _ in range(inlet.receivers)]

    @property
    def is_over(self) -> bool:
        """True when every receiver shall end."""
        return self.stopping.is_set() or self._over.is_set()


@dataclass(frozen=True, slots=True)
class _Receiver:
    """One of them, in a thread of its own."""

    among: Receivers
    settings: QueueSettings | KafkaSettings
    connect: Callable[[], Queue]
    custody: Custody
    is_urgent: bool

    def work(self, *, once: bool) -> int:
        taken, backoff = 0, FIRST_BACKOFF
        with closing(self.connect()) as queue:
            while not self.among.is_over:
                if self.among.idle():
                    if once:
                        break
                    self.among.stopping.wait(FIRST_BACKOFF)
                    continue
                try:
                    batch = self._batch(queue)
                except StillJoiningError:
                    continue
                except (CloudTransientError, CloudPermanentError, NotCommittedError) as problem:
                    self._tell(queue, problem, backoff)
                    if once:
                        raise
                    self.among.stopping.wait(backoff)
                    backoff = min(backoff * 2, LONGEST_BACKOFF)
                    continue
                taken, backoff = taken + batch, FIRST_BACKOFF
                if once and not batch:
                    break
        return taken

    def _batch(self, queue: Queue) -> int:
        held = self._received(queue)
        messages = [one.message for one in held]
        self.among.states.answered(self.among.account.name, queue.name)
        if messages:
            try:
                fates = self.among.take([one.body for one in messages], f"queue {queue.name}", self.is_urgent)
            except (sa.exc.SQLAlchemyError, TransientError, OSError) as problem:
                self._give_back(queue, self.custody.let_go(held))
                self._count(queue.name, messages, [Fate.RETRY] * len(messages))
                raise NotCommittedError(f"queue {queue.name}: {type(problem).__name__}") from problem
            self._count(queue.name, messages, fates)
            self._acknowledge(queue, self.custody.let_go(held))
        return len(messages)

    def _received(self, queue: Queue) -> list[Held]:
        """Wait for messages; of a backlog take more at once, because a commit costs little more for it."""
        batch = self.settings.batch
        found = queue.receive(self.settings.wait_seconds, batch)
        held = self.custody.hold(found) if found else []
        while len(found) == batch and len(held) < MOST_CALLS * batch and not self.among.is_over:
            try:
                found = queue.receive(0, batch)
            except (CloudTransientError, CloudPermanentError) as problem:
                log.info("queue.took_less queue=%s code=%s", queue.name, problem.vendor_code)
                break  # what is in hand is committed first; the next call tells whether the queue is well
            held += self.custody.hold(found)
        return held

    def _acknowledge(self, queue: Queue, handles: Sequence[str]) -> None:
        refused = queue.acknowledge(handles)
        if refused:
            log.info("queue.not_deleted queue=%s count=%d comes_again=yes", queue.name, len(refused))

    def _give_back(self, queue: Queue, handles: Sequence[str]) -> None:
        """Let others have messages at once; what fails comes again by itself."""
        try:
            queue.give_back(handles)
        except (CloudTransientError, CloudPermanentError) as problem:
            log.info("queue.not_given_back queue=%s code=%s", queue.name, problem.vendor_code)

    def _count(self, queue: str, messages: Sequence[QueuedMessage], fates: Sequence[Fate]) -> None:
        again = sum(one.dequeue_count > 1 for one in messages)
        if again:
            self.among.counters.count("cloudheal_queue_redelivered_total", again, queue=queue)
        for outcome, number in Counter(fates).items():
            self.among.counters.count("cloudheal_queue_messages_total", number, queue=queue, outcome=outcome)
        for message, fate in zip(messages, fates, strict=True):
            level = logging.DEBUG if fate is Fate.DONE else logging.INFO
            seen = (queue, message.message_id, fate, message.dequeue_count)
            log.log(level, "queue.message queue=%s message=%s outcome=%s dequeue_count=%d", *seen)

    def _tell(
        self, place: Queue, problem: CloudTransientError | CloudPermanentError | NotCommittedError, backoff: float
    ) -> None:
        account, queue = self.among.account.name, self.settings.name
        if isinstance(problem, NotCommittedError):
            kind, code = problem.code, type(problem.__cause__).__name__
        else:
            kind, code = place.problem_of(problem).value, problem.vendor_code
        state = self.among.states.failed(account, queue, kind, code)
        self.among.counters.count("cloudheal_queue_errors_total", queue=queue, problem=kind)
        log.warning("%s queue=%s code=%s failures=%d again_in=%.0fs", kind, queue, code, state.failures, backoff)
