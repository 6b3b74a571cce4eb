"""What is long over is let go, so that a simulator may run for weeks."""

from __future__ import annotations

import pytest

from cloudheal_sim.alibaba.ecs.model.event_book import Announcement
from cloudheal_sim.alibaba.ecs.model.event_types import EVENT_TYPES
from cloudheal_sim.alibaba.ecs.model.invocation import Command, Invocation
from cloudheal_sim.alibaba.ecs.state import Ecs
from cloudheal_sim.guest.dispatch import MOST_INVOCATIONS
from cloudheal_sim.kernel.clock import Mode
from cloudheal_sim.simulator import Options, Simulator

DAY = 86_400


@pytest.fixture
def simulator() -> Simulator:
    """A simulator in this process with one running instance on a stepped clock."""
    return Simulator(Options(mode=Mode.STEPPED, world={"alibaba": {"instances": [{"id": "i-bp1one"}]}}))


@pytest.fixture
def ecs(simulator: Simulator) -> Ecs:
    """Its ECS."""
    return simulator.alibaba.ecs


def test_finished_events_are_forgotten_after_a_month(simulator: Simulator, ecs: Ecs) -> None:
    """An open one that is older stays, and so does what is younger."""
    instance = ecs.fleet.find("i-bp1one")
    assert instance is not None
    crash, planned = EVENT_TYPES["InstanceFailure.Reboot"], EVENT_TYPES["SystemMaintenance.RebootAndReInitErrorDisk"]
    first = ecs.events.announce(instance, Announcement(crash))
    simulator.kernel.clock.advance(32 * DAY)
    second = ecs.events.announce(instance, Announcement(crash))
    waiting = ecs.events.announce(instance, Announcement(planned))
    assert ecs.events.find(first.id) is None
    assert list(ecs.events.of_instance("i-bp1one")) == [second, waiting]
    simulator.kernel.clock.advance(400 * DAY)
    ecs.events.announce(instance, Announcement(crash))
    assert (ecs.events.find(second.id), ecs.events.find(waiting.id)) == (None, waiting)


def test_only_so_many_invocations_are_on_record(simulator: Simulator, ecs: Ecs) -> None:
    """The oldest finished ones go first, with the commands that nobody kept."""
    instance = ecs.fleet.find("i-bp1one")
    assert instance is not None
    now = simulator.kernel.clock.now()
    for number in range(MOST_INVOCATIONS + 10):
        command = ecs.assistant.put(Command(f"c-{number}", "cn-hangzhou", "RunShellScript", "true", now, kept=False))
        ecs.assistant.begin(Invocation(f"t-{number}", command, now, 60, {}), [instance])
        if number % 1000 == 0:
            simulator.kernel.clock.advance(2)
    assert len(ecs.assistant.invocations) == len(ecs.assistant.commands) == MOST_INVOCATIONS
    assert "t-9" not in ecs.assistant.invocations
    assert len(ecs.assistant.of_instance("i-bp1one")) == MOST_INVOCATIONS
