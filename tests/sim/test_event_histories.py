"""Random histories of events, faults, rules and clock moves: what was promised to arrive arrives, and nothing else."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloudheal_sim.kernel.clock import Mode
from cloudheal_sim.kernel.faults import Rule
from cloudheal_sim.simulator import Options, Simulator

NAMES = ("Instance:StateChange", "Disk:Stalled")
KINDS = ("lost-event", "duplicated-event", "delayed-event", "reordered-event")


class EventHistory(RuleBasedStateMachine):
    """One simulator with two rules and a queue each, driven at random."""

    @initialize()
    def begin(self) -> None:
        """Begin with one rule for every event and one for disks."""
        self.sim = Simulator(Options(mode=Mode.STEPPED, now=0, seed=3))
        rules = [
            {"name": "all", "targets": [{"queue": "all"}]},
            {"name": "disks", "pattern": {"names": ["Disk:Stalled"]}, "targets": [{"queue": "disks"}]},
        ]
        self.sim.world.load({"alibaba": {"queues": [{"name": "all"}, {"name": "disks"}], "event_rules": rules}})
        self.promised: Counter[str] = Counter()
        self.enabled = {"all", "disks"}

    def alibaba(self) -> Any:
        """Return the world's share of this cloud."""
        return self.sim.world.dump()["alibaba"]

    @rule(name=st.sampled_from(NAMES))
    def publish(self, name: str) -> None:
        """Publish an event; the answer names the rules that want it and promises deliveries."""
        answer: Any = self.sim.publish({"name": name, "resource": "disk/d-bp1a"})
        wanted = {"all"} if name == "Instance:StateChange" else {"all", "disks"}
        assert set(answer["rules"]) == wanted & self.enabled
        self.promised[str(answer["id"])] += answer["deliveries"]

    @rule(kind=st.sampled_from((None, *KINDS)), every=st.integers(1, 3))
    def disturb(self, kind: str | None, every: int) -> None:
        """Put a fault of deliveries in force, or none."""
        faults = [Rule.model_validate({"when": {"every": every}, "fault": kind})] if kind else []
        self.sim.kernel.faults.replace(faults)

    @rule(seconds=st.sampled_from((0.0, 0.1, 0.2, 3.0, 60.0)))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.sim.kernel.clock.advance(seconds)

    @rule(name=st.sampled_from(("all", "disks")))
    def switch(self, name: str) -> None:
        """Switch a rule on or off; deliveries under way still arrive."""
        document: Any = self.sim.world.dump()
        for one in document["alibaba"]["event_rules"]:
            if one["name"] == name:
                one["state"] = "DISABLED" if name in self.enabled else "ENABLED"
        self.enabled ^= {name}
        self.sim.world.load(document)

    @rule()
    def go_round(self) -> None:
        """Read the world and put it back: it is the same world."""
        document = self.sim.world.dump()
        self.sim.world.load(json.loads(json.dumps(document)))
        assert self.sim.world.dump() == document

    @invariant()
    def everything_promised_is_in_a_queue_or_under_way(self) -> None:
        """Count every event by id: in the queues and on its way together it is there as often as was promised."""
        alibaba = self.alibaba()
        found = Counter(one["event"]["id"] for one in alibaba["event_deliveries"])
        for queue in alibaba["queues"]:
            found.update(json.loads(base64.b64decode(message["body"]))["id"] for message in queue["messages"])
        assert found == +self.promised

    @invariant()
    def nothing_under_way_is_overdue(self) -> None:
        """What is due has arrived: deliveries under way are in the future."""
        now = self.sim.world.dump()["now"]
        assert all(one["due"] > now for one in self.alibaba()["event_deliveries"])


EventHistory.TestCase.settings = settings(
    max_examples=settings().max_examples // 20, stateful_step_count=20, deadline=None
)
TestEventHistory = EventHistory.TestCase
