"""Random histories of calls, clock moves, chaos and faults never break what must always hold.

One state machine drives the simulator over TCP. After every step the journal is read on and checked: every change
begins where the last one of the same thing ended, moves along the documented graph, and ends in what the world shows.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.sim.signing import ECS, SLB, Answer, HandSigned
from tests.sim.simulator import RunningSimulator, started

SERVERS = [f"i-bp1history{n}" for n in range(4)]
SPOT = SERVERS[3]
QUEUE, GROUP = "history", "rsp-history"
#: Where an instance may go from each state; None is "not there".
INSTANCE_GRAPH: dict[str | None, set[str | None]] = {
    None: {"Pending"},
    "Pending": {"Starting", "Stopped"},
    "Starting": {"Running", "Stopped", "Stopping"},
    "Running": {"Stopping", "Stopped"},
    "Stopping": {"Stopped", "Starting"},
    "Stopped": {"Starting", None},
}
#: Life cycles of system events.
EVENT_GRAPH: dict[str | None, set[str | None]] = {
    None: {"Inquiring", "Scheduled", "Executing"},
    "Inquiring": {"Scheduled", "Executing", "Avoided", "Canceled"},
    "Scheduled": {"Executing", "Avoided", "Canceled"},
    "Executing": {"Executed", "Avoided", "Canceled", "Failed"},
    "Executed": set(),
    "Avoided": set(),
    "Canceled": set(),
    "Failed": set(),
}
GRAPHS = {"instance.status": INSTANCE_GRAPH, "event.status": EVENT_GRAPH}

WORLD: dict[str, Any] = {
    "now": "2026-03-02T03:00:00Z",
    "regions": ["cn-hangzhou"],
    "alibaba": {
        "instances": [
            {"id": id_, "region": "cn-hangzhou", "status": "Running", "spot": id_ == SPOT} for id_ in SERVERS
        ],
        "server_groups": [
            {
                "id": GROUP,
                "load_balancer": "lb-history",
                "backends": [{"server_id": id_, "port": 80, "weight": 100} for id_ in SERVERS],
            }
        ],
        "queues": [{"name": QUEUE}],
        "event_rules": [
            {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
        ],
    },
}
FAULTS = st.sampled_from(
    ["throttle", "5xx", "effect-then-5xx", "stale-read", "lost-event", "duplicated-event", "reordered-event"]
)
servers = st.sampled_from(SERVERS)


class Histories(RuleBasedStateMachine):
    """One random history; `sim` is handed in by the test."""

    sim: ClassVar[RunningSimulator]

    def __init__(self) -> None:
        super().__init__()
        self.hand = HandSigned(self.sim.address)
        self.seen = 0
        self.now_is: dict[tuple[str, str], Any] = {}
        self.handles: list[str] = []
        self.copies = False

    def teardown(self) -> None:
        """Close the connection."""
        self.hand.close()

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        """Start from the same world with a drawn seed."""
        self.sim.control("POST", "reset", {"seed": seed})
        self.sim.control("PUT", "clock", {"mode": "stepped", "skew_check": False})
        self.sim.world(WORLD)
        self.seen = self.sim.control("GET", "health")["journal"]
        self.now_is = {("instance.status", id_): "Running" for id_ in SERVERS}

    @rule(id_=servers, action=st.sampled_from(["StartInstance", "StopInstance", "RebootInstance", "DeleteInstance"]))
    def operate(self, id_: str, action: str) -> None:
        """Call what operators call; refusals are as good as successes."""
        accepted(self.hand.rpc(ECS, action, InstanceId=id_))

    @rule(id_=servers, deed=st.sampled_from(["power_off", "hang", "unhang", "reclaim", "fail_start", "crash_loop"]))
    def disturb(self, id_: str, deed: str) -> None:
        """Do what clouds do to servers."""
        if id_ in self.living() and (deed != "reclaim" or id_ == SPOT):
            self.sim.chaos(deed, id_)

    @rule(id_=servers, minutes=st.integers(1, 90), kind=st.sampled_from(["SystemMaintenance", "SystemFailure"]))
    def simulate_event(self, id_: str, minutes: int, kind: str) -> None:
        """Create a simulated system event."""
        moment = self.sim.control("GET", "clock")["now_ms"] // 1000 + minutes * 60
        accepted(
            self.hand.rpc(
                ECS,
                "CreateSimulatedSystemEvents",
                EventType=f"{kind}.Reboot",
                NotBefore=text_of(moment),
                InstanceId__1=id_,
            )
        )

    @rule(take=st.integers(0, 9))
    def cancel_event(self, take: int) -> None:
        """Cancel one of the events, finished or not."""
        ids = [id_ for what, id_ in self.now_is if what == "event.status"]
        if ids:
            accepted(self.hand.rpc(ECS, "CancelSimulatedSystemEvents", EventId__1=ids[take % len(ids)]))

    @rule(id_=servers, weight=st.integers(0, 100), action=st.sampled_from(["Add", "Remove", "Set"]))
    def rebalance(self, id_: str, weight: int, action: str) -> None:
        """Change the balancer's members."""
        name = "SetVServerGroupAttribute" if action == "Set" else f"{action}VServerGroupBackendServers"
        members = json.dumps([{"ServerId": id_, "Port": 80, "Weight": weight}])
        accepted(self.hand.rpc(SLB, name, VServerGroupId=GROUP, BackendServers=members))

    @rule(count=st.integers(1, 16))
    def receive(self, count: int) -> None:
        """Take messages from the queue and keep their handles."""
        answer = self.hand.mns("GET", f"/queues/{QUEUE}/messages?numOfMessages={count}&waitseconds=0")
        if answer.status == 200:
            self.handles += answer.texts("ReceiptHandle")

    @precondition(lambda self: self.handles)
    @rule(take=st.integers(0, 99))
    def delete_message(self, take: int) -> None:
        """Acknowledge with a handle that may be dead by now."""
        handle = self.handles.pop(take % len(self.handles))
        accepted(self.hand.mns("DELETE", f"/queues/{QUEUE}/messages?ReceiptHandle={handle}"))

    @rule(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
    def send_message(self, text: str) -> None:
        """Put a message of anyone's into the same queue."""
        body = b64encode(text.encode() or b"-").decode()
        accepted(
            self.hand.mns("POST", f"/queues/{QUEUE}/messages", f"<Message><MessageBody>{body}</MessageBody></Message>")
        )

    @rule(seconds=st.sampled_from([1, 3, 10, 31, 120, 301, 3600]))
    def pass_time(self, seconds: int) -> None:
        """Let virtual time pass."""
        self.sim.advance(seconds)

    @rule(fault=st.one_of(st.none(), FAULTS), probability=st.sampled_from([0.3, 1.0]))
    def break_things(self, fault: str | None, probability: float) -> None:
        """Put one fault in force, or none."""
        self.copies = self.copies or fault == "duplicated-event"
        self.sim.control("PUT", "faults", [{"probability": probability, "fault": fault}] if fault else [])

    @invariant()
    def every_change_follows_from_the_last(self) -> None:
        """Nothing jumps: each change begins where the last one ended and moves along its graph."""
        for change in self.changes():
            key, before, after = (change["what"], change["id"]), change.get("before"), change.get("after")
            if change["what"] in GRAPHS:
                assert self.now_is.get(key) == before, f"{key}: {self.now_is.get(key)} became {before} unseen"
                assert after in GRAPHS[change["what"]][before], f"{key} went from {before} to {after}"
            self.now_is[key] = after

    @invariant()
    def the_journal_says_what_the_world_shows(self) -> None:
        """State rebuilt from the journal's changes alone is the state of the world."""
        world = self.sim.control("GET", "world")["alibaba"]
        there = [one for one in world["instances"] if not one.get("released")]
        assert {one["id"]: one["status"] for one in there} == self.told("instance.status")
        assert {one["id"]: one["status"] for one in world["system_events"]} == self.told("event.status")

    @invariant()
    def a_message_is_in_one_state_only(self) -> None:
        """The queue's three counters add up to the messages it holds, each held once unless copies were ordered."""
        (queue,) = self.sim.control("GET", "world")["alibaba"]["queues"]
        ids = [message["id"] for message in queue["messages"]]
        assert self.copies or len(ids) == len(set(ids))
        answer = self.hand.mns("GET", f"/queues/{QUEUE}")
        if answer.status == 200:
            counts = [int(answer.texts(name)[0]) for name in ("ActiveMessages", "InactiveMessages", "DelayMessages")]
            assert sum(counts) == len(ids)

    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield the changes since the last look."""
        page = self.sim.control("GET", f"journal?since={self.seen}&limit=100000")
        self.seen = page["last"]
        for entry in page["entries"]:
            yield from entry.get("changes", ())

    def told(self, what: str) -> dict[str, Any]:
        """Return what the journal says of everything of one kind that is still there."""
        return {id_: value for (kind, id_), value in self.now_is.items() if kind == what and value is not None}

    def living(self) -> set[str]:
        """Return the servers that are still there."""
        return set(self.told("instance.status"))


def accepted(answer: Answer) -> Answer:
    """Check that an answer is a success or one of the service's own errors."""
    assert answer.status < 300 or answer.code, answer
    return answer


def text_of(seconds: int) -> str:
    """Write epoch seconds as the ECS API wants them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def process() -> Iterator[RunningSimulator]:
    """One process for all histories; each begins with a reset."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.mark.timeout(300)
def test_no_history_breaks_an_invariant(process: RunningSimulator) -> None:
    """A sample of random histories, the same in every run."""
    Histories.sim = process
    run_state_machine_as_test(Histories, settings=settings(max_examples=6, stateful_step_count=40, deadline=None))


@pytest.mark.soak
def test_no_history_breaks_an_invariant_for_long(process: RunningSimulator) -> None:
    """New histories every time, many of them."""
    Histories.sim = process
    soak = settings(max_examples=1000, stateful_step_count=60, deadline=None, derandomize=False)
    run_state_machine_as_test(Histories, settings=soak)
