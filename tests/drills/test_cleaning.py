"""Whatever a drill created is taken back, also before a cloud that stumbles; what cannot be is never passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from cloudheal.drills.cleaning import LEASE, PREFIX, DrillRunsError, begin_alone, clean, end_alone, go_on, holder
from cloudheal.drills.ground import Ground
from cloudheal.drills.preflight import targets_of
from cloudheal.drills.scenario import Targets
from cloudheal.model.drill import DrillOrder, DrillRow, DrillState
from cloudheal.record.leases import give_up_leases, take_lease
from tests.drills.rehearsals import simulated_left
from tests.sim.simulator import RunningSimulator

REFUSED = {"kind": "error", "status": 403, "code": "Forbidden", "message": "no"}


@pytest.fixture
def orderly(ground: Ground, simulator: RunningSimulator) -> Iterator[Ground]:
    """The ground with pauses that take no time, and a cloud that is left without faults and events."""
    yield replace(ground, pause=lambda _: None)
    simulator.control("PUT", "faults", [])
    assert clean(replace(ground, pause=lambda _: None), ground.desk.rows(live=True)).left == ()
    end_alone(ground)


def ordered(ground: Ground, drill: str, servers: int = 2) -> list[DrillRow]:
    """Order events of a drill for some servers."""
    now = ground.clock.now()
    known = targets_of(ground, Targets(names=["web-*"], count=servers))
    subjects = [one.id for one in known]
    later = (now + timedelta(hours=3)).replace(microsecond=0)
    type_ = "Instance:SystemMaintenance.Reboot"
    order = DrillOrder(drill, "a test", subjects, type_, later, False, "kim", now, later)
    return ground.desk.order(order)


def test_a_cloud_that_stumbles_is_asked_again(orderly: Ground, simulator: RunningSimulator) -> None:
    """Throttled and failing calls put the cleaning off; in the end nothing is left."""
    rows = ordered(orderly, f"{PREFIX}1")
    simulator.control(
        "PUT",
        "faults",
        [
            {"action": "CancelSimulatedSystemEvents", "fault": "5xx", "times": 2},
            {"action": "DescribeInstanceHistoryEvents", "fault": "throttle", "times": 5},
        ],
    )
    cleaned = clean(orderly, rows)
    assert cleaned.left == ()
    assert simulated_left(simulator) == []
    assert {one.state for one in orderly.desk.rows(f"{PREFIX}1")} == {DrillState.CANCELLED}


def test_what_cannot_be_taken_back_is_named(orderly: Ground, simulator: RunningSimulator) -> None:
    """A drill that may not cancel says which events are still there; it is not taken for a pass."""
    rows = ordered(orderly, f"{PREFIX}2")
    simulator.control("PUT", "faults", [{"action": "CancelSimulatedSystemEvents", "fault": REFUSED}])
    cleaned = clean(orderly, rows)
    assert cleaned.cancelled == 0
    (left,) = cleaned.left
    assert all(one.event in left for one in rows)


def test_events_whose_ids_were_never_told_are_found_and_taken_back(
    orderly: Ground, simulator: RunningSimulator
) -> None:
    """The answer to the call was lost and so was the look for it: their rows are enough to find them later."""
    simulator.control(
        "PUT",
        "faults",
        [
            {"action": "CreateSimulatedSystemEvents", "fault": "effect-then-5xx"},
            {"action": "DescribeInstanceHistoryEvents", "fault": REFUSED, "after": orderly.clock.now().isoformat()},
        ],
    )
    with pytest.raises(Exception, match="refused"):  # preparing the order already reads the list
        ordered(orderly, f"{PREFIX}3")
    simulator.control("PUT", "faults", [{"action": "CreateSimulatedSystemEvents", "fault": "effect-then-5xx"}])
    rows = ordered(orderly, f"{PREFIX}4")
    assert len(simulated_left(simulator)) == 2
    assert clean(orderly, rows).left == ()
    assert simulated_left(simulator) == []


def test_the_next_drill_takes_back_what_runners_left_and_nothing_else(
    orderly: Ground, simulator: RunningSimulator
) -> None:
    """Events that an operator created by hand are there on purpose."""
    ordered(orderly, f"{PREFIX}5")
    by_hand = ordered(orderly, "drill-by-hand", servers=1)
    cleaned = begin_alone(orderly)
    assert (cleaned.cancelled, cleaned.left) == (2, ())
    assert [one["id"] for one in simulated_left(simulator)] == [by_hand[0].event]


def test_a_dead_runner_keeps_nobody_waiting_and_a_living_one_does(orderly: Ground) -> None:
    """A process of this host that is gone is known to be; one on another host is given its minute."""
    mine, _, _ = holder().partition("/")
    with orderly.database.transaction() as connection:
        assert take_lease(connection, LEASE, f"{mine}/{2**22 + 1}/abc", 60_000)  # above every process id
    begin_alone(orderly)
    assert go_on(orderly)
    end_alone(orderly)
    for other in (f"elsewhere/{2**22 + 1}/abc", f"{mine}/{os.getppid()}/abc"):
        with orderly.database.transaction() as connection:
            assert take_lease(connection, LEASE, other, 60_000)
        with pytest.raises(DrillRunsError, match=other):
            begin_alone(orderly)
        assert not go_on(orderly)
        with orderly.database.transaction() as connection:
            give_up_leases(connection, other)
