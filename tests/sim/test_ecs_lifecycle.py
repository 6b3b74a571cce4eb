"""The state machine of an instance on the virtual clock: transitions, spot reclaim, terms, locks, and chaos."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from darabonba.exceptions import DaraException

from tests.sim.ecs import NOW, ORDER, REGION, described, ecs_client, events, status, steps, world_with
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import refused

ID = "i-bp1one"
NOTICE = "Instance:PreemptibleInstanceInterruption"


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock."""
    return ecs_client(stepped)


def states(sim: RunningSimulator, id_: str = ID) -> list[str]:
    """Return the states that were published for an instance."""
    return [content["state"] for name, content in events(sim, id_) if name == "Instance:StateChange"]


def start(ecs: Client, id_: str = ID) -> None:
    """Ask for a start."""
    ecs.start_instance(models.StartInstanceRequest(instance_id=id_))


def test_a_start_passes_starting_and_takes_its_time(stepped: RunningSimulator, ecs: Client) -> None:
    """Stopped -> Starting -> Running, journaled and published step by step."""
    stepped.world(world_with({"id": ID, "status": "Stopped"}, durations={"starting": 30}))
    start(ecs)
    assert status(ecs, ID) == "Starting"
    stepped.advance(29.9)
    assert status(ecs, ID) == "Starting"
    stepped.advance(0.1)
    assert status(ecs, ID) == "Running"
    assert steps(stepped, ID) == states(stepped) == ["Starting", "Running"]


def test_a_reboot_passes_stopping_and_starting(stepped: RunningSimulator, ecs: Client) -> None:
    """Running -> Stopping -> Starting -> Running, each published as StateChange of the instance."""
    stepped.world(world_with({"id": ID}))
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    assert status(ecs, ID) == "Stopping"
    stepped.advance(5)
    assert status(ecs, ID) == "Starting"
    stepped.advance(8)
    assert status(ecs, ID) == "Running"
    assert states(stepped) == ["Stopping", "Starting", "Running"]
    name, content = events(stepped, ID)[0]
    assert (name, content["resourceId"]) == ("Instance:StateChange", ID)


def test_forced_stops_are_quicker(stepped: RunningSimulator, ecs: Client) -> None:
    """ForceStop takes stopping_forced, a normal stop takes stopping."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1two"}))
    ecs.stop_instance(models.StopInstanceRequest(instance_id=ID, force_stop=True))
    ecs.stop_instance(models.StopInstanceRequest(instance_id="i-bp1two"))
    stepped.advance(2)
    assert (status(ecs, ID), status(ecs, "i-bp1two")) == ("Stopped", "Stopping")


def test_durations_of_zero_still_pass_every_state(stepped: RunningSimulator, ecs: Client) -> None:
    """A world without waiting still enters, journals and publishes each transitional state."""
    stepped.world(world_with({"id": ID}, durations={"rebooting_stopping": 0, "rebooting_starting": 0}))
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    assert status(ecs, ID) == "Running"
    assert steps(stepped, ID) == states(stepped) == ["Stopping", "Starting", "Running"]


def test_a_released_instance_is_gone_with_its_disk(stepped: RunningSimulator, ecs: Client) -> None:
    """Deleting a running instance needs Force, passes Stopping and Stopped, and ends in Deleted."""
    stepped.world(world_with({"id": ID}))
    assert refused(ecs.delete_instance, models.DeleteInstanceRequest(instance_id=ID)) == (
        403,
        "IncorrectInstanceStatus",
    )
    ecs.delete_instance(models.DeleteInstanceRequest(instance_id=ID, force=True))
    assert status(ecs, ID) == "Stopping"
    stepped.advance(10)
    assert status(ecs, ID) is None
    assert states(stepped) == ["Stopping", "Stopped", "Deleted"]
    assert ecs.describe_disks(models.DescribeDisksRequest(region_id=REGION)).body.total_count == 0


@pytest.mark.parametrize("deed", ["expire", "power_off"])
def test_a_release_under_way_is_not_forgotten(stepped: RunningSimulator, ecs: Client, deed: str) -> None:
    """What stops an instance that is being released does not keep it from being released."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1off", "status": "Stopped"}, durations={"releasing": 5}))
    for id_ in (ID, "i-bp1off"):
        ecs.delete_instance(models.DeleteInstanceRequest(instance_id=id_, force=True))
        stepped.chaos(deed, id_)
        assert status(ecs, id_) == "Stopped"
    stepped.advance(5)
    assert (status(ecs, ID), status(ecs, "i-bp1off")) == (None, None)


def test_a_guest_may_vanish_while_it_boots(stepped: RunningSimulator, ecs: Client) -> None:
    """power_off during Starting ends the boot: Stopped, and it stays there."""
    stepped.world(world_with({"id": ID, "status": "Starting"}))
    stepped.chaos("power_off", ID)
    stepped.advance(100)
    assert states(stepped) == ["Stopping", "Stopped"]


@pytest.mark.parametrize("state", ["Pending", "Starting", "Stopping"])
def test_transitional_states_refuse_power_calls(stepped: RunningSimulator, ecs: Client, state: str) -> None:
    """While an instance is between states, nothing else can be begun."""
    stepped.world(world_with({"id": ID, "status": state}))
    calls: list[Callable[[], object]] = [
        lambda: start(ecs),
        lambda: ecs.stop_instance(models.StopInstanceRequest(instance_id=ID)),
        lambda: ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID)),
        lambda: ecs.redeploy_instance(models.RedeployInstanceRequest(instance_id=ID)),
        lambda: ecs.delete_instance(models.DeleteInstanceRequest(instance_id=ID, force=True)),
    ]
    for call in calls:
        with pytest.raises(DaraException) as caught:
            call()
        assert caught.value.code.startswith("IncorrectInstanceStatus")
    assert steps(stepped, ID) == []


def test_a_failing_start_falls_back_to_stopped(stepped: RunningSimulator, ecs: Client) -> None:
    """fail_start {times: 2}: two starts end Stopped, the third succeeds."""
    stepped.world(world_with({"id": ID, "status": "Stopped"}))
    stepped.chaos("fail_start", ID, times=2)
    for _ in range(3):
        start(ecs)
        stepped.advance(8)
    assert states(stepped) == ["Starting", "Stopped", "Starting", "Stopped", "Starting", "Running"]


def test_a_start_can_fail_for_ever(stepped: RunningSimulator, ecs: Client) -> None:
    """fail_start without a number fails every start until it is set to 0."""
    stepped.world(world_with({"id": ID, "status": "Stopped"}))
    stepped.chaos("fail_start", ID)
    for _ in range(5):
        start(ecs)
        stepped.advance(8)
    assert states(stepped) == ["Starting", "Stopped"] * 5
    stepped.chaos("fail_start", ID, times=0)
    start(ecs)
    stepped.advance(8)
    assert status(ecs, ID) == "Running"


def test_a_vanishing_guest_is_stopped_without_any_call(stepped: RunningSimulator, ecs: Client) -> None:
    """power_off: Stopped at once, published as a state change that nobody asked for."""
    stepped.world(world_with({"id": ID}))
    stepped.chaos("power_off", ID)
    assert status(ecs, ID) == "Stopped"
    assert states(stepped)[-1] == "Stopped"
    assert stepped.journal(kind="change")[-1]["cause"] == "chaos power_off"


def test_a_crash_loop_falls_after_every_start(stepped: RunningSimulator, ecs: Client) -> None:
    """crash_loop {seconds: 60}: the present run and each later one end Stopped after a minute."""
    stepped.world(world_with({"id": ID}))
    stepped.chaos("crash_loop", ID, seconds=60)
    stepped.advance(59)
    assert status(ecs, ID) == "Running"
    stepped.advance(1)
    assert status(ecs, ID) == "Stopped"
    start(ecs)
    stepped.advance(8 + 60)
    assert status(ecs, ID) == "Stopped"
    stepped.chaos("crash_loop", ID, seconds=None)
    start(ecs)
    stepped.advance(1000)
    assert status(ecs, ID) == "Running"


def test_a_slow_boot_adds_to_the_start(stepped: RunningSimulator, ecs: Client) -> None:
    """slow_boot {seconds: 100} makes Starting last that much longer."""
    stepped.world(world_with({"id": ID, "status": "Stopped"}))
    stepped.chaos("slow_boot", ID, seconds=100)
    start(ecs)
    stepped.advance(107)
    assert status(ecs, ID) == "Starting"
    stepped.advance(1)
    assert status(ecs, ID) == "Running"


def test_a_hung_instance_stays_running_and_a_reboot_cures_it(stepped: RunningSimulator, ecs: Client) -> None:
    """Hang changes what is served, not the status; it ends with the run."""
    stepped.world(world_with({"id": ID}))
    stepped.chaos("hang", ID)
    assert status(ecs, ID) == "Running"
    assert steps(stepped, ID, "instance.hung") == [True]
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    assert steps(stepped, ID, "instance.hung") == [True, False]


def test_a_spot_instance_is_reclaimed_five_minutes_after_the_notice(stepped: RunningSimulator, ecs: Client) -> None:
    """The notice goes out with the Recycling lock; Stopped shortly before, released exactly 300 s after it."""
    stepped.world(world_with({"id": ID, "spot": True}))
    stepped.chaos("reclaim", ID)
    found = described(ecs, ID)
    assert (found.status, [lock.lock_reason for lock in found.operation_locks.lock_reason]) == (
        "Running",
        ["Recycling"],
    )
    assert events(stepped, ID) == [(NOTICE, {"instanceId": ID, "action": "delete"})]
    stepped.advance(289)
    assert status(ecs, ID) == "Running"
    stepped.advance(10.9)
    assert status(ecs, ID) == "Stopped"
    stepped.advance(0.1)
    assert status(ecs, ID) is None
    assert states(stepped) == ["Stopping", "Stopped", "Deleted"]
    gone = [e for e in stepped.journal(kind="event") if e["details"]["content"].get("state") == "Deleted"]
    assert gone[0]["at"] == "2026-03-02T03:05:00.000Z"


def test_a_reclaim_may_be_planned_in_the_world(stepped: RunningSimulator, ecs: Client) -> None:
    """`reclaim_at` sends the notice at that instant, five minutes before the end."""
    stepped.world(world_with({"id": ID, "spot": True, "reclaim_at": "2026-03-02T03:10:00Z"}))
    stepped.advance(599)
    assert events(stepped, ID) == []
    stepped.advance(1)
    assert [name for name, _ in events(stepped, ID)] == [NOTICE]
    stepped.advance(300)
    assert status(ecs, ID) is None


def test_a_spot_instance_may_be_stopped_instead(stepped: RunningSimulator, ecs: Client) -> None:
    """SpotInterruptionBehavior Stop: Stopped at the end, unlocked, and started again while there is stock."""
    stepped.world(world_with({"id": ID, "spot": {"behavior": "Stop"}}))
    stepped.chaos("reclaim", ID)
    with pytest.raises(DaraException):
        start(ecs)
    stepped.advance(300)
    found = described(ecs, ID)
    assert (found.status, found.stopped_mode, found.operation_locks.lock_reason) == ("Stopped", "StopCharging", [])
    start(ecs)
    stepped.advance(8)
    assert status(ecs, ID) == "Running"


def test_only_spot_instances_are_reclaimed(stepped: RunningSimulator) -> None:
    """A deed that makes no sense is refused by name and changes nothing."""
    stepped.world(world_with({"id": ID}))
    with pytest.raises(ControlRefusedError, match="no spot instance"):
        stepped.chaos("reclaim", ID)
    assert events(stepped, ID) == []


def test_an_expired_instance_stops_and_cannot_be_started(stepped: RunningSimulator, ecs: Client) -> None:
    """At ExpiredTime the instance is locked and stopped; StartInstance answers InstanceExpired."""
    stepped.world(world_with({"id": ID, "expires": "2026-03-02T03:01:00Z"}))
    stepped.advance(60)
    assert status(ecs, ID) == "Stopping"
    stepped.advance(5)
    found = described(ecs, ID)
    assert (found.status, found.expired_time) == ("Stopped", "2026-03-02T03:01Z")
    assert [lock.lock_reason for lock in found.operation_locks.lock_reason] == ["financial"]
    assert refused(start, ecs) == (403, "InstanceExpired")


@pytest.mark.parametrize(
    ("instance", "keys", "code"),
    [
        ({"locks": ["security"]}, {}, "InstanceLockedForSecurity"),
        ({"locks": ["financial"]}, {}, "InsufficientBalance"),
        ({"expired": True}, {}, "InstanceExpired"),
        ({"locks": ["Recycling"]}, {}, "IncorrectInstanceStatus"),
        ({"status": "Running"}, {}, "IncorrectInstanceStatus"),
        ({}, {"overdue": True}, "InsufficientBalance"),
        ({"stopped_mode": "StopCharging"}, {"stock": [{"available": 0}]}, "OperationDenied.NoStock"),
    ],
)
def test_a_start_is_refused_with_its_reason(
    stepped: RunningSimulator, ecs: Client, instance: dict[str, Any], keys: dict[str, Any], code: str
) -> None:
    """Each reason not to start has its own documented code, and nothing begins."""
    stepped.world(world_with({"id": ID, "status": "Stopped", **instance}, **keys))
    assert refused(start, ecs) == (403, code)
    assert steps(stepped, ID) == []


def test_chaos_locks_and_unlocks(stepped: RunningSimulator, ecs: Client) -> None:
    """Lock {reason} adds one lock, unlock takes it off again."""
    stepped.world(world_with({"id": ID}))
    stepped.chaos("lock", ID, reason="security")
    assert refused(ecs.reboot_instance, models.RebootInstanceRequest(instance_id=ID)) == (
        403,
        "InstanceLockedForSecurity",
    )
    stepped.chaos("unlock", ID)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    assert status(ecs, ID) == "Stopping"


def test_a_place_given_up_may_be_gone(stepped: RunningSimulator, ecs: Client) -> None:
    """A StopCharging instance cannot start after no_stock; one that kept its place can."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1kept"}))
    ecs.stop_instance(models.StopInstanceRequest(instance_id=ID, stopped_mode="StopCharging"))
    ecs.stop_instance(models.StopInstanceRequest(instance_id="i-bp1kept"))
    stepped.advance(5)
    stepped.chaos("no_stock", ID)
    assert refused(start, ecs) == (403, "OperationDenied.NoStock")
    start(ecs, "i-bp1kept")
    assert status(ecs, "i-bp1kept") == "Starting"


def test_an_automatic_release_is_honoured(stepped: RunningSimulator, ecs: Client) -> None:
    """AutoReleaseTime of an order releases the instance at that minute."""
    stepped.world(world_with())
    due = datetime.fromisoformat(NOW) + timedelta(hours=1)
    order = models.RunInstancesRequest(**ORDER, auto_release_time=due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    (id_,) = ecs.run_instances(order).body.instance_id_sets.instance_id_set
    assert described(ecs, id_).auto_release_time == "2026-03-02T04:00Z"
    stepped.advance(3599)
    assert status(ecs, id_) == "Running"
    stepped.advance(10)
    assert status(ecs, id_) is None


def test_a_stale_read_shows_what_was(stepped: RunningSimulator, ecs: Client) -> None:
    """Under a stale-read fault a status is the old one, the new is absent and the released still there."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1gone"}))
    stepped.chaos("release", "i-bp1gone")
    ecs.stop_instance(models.StopInstanceRequest(instance_id=ID))
    ecs.run_instances(models.RunInstancesRequest(**ORDER))
    stepped.advance(5)
    stepped.control("PUT", "faults", [{"fault": {"kind": "stale-read", "age_seconds": 10}}])
    shown = ecs.describe_instances(models.DescribeInstancesRequest(region_id=REGION)).body
    assert {one.instance_id: one.status for one in shown.instances.instance} == {ID: "Running", "i-bp1gone": "Running"}
    assert shown.total_count == 2
    listed = ecs.describe_instance_status(models.DescribeInstanceStatusRequest(region_id=REGION)).body
    assert {one.status for one in listed.instance_statuses.instance_status} == {"Running"}
    disks = ecs.describe_disks(models.DescribeDisksRequest(region_id=REGION)).body.disks.disk
    assert [one.instance_id for one in disks] == [ID, "i-bp1gone"]
    stepped.control("PUT", "faults", [])
    shown = ecs.describe_instances(models.DescribeInstancesRequest(region_id=REGION)).body
    assert [one.status for one in shown.instances.instance] == ["Stopped", "Starting"]


def test_a_batch_under_a_partial_fault_fails_in_part(stepped: RunningSimulator, ecs: Client) -> None:
    """partial-batch: that share of the items fails with a code of its own, the others begin."""
    ids = [f"i-bp1n{number}" for number in range(4)]
    stepped.world(world_with(*({"id": id_, "status": "Stopped"} for id_ in ids)))
    stepped.control("PUT", "faults", [{"fault": {"kind": "partial-batch", "share": 0.5}}])
    request = models.StartInstancesRequest(region_id=REGION, instance_id=ids)
    answers = ecs.start_instances(request).body.instance_responses.instance_response
    failed = [one.instance_id for one in answers if one.code != "200"]
    assert len(failed) == 2
    assert {status(ecs, id_) for id_ in failed} == {"Stopped"}
    assert {status(ecs, id_) for id_ in ids if id_ not in failed} == {"Starting"}


def test_a_redeployment_is_a_slow_reboot(stepped: RunningSimulator, ecs: Client) -> None:
    """RedeployInstance of a running instance passes Stopping and Starting; of a stopped one, Starting."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1off", "status": "Stopped"}))
    assert ecs.redeploy_instance(models.RedeployInstanceRequest(instance_id=ID)).body.task_id
    ecs.redeploy_instance(models.RedeployInstanceRequest(instance_id="i-bp1off"))
    stepped.advance(60)
    assert states(stepped) == ["Stopping", "Starting", "Running"]
    assert states(stepped, "i-bp1off") == ["Starting", "Running"]
