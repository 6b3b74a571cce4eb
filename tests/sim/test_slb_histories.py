"""Random histories of one server group, held against a model that counts seconds one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.sim.signing import SLB, common
from tests.sim.simulator import RunningSimulator
from tests.sim.wire import Wire

SERVERS = ("i-a", "i-b", "i-c")
INTERVAL, HEALTHY, UNHEALTHY = 5, 2, 3
member = st.tuples(st.sampled_from(SERVERS), st.sampled_from((80, 81)))
batch = st.lists(member, min_size=1, max_size=4, unique=True)


@dataclass
class Expected:
    """One member as the model sees it: `quiet` is for how many seconds nothing has changed for its checks."""

    weight: int
    shown: str
    quiet: int = 0


class History(RuleBasedStateMachine):
    """Calls, outages and time, in any order."""

    sim: RunningSimulator
    wire: Wire

    @initialize()
    def begin(self) -> None:
        """Three servers, two of them members for ever."""
        fleet = [{"id": server, "region": "cn-hangzhou"} for server in SERVERS]
        group = {"id": "rsp-1", "load_balancer": "lb-1", "backends": ["i-a:80", "i-b:80"]}
        listener = {"load_balancer": "lb-1", "port": 1, "server_group": "rsp-1", "interval": INTERVAL}
        listener |= {"healthy_threshold": HEALTHY, "unhealthy_threshold": UNHEALTHY}
        self.sim.world({"alibaba": {"instances": fleet, "server_groups": [group], "listeners": [listener]}})
        self.members = {("i-a", 80): Expected(100, "normal"), ("i-b", 80): Expected(100, "normal")}
        self.hung: set[str] = set()
        self.since = self.sim.control("GET", "health")["journal"]

    def call(self, action: str, entries: list[tuple[str, int]], weight: int | None = None) -> list[Any]:
        """Make one call; return the members that its answer shows."""
        more = {} if weight is None else {"Weight": weight}
        text = json.dumps([{"ServerId": server, "Port": port, **more} for server, port in entries])
        reply = self.wire.post(common(SLB, action, VServerGroupId="rsp-1", BackendServers=text)).json
        return [(one["ServerId"], one["Port"], one["Weight"]) for one in reply["BackendServers"]["BackendServer"]]

    def expected(self) -> list[tuple[str, int, int]]:
        """Return the model's members."""
        return [(server, port, one.weight) for (server, port), one in self.members.items()]

    @rule(entries=batch, weight=st.none() | st.integers(0, 100))
    def add(self, entries: list[tuple[str, int]], weight: int | None) -> None:
        """Members that are there keep their health; new ones have none yet."""
        for one in entries:
            if one not in self.members:
                self.members[one] = Expected(100 if weight is None else weight, "unavailable")
            elif weight is not None:
                self.members[one].weight = weight
        assert self.call("AddVServerGroupBackendServers", entries, weight) == self.expected()

    @rule(entries=batch)
    def remove(self, entries: list[tuple[str, int]]) -> None:
        """Absent members are ignored."""
        for one in entries:
            self.members.pop(one, None)
        assert self.call("RemoveVServerGroupBackendServers", entries) == self.expected()

    @rule(entries=batch, weight=st.integers(0, 100))
    def reweigh(self, entries: list[tuple[str, int]], weight: int) -> None:
        """Only members change."""
        for one in entries:
            if one in self.members:
                self.members[one].weight = weight
        assert self.call("SetVServerGroupAttribute", entries, weight) == self.expected()

    @rule(server=st.sampled_from(SERVERS))
    def toggle(self, server: str) -> None:
        """Let a server hang, or answer again."""
        deed = "unhang" if server in self.hung else "hang"
        self.hung ^= {server}
        self.sim.chaos(deed, server)
        for (name, _), one in self.members.items():
            if name == server:
                one.quiet = 0

    @rule(seconds=st.sampled_from((1, 4, 5, 9, 10, 14, 15)))
    def wait(self, seconds: int) -> None:
        """Let time pass, second by second in the model."""
        self.sim.advance(seconds)
        for _ in range(seconds):
            for (server, _port), one in self.members.items():
                one.quiet += 1
                if one.quiet >= INTERVAL * (UNHEALTHY if server in self.hung else HEALTHY):
                    one.shown = "abnormal" if server in self.hung else "normal"

    @rule()
    def put_back(self) -> None:
        """Read the world and put it back: nothing changes, nothing pending is lost."""
        document = self.sim.control("GET", "world")
        self.sim.world(document)
        assert self.sim.control("GET", "world") == document

    @invariant()
    def health_is_as_counted(self) -> None:
        """DescribeHealthStatus shows what the model counted, for each member."""
        if not hasattr(self, "members"):
            return
        found = self.wire.post(common(SLB, "DescribeHealthStatus", LoadBalancerId="lb-1")).json
        shown = {
            (one["ServerId"], one["Port"]): one["ServerHealthStatus"]
            for one in found["BackendServers"]["BackendServer"]
        }
        assert shown == {name: one.shown for name, one in self.members.items()}

    @invariant()
    def the_journal_tells_the_members(self) -> None:
        """The last change in the journal ends in the present members."""
        if not hasattr(self, "members"):
            return
        changes = [change for entry in self.sim.journal(since=self.since) for change in entry.get("changes", ())]
        told = [change["after"] for change in changes if change["what"] == "group.backends"]
        if told:
            assert [(one["server_id"], one["port"], one["weight"]) for one in told[-1]] == self.expected()


def test_members_and_health_follow_the_model_through_any_history(stepped: RunningSimulator) -> None:
    """Whatever is called, whatever hangs and however time moves: members, health and journal agree."""
    with Wire(stepped.address) as connection:

        class Run(History):
            sim, wire = stepped, connection

        run_state_machine_as_test(
            Run,
            settings=settings(settings.default, max_examples=settings().max_examples // 10, stateful_step_count=25),
        )
