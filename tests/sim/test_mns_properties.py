"""Random lives of a queue: whatever is done to it in whatever order, the promises of its states hold.

This one works on the model itself, with a clock that is stepped, because thousands of calls are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudheal_sim.alibaba.mns.model import queue as queue_module
from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
from cloudheal_sim.alibaba.mns.model.message import Draft, Received, State
from cloudheal_sim.alibaba.mns.model.queue import Queue, Waiter
from cloudheal_sim.alibaba.mns.service import Mns
from cloudheal_sim.alibaba.mns.world import MnsSection
from cloudheal_sim.alibaba.rpc import Refusal, Refused
from cloudheal_sim.kernel.clock import Clock, Mode
from cloudheal_sim.kernel.core import Kernel
from cloudheal_sim.kernel.journal import Journal
from cloudheal_sim.simulator import Options, Simulator

RETENTION = 120
VISIBILITY = 30


def stepped_kernel() -> Kernel:
    """Return a kernel whose time moves only when told."""
    return Simulator(Options(mode=Mode.STEPPED, now=1_795_000_000_000, seed=1)).kernel


@dataclass(slots=True)
class Seen:
    """What a sender and the receivers of one message know about it."""

    sent: int
    handles: dict[str, int] = field(default_factory=dict)
    """Handles in order of issue, with the instant at which each dies of itself."""
    receives: int = 0
    deleted: bool = False


class QueueLife(RuleBasedStateMachine):
    """One queue, its senders and receivers, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = stepped_kernel()
        self.mns = Mns(self.kernel, "1")
        self.seen: dict[str, Seen] = {}
        self.waiting: list[tuple[Waiter, list[Any]]] = []
        self.replayed: dict[str, str] = {}
        self.read_to = self.kernel.journal.last_seq

    @property
    def clock(self) -> Clock:
        """The stepped clock."""
        return self.kernel.clock

    @property
    def queue(self) -> Queue:
        """The queue under test."""
        return self.mns.own.queues["q"]

    @initialize()
    def a_queue(self) -> None:
        """Create the queue."""
        attributes = QueueAttributes(visibility_timeout=VISIBILITY, message_retention_period=RETENTION)
        self.mns.own.add_queue("q", "cn-hangzhou", attributes)

    # --- what can be done ---

    @rule(delay=st.sampled_from([None, 0, 1, 10, 150]), priority=st.integers(1, 16))
    def send(self, delay: int | None, priority: int) -> None:
        """Send a message."""
        id_ = self.mns.own.new_id()
        self.seen[id_] = Seen(self.clock.now())
        self.queue.accept((id_, Draft("x", delay, priority)))

    @rule(most=st.integers(1, 16))
    def receive(self, most: int) -> None:
        """Receive; the best ranked active messages come first."""
        active = sorted(
            (one.draft.priority, one.seq) for one in self.queue.messages.values() if one.state is State.ACTIVE
        )
        given = self.queue.receive(most)
        assert [(one.message.draft.priority, one.message.seq) for one in given] == active[:most]
        self.took(given)

    @rule(most=st.integers(1, 3), seconds=st.integers(1, 30))
    def wait(self, most: int, seconds: int) -> None:
        """Begin a long poll on an empty queue, as a receiver does that got nothing."""
        if self.queue.counts[State.ACTIVE]:
            return
        answers: list[Any] = []

        def answered(outcome: Any) -> None:
            answers.append(outcome)
            if not isinstance(outcome, Refusal):
                self.took(outcome)

        waiter = Waiter(most, self.clock.now() + seconds * 1000, answered)
        assert self.queue.wait(waiter)
        self.waiting.append((waiter, answers))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def go_away(self, data: st.DataObject) -> None:
        """A waiting client disconnects: what it was given is given back."""
        waiter, answers = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if self.queue.withdraw(waiter):
            assert not answers
            return
        (outcome,) = answers
        for one in outcome:
            if one.message.handle == one.handle and self.seen[one.id].receives == one.dequeue_count:
                self.seen[one.id].receives -= 1
                self.seen[one.id].handles[one.handle] = self.clock.now()
        self.queue.take_back(outcome)

    @precondition(lambda self: any(one.handles for one in self.seen.values()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete with any handle that was ever issued."""
        id_, handle = self.some_handle(data)
        if self.lives(id_, handle):
            assert self.queue.delete(handle).id == id_
            self.seen[id_].deleted = True
        else:
            self.refuses(id_, handle)

    @precondition(lambda self: any(one.handles for one in self.seen.values()))
    @rule(data=st.data(), seconds=st.sampled_from([0, 1, 10, 60]))
    def change_visibility(self, data: st.DataObject, seconds: int) -> None:
        """Change visibility with any handle that was ever issued."""
        id_, handle = self.some_handle(data)
        if self.lives(id_, handle):
            self.change(id_, handle, seconds)
        else:
            self.refuses(id_, handle)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), seconds=st.sampled_from([5, 60, 100]))
    def shorten_or_extend(self, data: st.DataObject, seconds: int) -> None:
        """Change visibility with a handle that works."""
        id_, handle = data.draw(st.sampled_from(self.live()))
        self.change(id_, handle, seconds)

    def change(self, id_: str, handle: str, seconds: int) -> None:
        """Change visibility; whoever waits may get the message in the same instant."""
        seen = self.seen[id_]
        receives, now = seen.receives, self.clock.now()
        seen.handles[handle] = now
        changed = self.queue.change_visibility(handle, seconds)
        assert changed.handle not in seen.handles or seen.receives > receives
        assert changed.due == now + seconds * 1000
        seen.handles = {handle: due for handle, due in seen.handles.items() if handle != changed.handle}
        later = dict(list(seen.handles.items())[-1:]) if seen.receives > receives else {}
        earlier = {handle: due for handle, due in seen.handles.items() if handle not in later}
        seen.handles = {**earlier, changed.handle: changed.due, **later}

    @rule(milliseconds=st.sampled_from([1, 999, 1000, 9_999, 20_000, 30_000, 61_000]))
    def time_passes(self, milliseconds: int) -> None:
        """Move the clock."""
        self.clock.advance(milliseconds / 1000)

    @rule()
    def world_is_read_and_put_back(self) -> None:
        """Dump and install: the document is the same, who waits is sent away empty."""
        section = MnsSection(self.mns)
        before = section.dump()
        waiting = [answers for waiter, answers in self.waiting if not answers]
        section.install(section.read(before))
        assert section.dump() == before
        assert all(isinstance(answers[0], Refusal) for answers in waiting)
        self.waiting.clear()

    # --- what must hold ---

    @invariant()
    def every_message_is_in_exactly_one_state(self) -> None:
        """Counts add up; handle and due time fit the state."""
        if "q" not in self.mns.own.queues:
            return
        now, queue = self.clock.now(), self.queue
        messages = list(queue.messages.values())
        for state in State:
            assert queue.counts[state] == sum(one.state is state for one in messages)
        for one in messages:
            assert bool(one.handle) is (one.state is State.INACTIVE)
            assert (one.due > now) is (one.state is not State.ACTIVE)
            assert queue.knows(one.handle) is bool(one.handle)

    @invariant()
    def nothing_is_lost_before_its_retention(self) -> None:
        """A message is there until it is deleted or too old, and not a millisecond longer."""
        if "q" not in self.mns.own.queues:
            return
        now = self.clock.now()
        there = [one.id for one in self.queue.messages.values()]
        kept = [id_ for id_, seen in self.seen.items() if not seen.deleted and now < seen.sent + RETENTION * 1000]
        assert sorted(there) == sorted(kept)

    @invariant()
    def dequeue_counts_are_true(self) -> None:
        """Each receive counts once, one that was taken back does not."""
        for one in self.mns.own.queues["q"].messages.values() if "q" in self.mns.own.queues else ():
            assert one.dequeue_count == self.seen[one.id].receives

    @invariant()
    def handles_live_exactly_as_long_as_they_should(self) -> None:
        """The latest handle of a message works until its time, every other one is dead."""
        for id_, seen in self.seen.items():
            for handle in seen.handles:
                assert self.queue.knows(handle) is self.lives(id_, handle)

    @invariant()
    def nobody_waits_while_there_is_something(self) -> None:
        """Waiters and active messages never meet."""
        if "q" in self.mns.own.queues:
            assert not (self.queue.waiters and self.queue.counts[State.ACTIVE])

    @invariant()
    def the_journal_says_what_the_state_shows(self) -> None:
        """Replaying the changes gives the present states, and no change starts from a wrong one."""
        for entry in self.kernel.journal.entries(self.read_to):
            self.read_to = entry.seq
            for change in entry.changes:
                if change.what == "queues/q/message.state":
                    assert self.replayed.get(change.id) == change.before
                    self.replayed[change.id] = str(change.after)
                elif change.what in {"queues/q/message.deleted", "queues/q/message.expired"}:
                    assert self.replayed.pop(change.id) == change.before
        present = {one.id: one.state.value for one in self.queue.messages.values()} if self.mns.own.queues else {}
        assert self.replayed == present

    # --- bookkeeping ---

    def took(self, given: list[Received]) -> None:
        """Remember what a receiver got."""
        for one in given:
            seen = self.seen[one.id]
            seen.receives += 1
            assert one.dequeue_count == seen.receives
            assert one.due == self.clock.now() + VISIBILITY * 1000
            assert one.handle not in seen.handles
            seen.handles[one.handle] = one.due

    def some_handle(self, data: st.DataObject) -> tuple[str, str]:
        """Draw a handle that was ever issued."""
        issued = [(id_, handle) for id_, seen in self.seen.items() for handle in seen.handles]
        return data.draw(st.sampled_from(issued))

    def live(self) -> list[tuple[str, str]]:
        """Return every handle that should work."""
        issued = [(id_, handle) for id_, seen in self.seen.items() for handle in seen.handles]
        return [one for one in issued if self.lives(*one)]

    def lives(self, id_: str, handle: str) -> bool:
        """Say whether a handle should still work: the latest one, until its time."""
        seen, now = self.seen[id_], self.clock.now()
        latest = next(reversed(seen.handles))
        return (
            not seen.deleted and handle == latest and now < seen.handles[handle] and now < seen.sent + RETENTION * 1000
        )

    def refuses(self, id_: str, handle: str) -> None:
        """Check that a dead handle is refused with the code for the way in which it died."""
        hidden = any(one.id == id_ and one.state is State.INACTIVE for one in self.queue.messages.values())
        with pytest.raises(Refused) as refused:
            self.queue.delete(handle)
        assert refused.value.refusal.code == ("ReceiptHandleError" if hidden else "MessageNotExist")


TestQueueLife = QueueLife.TestCase
TestQueueLife.settings = settings(max_examples=settings().max_examples // 5, stateful_step_count=60, deadline=None)


def test_one_queue_has_only_so_many_waiters() -> None:
    """The poll above the limit is not taken; one that is withdrawn makes room."""
    kernel = stepped_kernel()
    queue = Queue(kernel, "q", "cn-hangzhou", QueueAttributes(), kernel.clock.now())
    waiters = [Waiter(1, kernel.clock.now() + 1000, lambda _: None) for _ in range(queue_module.MOST_WAITERS + 1)]
    assert [queue.wait(waiter) for waiter in waiters] == [True] * queue_module.MOST_WAITERS + [False]
    assert queue.withdraw(waiters[0])
    assert queue.wait(waiters[-1])


def test_a_busy_queue_keeps_no_traces_of_what_is_gone() -> None:
    """Ten thousand messages through a queue leave nothing behind: no places, no handles, few timers."""
    kernel = stepped_kernel()
    queue = Queue(kernel, "q", "cn-hangzhou", QueueAttributes(), kernel.clock.now())
    for at in range(10_000):
        queue.accept((str(at), Draft("x", priority=1 + at % 16)))
        (got,) = queue.receive(1)
        queue.change_visibility(got.handle, 60)
        (message,) = queue.messages.values()
        queue.delete(message.handle)
    held = (queue._ready, queue._pending, queue._by_handle)  # noqa: SLF001 - what is not seen from outside is the point
    assert all(len(one) < 1000 for one in held)
    assert kernel.clock.pending() == 0
    assert isinstance(kernel.journal, Journal)
