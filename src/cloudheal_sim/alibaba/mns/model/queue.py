"""One queue: messages, who waits for them, and when each becomes visible again or is forgotten.

Everything here is synchronous. The moment a message becomes visible it is offered to the first waiter, so who gets what
depends on the order of arrival and on virtual time only, never on how tasks are scheduled. A receive that could not be
handed over is taken back, as if it had not been.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns.errors import MESSAGE_NOT_EXIST, QUEUE_NOT_EXIST, RECEIPT_HANDLE_ERROR
from cloudheal_sim.alibaba.mns.model.message import Draft, Message, Received, State, issued_for, new_handle
from cloudheal_sim.alibaba.rpc import Refusal, Refused
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
    from cloudheal_sim.kernel.clock import Timer
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.journal import Entry

#: Polls that may wait on one queue at once; the next one is answered at once, as the real service does (its number
#: is not public).
MOST_WAITERS = 1000
#: Stale places in a heap are swept when they outnumber the live ones by this many.
_SLACK = 256


@dataclass(slots=True)
class Waiter:
    """A receiver that waits until `deadline`; `answer` is called exactly once, unless it is withdrawn."""

    wanted: int
    deadline: int
    answer: Callable[[Sequence[Received] | Refusal], object]
    entry: Entry | None = None
    timer: Timer | None = None


class Queue:
    """A queue of one account."""

    def __init__(self, kernel: Kernel, name: str, region: str, attributes: QueueAttributes, created: int) -> None:
        self.name = name
        self.region = region
        self.created = created
        self.settings = Timeline(attributes, created)
        self.handles_issued = 0
        self.last_seq = 0
        self.messages: OrderedDict[int, Message] = OrderedDict()
        self.counts: Counter[State] = Counter()
        self.waiters: deque[Waiter] = deque()
        self._kernel = kernel
        self._by_handle: dict[str, Message] = {}
        # Places by (priority, seq) and by (due, seq). A message that moved on leaves its place behind; it goes stale.
        self._ready: list[tuple[int, int]] = []
        self._pending: list[tuple[int, int]] = []
        self._timer: Timer | None = None

    @property
    def attributes(self) -> QueueAttributes:
        """The settings in force."""
        return self.settings.value

    # --- sending ---

    def accept(self, *drafts: tuple[str, Draft], relayed: bool = False) -> int:
        """Take messages (id and draft) in, then serve who waits; return how many are in the queue more than before.

        `relayed` ones come from another service, where the faults of deliveries have happened to them already.
        """
        before = self.last_seq
        for id_, draft in drafts:
            self._arrive(id_, draft, relayed=relayed)
        self.settle()
        return self.last_seq - before

    def _arrive(self, id_: str, draft: Draft, *, relayed: bool) -> None:
        """Put one message in, as often and as late as the faults in force have it; usually once and now."""
        now = self._kernel.clock.now()
        arrivals = self._kernel.faults.arrivals("mns", "SendMessage", self.region, (self.name,), relayed=relayed)
        if not arrivals:
            self._journal("lost", id_, None, None)
        delay = self.attributes.delay_seconds if draft.delay is None else draft.delay
        for arrival in arrivals:
            message = Message(self.last_seq + 1, id_, draft, now)
            if (due := arrival + delay * MILLIS_PER_SECOND) > now:
                message.state, message.due = State.DELAYED, due
            self.restore(message)
            self._journal("state", id_, None, message.state.value)

    def restore(self, message: Message) -> Message:
        """Put a message in, in the state it says it is in; `settle` must follow."""
        self.messages[message.seq] = message
        self.counts[message.state] += 1
        self.last_seq = max(self.last_seq, message.seq)
        if message.handle:
            self._by_handle[message.handle] = message
        self._file(message)
        return message

    # --- receiving ---

    def receive(self, most: int) -> list[Received]:
        """Give out up to `most` active messages, best priority first; each becomes inactive with a new handle."""
        self.settle()
        return self._give(most)

    def peek(self, most: int) -> list[Message]:
        """Show up to `most` active messages without touching them."""
        self.settle()
        active = (place for place in self._ready if self._is_ready(place))
        return [self.messages[seq] for _, seq in heapq.nsmallest(most, active)]

    def wait(self, waiter: Waiter) -> bool:
        """Let a receiver wait its turn; False when too many wait already."""
        if len(self.waiters) >= MOST_WAITERS:
            return False
        self.waiters.append(waiter)
        waiter.timer = self._kernel.clock.call_at(waiter.deadline, lambda: self._expire(waiter), patience=True)
        return True

    def withdraw(self, waiter: Waiter) -> bool:
        """Forget a waiter that no longer listens; False when it was answered already."""
        if waiter.timer is not None:
            waiter.timer.cancel()
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def take_back(self, received: Iterable[Received]) -> list[Message]:
        """Undo receives that nobody got: the messages are active again with their old counts."""
        undone = [one for one in received if one.message.handle == one.handle]
        for one in undone:
            one.message.dequeue_count, one.message.first_dequeued = one.before
            self._move(one.message, State.ACTIVE)
        self._serve()
        self._plan()
        return [one.message for one in undone]

    # --- after receiving ---

    def knows(self, handle: str) -> bool:
        """Say whether a handle is alive."""
        return handle in self._by_handle

    def delete(self, handle: str) -> Message:
        """Remove the message that a live handle stands for. Raises Refused."""
        message = self._held(handle)
        self._remove(message)
        self._plan()
        return message

    def change_visibility(self, handle: str, seconds: int) -> Received:
        """Make an inactive message visible so many seconds from now; its handle changes. Raises Refused.

        0 makes it visible at once (UNVERIFIED); the handle returned is dead then.
        """
        message = self._held(handle)
        self._hide(message, seconds)
        taken = _received(message, (0, 0))
        self._journal("visibility", message.id, handle, message.handle)
        if not seconds:
            self._move(message, State.ACTIVE)
            self._serve()
        self._plan()
        return taken

    def _held(self, handle: str) -> Message:
        self.settle()
        message = self._by_handle.get(handle)
        if message is not None:
            return message
        id_ = issued_for(self.name, handle)
        hidden = any(one.id == id_ and one.state is State.INACTIVE for one in self.messages.values())
        raise Refused(RECEIPT_HANDLE_ERROR if id_ is None or hidden else MESSAGE_NOT_EXIST)

    # --- the queue as a whole ---

    def change(self, attributes: QueueAttributes) -> QueueAttributes:
        """Change settings; retention counts for the messages that are there, visibility and delay for new calls."""
        self.settings.set(attributes, self._kernel.clock.now())
        self.settle()
        return attributes

    def close(self, answer: Refusal = QUEUE_NOT_EXIST) -> int:
        """End the queue: nothing fires any more, and whoever waits is told so. Return how many did."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = len(self.waiters)
        while self.waiters:
            self._answer(self.waiters.popleft(), answer)
        return waiting

    def settle(self) -> None:
        """Do all that is due by now: forget what is too old, show what is visible again, serve who waits."""
        now = self._kernel.clock.now()
        while self.messages and self._expires(oldest := next(iter(self.messages.values()))) <= now:
            self._remove(oldest, expired=True)
        while self._pending and self._pending[0][0] <= now:
            place = heapq.heappop(self._pending)
            if self._is_pending(place):
                self._move(self.messages[place[1]], State.ACTIVE)
        self._serve()
        self._plan()

    def _expires(self, message: Message) -> int:
        return message.enqueued + self.attributes.message_retention_period * MILLIS_PER_SECOND

    # --- moving messages between states ---

    def _give(self, most: int) -> list[Received]:
        given: list[Received] = []
        while self._ready and len(given) < most:
            place = heapq.heappop(self._ready)
            if self._is_ready(place):
                given.append(self._receive(self.messages[place[1]]))
        if given:
            self._plan()
        return given

    def _receive(self, message: Message) -> Received:
        before = (message.dequeue_count, message.first_dequeued)
        message.dequeue_count += 1
        message.first_dequeued = message.first_dequeued or self._kernel.clock.now()
        self._hide(message, self.attributes.visibility_timeout)
        return _received(message, before)

    def _hide(self, message: Message, seconds: int) -> None:
        """Make a message inactive for so long, under a handle of its own."""
        self._by_handle.pop(message.handle, None)
        message.due = self._kernel.clock.now() + seconds * MILLIS_PER_SECOND
        self.handles_issued += 1
        message.handle = new_handle(self.name, message, self.handles_issued)
        self._by_handle[message.handle] = message
        if message.state is State.INACTIVE:
            self._file(message)
        else:
            self._move(message, State.INACTIVE)

    def _move(self, message: Message, state: State) -> None:
        if state is State.ACTIVE:
            self._by_handle.pop(message.handle, None)
            message.handle, message.due = "", 0
        self.counts[message.state] -= 1
        self.counts[state] += 1
        self._journal("state", message.id, message.state.value, state.value)
        message.state = state
        self._file(message)

    def _remove(self, message: Message, *, expired: bool = False) -> None:
        del self.messages[message.seq]
        self._by_handle.pop(message.handle, None)
        self.counts[message.state] -= 1
        self._journal("expired" if expired else "deleted", message.id, message.state.value, None)

    def _file(self, message: Message) -> None:
        """Give a message its place in the heap of its state; its old place goes stale."""
        if message.state is State.ACTIVE:
            heapq.heappush(self._ready, (message.draft.priority, message.seq))
            self._ready = _swept(self._ready, self.counts[State.ACTIVE], self._is_ready)
        else:
            heapq.heappush(self._pending, (message.due, message.seq))
            self._pending = _swept(self._pending, len(self.messages), self._is_pending)

    def _is_ready(self, place: tuple[int, int]) -> bool:
        message = self.messages.get(place[1])
        return message is not None and message.state is State.ACTIVE

    def _is_pending(self, place: tuple[int, int]) -> bool:
        message = self.messages.get(place[1])
        return message is not None and message.state is not State.ACTIVE and message.due == place[0]

    # --- waiting and time ---

    def _serve(self) -> None:
        while self.waiters and self.counts[State.ACTIVE]:
            waiter = self.waiters[0]
            if waiter.entry is None:
                given = self._give(waiter.wanted)
            else:
                with self._kernel.journal.within(waiter.entry):
                    given = self._give(waiter.wanted)
            self.waiters.popleft()
            self._answer(waiter, given)

    def _expire(self, waiter: Waiter) -> None:
        self.settle()
        if self.withdraw(waiter):
            waiter.answer([])

    @staticmethod
    def _answer(waiter: Waiter, outcome: Sequence[Received] | Refusal) -> None:
        if waiter.timer is not None:
            waiter.timer.cancel()
        waiter.answer(outcome)

    def _plan(self) -> None:
        """Have `settle` called when the next thing is due."""
        due = self._next_due()
        if self._timer is not None:
            if self._timer.due == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._kernel.clock.call_at(due, self._fire)

    def _next_due(self) -> int | None:
        while self._pending and not self._is_pending(self._pending[0]):
            heapq.heappop(self._pending)
        dues = [self._pending[0][0]] if self._pending else []
        if self.messages:
            dues.append(self._expires(next(iter(self.messages.values()))))
        return min(dues, default=None)

    def _fire(self) -> None:
        self._timer = None
        self.settle()

    def _journal(self, fact: str, id_: str, before: object, after: object) -> None:
        self._kernel.journal.change(f"queues/{self.name}/message.{fact}", id_, before, after)


def _swept(heap: list[tuple[int, int]], live: int, is_live: Callable[[tuple[int, int]], bool]) -> list[tuple[int, int]]:
    """Return the heap without its stale places once they are the greater part of it."""
    if len(heap) <= 2 * live + _SLACK:
        return heap
    kept = [place for place in heap if is_live(place)]
    heapq.heapify(kept)
    return kept


def _received(message: Message, before: tuple[int, int]) -> Received:
    return Received(
        message, message.id, message.handle, message.due, message.dequeue_count, message.first_dequeued, before
    )
