"""Random lives of instances: whatever is called, done and waited for, the state machine and the journal hold.

The simulator runs inside the test here, because a thousand steps are played; signed calls over TCP are the business of
the other tests.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloudheal_sim.alibaba.ecs.model.instance import Instance
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.kernel.chaos import ChaosError
from cloudheal_sim.kernel.clock import Mode
from cloudheal_sim.kernel.core import Exchange
from cloudheal_sim.kernel.keys import DEFAULT_KEYS
from cloudheal_sim.simulator import Options, Simulator

#: Which state may follow which; None is before the order and after the release.
FOLLOWS: dict[str | None, set[str | None]] = {
    None: {"Pending"},
    "Pending": {"Starting", "Stopped"},
    "Starting": {"Running", "Stopped", "Stopping"},
    "Running": {"Stopping"},
    "Stopping": {"Stopped", "Starting"},
    "Stopped": {"Starting", None},
}
ORDER = {
    "RegionId": "cn-hangzhou",
    "ImageId": "ubuntu_22_04_x64_20G_alibase_20240530.vhd",
    "InstanceType": "ecs.g7.large",
    "VSwitchId": "vsw-bp1defaulti",
    "SecurityGroupId": "sg-bp1default",
}
WORLD = {
    "now": "2026-03-02T03:00:00Z",
    "alibaba": {
        "instances": [
            {"id": "i-a"},
            {"id": "i-b", "status": "Stopped"},
            {"id": "i-spot", "spot": True},
            {"id": "i-keep", "spot": {"behavior": "Stop"}},
            {"id": "i-paid", "expires": "2026-03-02T03:20:00Z"},
        ]
    },
}
POWER = ("StartInstance", "StopInstance", "RebootInstance", "DeleteInstance", "RedeployInstance")
DEEDS = ("power_off", "hang", "unhang", "fail_start", "crash_loop", "reclaim", "expire", "release", "lock", "unlock")


class Lives(RuleBasedStateMachine):
    """One account whose instances live at random."""

    def __init__(self) -> None:
        super().__init__()
        self.sim = Simulator(Options(mode=Mode.STEPPED, skew_check=False))
        self.sim.world.load(WORLD)
        self.tokens = 0
        self.shown: dict[str, str | None] = {one.id: one.status.value.value for one in self.fleet}

    @property
    def fleet(self) -> list[Instance]:
        """The present instances."""
        return list(self.sim.alibaba.ecs.fleet)

    def call(self, action: str, **parameters: str) -> Any:
        """Do one action as the gateway does after all its checks; None when it is refused."""
        declared = SERVICE.actions[action]
        journal = self.sim.kernel.journal
        with journal.within(journal.append("request", action=action)) as entry:
            exchange = Exchange(entry, DEFAULT_KEYS[0], "R", "h")
            try:
                return declared.handler(self.sim.alibaba.ecs, declared.request.read(parameters), exchange)
            except Refused:
                return None

    @rule(action=st.sampled_from(POWER), which=st.integers(0, 9), force=st.booleans())
    def power(self, action: str, which: int, force: bool) -> None:  # noqa: FBT001
        """Call one of the power actions on some instance."""
        if self.fleet:
            id_ = self.fleet[which % len(self.fleet)].id
            self.call(action, InstanceId=id_, Force=str(force), ForceStop=str(force))

    @rule(amount=st.integers(1, 2), create=st.booleans())
    def order(self, amount: int, create: bool) -> None:  # noqa: FBT001
        """Order instances, while there are few."""
        if len(self.fleet) < 8:
            self.tokens += 1
            token = {"ClientToken": f"t{self.tokens}"}
            if create:
                self.call("CreateInstance", **ORDER, **token)
            else:
                assert self.call("RunInstances", **ORDER, **token, Amount=str(amount)) is not None

    @rule(deed=st.sampled_from(DEEDS), which=st.integers(0, 9))
    def chaos(self, deed: str, which: int) -> None:
        """Let chaos do something to some instance."""
        if self.fleet:
            one = self.fleet[which % len(self.fleet)]
            if deed == "reclaim" and one.spot is None:
                with pytest.raises(ChaosError, match="no spot instance"):
                    self.sim.chaos.do(deed, [one.id], {})
            else:
                self.sim.chaos.do(deed, [one.id], {})

    @rule(seconds=st.one_of(st.integers(0, 12), st.integers(0, 900)))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.sim.kernel.clock.advance(seconds)

    @rule()
    def put_back(self) -> None:
        """Read the world and put it back; nothing of it changes."""
        document = self.sim.world.dump()
        self.sim.world.load(document)
        assert self.sim.world.dump() == document

    @invariant()
    def states_follow_each_other(self) -> None:
        """Every journaled step is allowed, begins where the last one ended, and the last one is what is shown."""
        for entry in self.sim.kernel.journal.entries():
            for change in entry.changes:
                if change.what == "instance.status":
                    before = self.shown.get(change.id)
                    assert change.before == before
                    self.shown[change.id] = after = None if change.after is None else str(change.after)
                    assert after in FOLLOWS[before]
        self.sim.kernel.journal.clear()
        present = {one.id: one.status.value.value for one in self.fleet}
        assert present == {id_: state for id_, state in self.shown.items() if state is not None}

    @invariant()
    def disks_follow_their_instances(self) -> None:
        """Every instance has its system disk, and no disk is attached to what is gone."""
        disks, present = self.sim.alibaba.ecs.storage.disks, {one.id for one in self.fleet}
        assert {disk.instance for disk in disks} == present

    @invariant()
    def nothing_is_stuck(self) -> None:
        """A transitional state always has its end planned in the future."""
        now = self.sim.kernel.clock.now()
        for one in self.fleet:
            transitional = one.status.value.value in {"Pending", "Starting", "Stopping"}
            assert not transitional or (one.task is not None and one.task.due > now)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=settings().max_examples // 20, stateful_step_count=40, deadline=None)
