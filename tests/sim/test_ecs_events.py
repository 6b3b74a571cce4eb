"""System events: life cycles by the clock, what the calls show, drills with their limits, real ones by chaos."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client

from tests.sim.ecs import NOW, REGION, ecs_client, events, status, steps, world_with
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import refused
from tests.sim.test_event_delivery import ALL_TO_QUEUE, bodies

ID = "i-bp1one"
REBOOT = "SystemMaintenance.Reboot"
START = datetime(2026, 3, 2, 3, tzinfo=UTC)
assert START.strftime("%Y-%m-%dT%H:%M:%SZ") == NOW


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock, in a world of one running instance."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1two"}))
    return ecs_client(stepped)


def at(**ahead: float) -> str:
    """Return the instant so far after the world's beginning, as ECS writes it."""
    return (START + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def drill(ecs: Client, *ids: str, type_: str = REBOOT, not_before: str = "", **more: Any) -> list[str]:
    """Create simulated events and return their ids."""
    request = models.CreateSimulatedSystemEventsRequest(
        region_id=REGION,
        event_type=type_,
        instance_id=list(ids or (ID,)),
        not_before=not_before or at(hours=2),
        **more,
    )
    found: list[str] = ecs.create_simulated_system_events(request).body.event_id_set.event_id
    return found


def history(ecs: Client, **asked: Any) -> list[Any]:
    """Return the events that DescribeInstanceHistoryEvents shows."""
    request = models.DescribeInstanceHistoryEventsRequest(region_id=REGION, **asked)
    found: list[Any] = ecs.describe_instance_history_events(request).body.instance_system_event_set
    return list(found.instance_system_event_type)  # type: ignore[attr-defined]


def state_of(ecs: Client, event_id: str) -> str:
    """Return the status of one event."""
    every = ["Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring"]
    (event,) = history(ecs, event_id=[event_id], instance_event_cycle_status=every)
    name: str = event.event_cycle_status.name
    return name


def full_status(ecs: Client, **asked: Any) -> Any:
    """Return the body of DescribeInstancesFullStatus."""
    return ecs.describe_instances_full_status(models.DescribeInstancesFullStatusRequest(region_id=REGION, **asked)).body


def scheduled(ecs: Client, **asked: Any) -> dict[str, list[str]]:
    """Return the ids of the scheduled events by instance."""
    shown = full_status(ecs, **asked).instance_full_status_set.instance_full_status_type
    return {
        one.instance_id: [event.event_id for event in one.scheduled_system_event_set.scheduled_system_event_type]
        for one in shown
    }


def notified(sim: RunningSimulator, id_: str = ID) -> list[str]:
    """Return the names of the maintenance and failure messages about a resource, in order."""
    return [name for name, _ in events(sim, id_) if name != "Instance:StateChange"]


# How events live


def test_a_drill_runs_scheduled_executing_executed_with_one_message_each(
    stepped: RunningSimulator, ecs: Client
) -> None:
    """At NotBefore the drill executes, soon after it is over, and the instance is never touched."""
    (id_,) = drill(ecs)
    assert state_of(ecs, id_) == "Scheduled"
    stepped.advance(7199.9)
    assert state_of(ecs, id_) == "Scheduled"
    stepped.advance(0.1)
    assert state_of(ecs, id_) == "Executing"
    stepped.advance(10)
    assert state_of(ecs, id_) == "Executed"
    assert steps(stepped, id_, "event.status") == ["Scheduled", "Executing", "Executed"]
    assert notified(stepped) == [f"Instance:{REBOOT}:{one}" for one in ("Scheduled", "Executing", "Executed")]
    assert steps(stepped, ID) == []


def test_messages_carry_the_documented_content(stepped: RunningSimulator, ecs: Client) -> None:
    """PublishTime and notBefore always, executeStartTime from Executing on, executeFinishTime at the end."""
    (id_,) = drill(ecs)
    stepped.advance(7210)
    first, second, third = [content for _, content in events(stepped, ID)]
    known = {
        "eventId": id_,
        "publishTime": NOW,
        "notBefore": at(hours=2),
        "instanceId": ID,
        "eventType": REBOOT,
    }
    assert first == {**known, "eventStatus": "Scheduled"}
    assert second == {**known, "eventStatus": "Executing", "executeStartTime": at(hours=2)}
    times = {"executeStartTime": at(hours=2), "executeFinishTime": at(hours=2, seconds=10)}
    assert third == {**known, "eventStatus": "Executed", **times}


@pytest.mark.parametrize("type_", ["SystemFailure.Reboot", "InstanceFailure.Reboot", "SystemFailure.Redeploy"])
def test_a_failure_drill_begins_in_executing_and_ends_at_not_before(
    stepped: RunningSimulator, ecs: Client, type_: str
) -> None:
    """There is no Scheduled, no notBefore in the message, and NotBefore is the end."""
    (id_,) = drill(ecs, type_=type_)
    assert (state_of(ecs, id_), scheduled(ecs, event_id=[id_])) == ("Executing", {})
    stepped.advance(7199)
    assert state_of(ecs, id_) == "Executing"
    stepped.advance(1)
    assert steps(stepped, id_, "event.status") == ["Executing", "Executed"]
    assert notified(stepped) == [f"Instance:{type_}:Executing", f"Instance:{type_}:Executed"]
    assert all("notBefore" not in content for _, content in events(stepped, ID))


def test_a_reboot_by_the_api_avoids_the_event_in_a_few_seconds(stepped: RunningSimulator, ecs: Client) -> None:
    """RebootInstance before NotBefore: Avoided, told once, and nothing happens at NotBefore."""
    (id_,) = drill(ecs)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    assert state_of(ecs, id_) == "Scheduled"
    stepped.advance(4.9)
    assert state_of(ecs, id_) == "Scheduled"
    stepped.advance(0.1)
    assert state_of(ecs, id_) == "Avoided"
    stepped.advance(10_000)
    assert notified(stepped) == [f"Instance:{REBOOT}:Scheduled", f"Instance:{REBOOT}:Avoided"]
    (event,) = history(ecs, event_id=[id_])
    assert (event.event_cycle_status.name, event.event_finish_time) == ("Avoided", at(seconds=5))


def test_a_reboot_accepted_just_before_the_time_still_avoids_it(stepped: RunningSimulator, ecs: Client) -> None:
    """The platform has seen the answer before it acts, so it does not reboot a second time."""
    (id_,) = drill(ecs)
    stepped.advance(7199)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(60)
    assert steps(stepped, id_, "event.status") == ["Scheduled", "Avoided"]


def test_stop_and_start_by_the_api_avoid_the_event(stepped: RunningSimulator, ecs: Client) -> None:
    """A stop alone changes nothing; once the instance has started again the event is Avoided."""
    (id_,) = drill(ecs)
    ecs.stop_instance(models.StopInstanceRequest(instance_id=ID))
    stepped.advance(60)
    assert state_of(ecs, id_) == "Scheduled"
    ecs.start_instance(models.StartInstanceRequest(instance_id=ID))
    stepped.advance(60)
    assert steps(stepped, id_, "event.status") == ["Scheduled", "Avoided"]


def test_a_reboot_does_not_answer_a_planned_stop(stepped: RunningSimulator, ecs: Client) -> None:
    """Only stop and start answers SystemMaintenance.Stop."""
    (id_,) = drill(ecs, type_="SystemMaintenance.Stop")
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(60)
    assert state_of(ecs, id_) == "Scheduled"


def test_a_reboot_inside_the_guest_avoids_nothing(stepped: RunningSimulator, ecs: Client) -> None:
    """The platform does not see it: the event runs at its time."""
    (id_,) = drill(ecs)
    stepped.chaos("guest_reboot", ID)
    stepped.advance(7100)
    assert (state_of(ecs, id_), steps(stepped, ID)) == ("Scheduled", [])
    assert steps(stepped, ID, "guest.up") == [False, True]
    stepped.advance(110)
    assert state_of(ecs, id_) == "Executed"


def test_another_event_being_executed_does_not_avoid_it(stepped: RunningSimulator, ecs: Client) -> None:
    """A restart by the platform is no answer of the owner."""
    (id_,) = drill(ecs)
    stepped.chaos("system_failure", ID)
    stepped.advance(60)
    assert state_of(ecs, id_) == "Scheduled"


def test_trigger_real_ops_does_what_the_event_says(stepped: RunningSimulator, ecs: Client) -> None:
    """With TriggerRealOps the instance is really stopped; the event ends when it is."""
    (id_,) = drill(ecs, type_="SystemMaintenance.Stop", trigger_real_ops=True)
    stepped.advance(7220)
    assert (status(ecs, ID), state_of(ecs, id_)) == ("Stopped", "Executed")
    assert steps(stepped, ID) == ["Stopping", "Stopped"]


@pytest.mark.parametrize("how", ["for real", "on paper"])
def test_a_failure_drill_restarts_only_when_told_to(stepped: RunningSimulator, ecs: Client, how: str) -> None:
    """With TriggerRealOps the instance goes down at once; the event ends at NotBefore either way."""
    (id_,) = drill(ecs, type_="SystemFailure.Reboot", trigger_real_ops=how == "for real")
    stepped.advance(60)
    assert steps(stepped, ID) == (["Stopping", "Starting", "Running"] if how == "for real" else [])
    assert state_of(ecs, id_) == "Executing"
    stepped.advance(7140)
    assert state_of(ecs, id_) == "Executed"


def test_drills_are_seen_in_the_queue_as_real_events_are(stepped: RunningSimulator) -> None:
    """Each status is one message of CloudMonitor's rule, with the event's id, level, type and resource."""
    stepped.world(world_with({"id": ID, "name": "web-01"}, queues=[{"name": "events"}], event_rules=[ALL_TO_QUEUE]))
    ecs = ecs_client(stepped)
    (id_,) = drill(ecs)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(60)
    found = [one for one in bodies(stepped) if one["name"] != "Instance:StateChange"]
    assert [one["name"] for one in found] == [f"Instance:{REBOOT}:Scheduled", f"Instance:{REBOOT}:Avoided"]
    assert {one["content"]["eventId"] for one in found} == {id_}
    last = found[-1]
    assert (last["product"], last["level"], last["eventType"], last["status"]) == (
        "ECS",
        "CRITICAL",
        "Maintenance",
        "Avoided",
    )
    assert (last["regionId"], last["instanceName"]) == (REGION, "web-01")
    assert last["resourceId"].endswith(f":instance/{ID}")
    times = {"executeStartTime": at(seconds=5), "executeFinishTime": at(seconds=5)}
    assert {key: last["content"][key] for key in times} == times


# Limits of drills, and what is refused


def test_a_hundred_instances_at_once_and_not_one_more(stepped: RunningSimulator) -> None:
    """100 ids give 100 events in one call, 101 are refused and give none."""
    stepped.world(world_with({"count": 101, "prefix": "i-bp1f"}))
    ecs = ecs_client(stepped)
    ids = [f"i-bp1f-{number:06d}" for number in range(1, 102)]
    assert refused(drill, ecs, *ids) == (403, "InstanceIdLimitExceeded")
    assert stepped.journal(kind="event") == []
    assert len(set(drill(ecs, *ids[:100]))) == 100


def test_the_thousand_and_first_scheduled_drill_is_refused_until_one_is_canceled(stepped: RunningSimulator) -> None:
    """1000 may wait; failure drills do not wait and are not counted."""
    stepped.world(world_with({"count": 100, "prefix": "i-bp1f"}))
    ecs = ecs_client(stepped)
    ids = [f"i-bp1f-{number:06d}" for number in range(1, 101)]
    made = [event for _ in range(10) for event in drill(ecs, *ids)]
    assert refused(drill, ecs, ids[0]) == (403, "SimulatedEventLimitExceeded")
    assert drill(ecs, ids[0], type_="SystemFailure.Reboot")
    cancel(ecs, made[0])
    assert drill(ecs, ids[0])
    assert refused(drill, ecs, ids[0]) == (403, "SimulatedEventLimitExceeded")


def cancel(ecs: Client, *ids: str) -> None:
    """Cancel simulated events."""
    ecs.cancel_simulated_system_events(models.CancelSimulatedSystemEventsRequest(region_id=REGION, event_id=list(ids)))


def test_bad_drills_are_refused_by_their_own_codes(ecs: Client) -> None:
    """The past, unknown instances and types, missing parameters: each with documented status and code."""
    assert refused(drill, ecs, not_before=at(seconds=-1)) == (403, "InvalidNotBefore.Passed")
    assert refused(drill, ecs, ID, "i-bp1nobody") == (404, "InvalidInstanceId.NotFound")
    assert refused(drill, ecs, type_="InstanceExpiration.Stop") == (403, "InvalidParameter")
    assert refused(drill, ecs, not_before="tomorrow") == (403, "InvalidParameter")
    bare = models.CreateSimulatedSystemEventsRequest(region_id=REGION, event_type=REBOOT, instance_id=[ID])
    assert refused(ecs.create_simulated_system_events, bare) == (404, "MissingParameter")
    assert history(ecs, instance_event_cycle_status=["Scheduled"]) == []


@pytest.mark.parametrize(("type_", "first"), [(REBOOT, "Scheduled"), ("SystemFailure.Reboot", "Executing")])
def test_open_drills_can_be_canceled(stepped: RunningSimulator, ecs: Client, type_: str, first: str) -> None:
    """Scheduled or Executing becomes Canceled, told once; its time comes and nothing happens."""
    (id_,) = drill(ecs, type_=type_)
    cancel(ecs, id_)
    stepped.advance(10_000)
    assert steps(stepped, id_, "event.status") == [first, "Canceled"]
    assert notified(stepped) == [f"Instance:{type_}:{first}", f"Instance:{type_}:Canceled"]


def test_a_cancel_takes_all_or_none(stepped: RunningSimulator, ecs: Client) -> None:
    """One real, finished or unknown event among them leaves every event as it was."""
    mine, over = drill(ecs, ID, "i-bp1two")
    cancel(ecs, over)
    stepped.chaos("maintenance_event", ID)
    (real,) = [one.event_id for one in history(ecs, event_cycle_status="Scheduled") if one.event_id != mine]
    assert refused(cancel, ecs, mine, real) == (403, "CannotCancelSystemEvent.NotSimulated")
    assert refused(cancel, ecs, mine, over) == (403, "InvalidEventId.NotFound")
    assert refused(cancel, ecs, mine, "e-bp1nobody") == (403, "InvalidEventId.NotFound")
    assert refused(cancel, ecs, *[f"e-{number}" for number in range(101)]) == (400, "EventIdLimitExceeded")
    assert (state_of(ecs, mine), state_of(ecs, real)) == ("Scheduled", "Scheduled")


def test_a_simulated_event_cannot_be_answered_by_redeployment(ecs: Client) -> None:
    """403 InvalidOperation.RedeployInstance, and the instance stays where it is."""
    drill(ecs, type_="SystemMaintenance.Redeploy")
    request = models.RedeployInstanceRequest(instance_id=ID)
    assert refused(ecs.redeploy_instance, request) == (403, "InvalidOperation.RedeployInstance")
    assert status(ecs, ID) == "Running"


# Real events


@pytest.mark.parametrize("type_", [REBOOT, "SystemMaintenance.Redeploy", "SystemFailure.Redeploy"])
def test_redeployment_avoids_real_events(stepped: RunningSimulator, ecs: Client, type_: str) -> None:
    """Scheduled maintenance and a planned redeployment are answered by RedeployInstance."""
    stepped.chaos("maintenance_event", ID, type=type_, status="Scheduled", not_before=at(hours=2))
    assert ecs.redeploy_instance(models.RedeployInstanceRequest(instance_id=ID)).body.task_id
    stepped.advance(10_000)
    assert notified(stepped) == [f"Instance:{type_}:Scheduled", f"Instance:{type_}:Avoided"]


def test_real_maintenance_restarts_the_instance_at_its_time(stepped: RunningSimulator, ecs: Client) -> None:
    """Executing at NotBefore, Executed when the instance runs again."""
    stepped.chaos("maintenance_event", ID, in_seconds=600)
    stepped.advance(600)
    assert (status(ecs, ID), notified(stepped)[-1]) == ("Stopping", f"Instance:{REBOOT}:Executing")
    stepped.advance(12)
    assert notified(stepped)[-1] == f"Instance:{REBOOT}:Executing"
    stepped.advance(1)
    assert (status(ecs, ID), notified(stepped)[-1]) == ("Running", f"Instance:{REBOOT}:Executed")
    assert steps(stepped, ID) == ["Stopping", "Starting", "Running"]


def test_maintenance_of_a_machine_that_does_not_come_back_fails(stepped: RunningSimulator, ecs: Client) -> None:
    """When the start fails, the event ends as Failed after ten minutes."""
    stepped.chaos("fail_start", ID)
    stepped.chaos("maintenance_event", ID, in_seconds=60)
    stepped.advance(659)
    assert (status(ecs, ID), notified(stepped)[-1]) == ("Stopped", f"Instance:{REBOOT}:Executing")
    stepped.advance(1)
    assert notified(stepped)[-1] == f"Instance:{REBOOT}:Failed"


@pytest.mark.parametrize(
    ("action", "type_", "end"),
    [
        ("AutoRecover", "SystemFailure.Reboot", "Running"),
        ("Stop", "SystemFailure.Stop", "Stopped"),
        ("AutoRedeploy", "SystemFailure.Redeploy", "Running"),
    ],
)
def test_a_host_failure_does_what_the_owner_wished(
    stepped: RunningSimulator, ecs: Client, action: str, type_: str, end: str
) -> None:
    """ActionOnMaintenance decides which failure it is and how the instance ends up."""
    ecs.modify_instance_maintenance_attributes(
        models.ModifyInstanceMaintenanceAttributesRequest(
            region_id=REGION, instance_id=[ID], action_on_maintenance=action
        )
    )
    stepped.chaos("system_failure", ID)
    stepped.advance(120)
    assert status(ecs, ID) == end
    assert notified(stepped) == [f"Instance:{type_}:Executing", f"Instance:{type_}:Executed"]


def test_a_guest_crash_is_an_instance_failure(stepped: RunningSimulator, ecs: Client) -> None:
    """InstanceFailure.Reboot from crash to running again, without a window."""
    stepped.chaos("instance_failure", ID)
    stepped.advance(60)
    assert notified(stepped) == [f"Instance:InstanceFailure.Reboot:{one}" for one in ("Executing", "Executed")]
    assert status(ecs, ID) == "Running"


def test_an_inquiring_event_waits_for_its_owner(stepped: RunningSimulator, ecs: Client) -> None:
    """No time limit; accepted it executes at once; a second acceptance finds nothing."""
    type_ = "SystemMaintenance.RebootAndReInitErrorDisk"
    stepped.chaos("maintenance_event", ID, type=type_)
    stepped.advance(90 * 86_400)
    (event,) = history(ecs, instance_event_cycle_status=["Inquiring"])
    accept = models.AcceptInquiredSystemEventRequest(region_id=REGION, event_id=event.event_id)
    ecs.accept_inquired_system_event(accept)
    assert refused(ecs.accept_inquired_system_event, accept) == (404, "InvalidEventId.NoInquiringEventFound")
    stepped.advance(60)
    assert notified(stepped) == [f"Instance:{type_}:{one}" for one in ("Inquiring", "Executing", "Executed")]
    assert steps(stepped, ID) == ["Stopping", "Starting", "Running"]


@pytest.mark.parametrize(("deed", "type_"), [("disk_stalled", "Stalled"), ("disk_error", "ErrorDetected")])
def test_a_disk_in_trouble_is_told_and_shown(stepped: RunningSimulator, ecs: Client, deed: str, type_: str) -> None:
    """Disk events name disk, device and instance; the disk is Impaired until it is over."""
    stepped.chaos(deed, ID, seconds=120)
    (disk,) = stepped.control("GET", "world")["alibaba"]["disks"][:1]
    shown = ecs.describe_disks_full_status(
        models.DescribeDisksFullStatusRequest(region_id=REGION, disk_id=[disk["id"]])
    )
    (found,) = shown.body.disk_full_status_set.disk_full_status_type
    (event,) = found.disk_event_set.disk_event_type
    assert (found.health_status.name, event.event_type.name) == ("Impaired", type_)
    stepped.advance(120)
    assert notified(stepped, disk["id"]) == [f"Disk:{type_}:Executing", f"Disk:{type_}:Executed"]
    assert events(stepped, disk["id"])[-1][1] == {
        "eventId": event.event_id,
        "diskId": disk["id"],
        "device": disk["device"],
        "eventType": type_,
        "executeStartTime": NOW,
        "executeFinishTime": at(minutes=2),
        "ecsInstanceId": ID,
        "ecsInstanceName": ID,
    }
    assert history(ecs) == []


def test_a_misspelt_deed_says_what_was_expected(stepped: RunningSimulator, ecs: Client) -> None:
    """Unknown types and states that a type never has are refused by name."""
    with pytest.raises(ControlRefusedError, match="no type of instance event"):
        stepped.chaos("maintenance_event", ID, type="SystemMaintenance.Rebot")
    with pytest.raises(ControlRefusedError, match="is never Scheduled"):
        stepped.chaos("maintenance_event", ID, type="SystemFailure.Reboot", status="Scheduled")
    assert history(ecs, instance_event_cycle_status=["Scheduled", "Executing"]) == []


def test_released_instances_take_their_events_along(stepped: RunningSimulator, ecs: Client) -> None:
    """What was planned is Canceled, and the history still shows it."""
    (id_,) = drill(ecs)
    ecs.delete_instance(models.DeleteInstanceRequest(instance_id=ID, force=True))
    stepped.advance(60)
    assert [(one.event_id, one.event_cycle_status.name) for one in history(ecs)] == [(id_, "Canceled")]


# What the calls show


def test_full_status_shows_state_health_and_scheduled_events_only(stepped: RunningSimulator, ecs: Client) -> None:
    """Codes and names as documented; events in other states are not there."""
    (id_,) = drill(ecs)
    drill(ecs, "i-bp1two", type_="SystemFailure.Reboot")
    one, two = full_status(ecs).instance_full_status_set.instance_full_status_type
    assert (one.status.code, one.status.name) == (1, "Running")
    assert (one.health_status.code, one.health_status.name) == (64, "Warning")
    assert (two.health_status.code, two.health_status.name) == (128, "Impaired")
    (event,) = one.scheduled_system_event_set.scheduled_system_event_type
    assert (event.event_id, event.reason, event.impact_level) == (id_, "A simulated event.", "100")
    assert (event.event_type.code, event.event_type.name) == (1, REBOOT)
    assert (event.event_cycle_status.code, event.event_cycle_status.name) == (24, "Scheduled")
    assert (event.event_publish_time, event.not_before) == (NOW, at(hours=2))
    assert two.scheduled_system_event_set.scheduled_system_event_type == []


def test_a_filter_on_events_leaves_instances_without_them_out(ecs: Client) -> None:
    """By type, list of types (which wins), event id and times; without a filter everybody is shown."""
    one, two = drill(ecs), drill(ecs, "i-bp1two", type_="SystemMaintenance.Stop", not_before=at(hours=5))
    assert scheduled(ecs) == {ID: one, "i-bp1two": two}
    assert scheduled(ecs, event_type=REBOOT) == {ID: one}
    assert scheduled(ecs, event_type=REBOOT, instance_event_type=["SystemMaintenance.Stop"]) == {"i-bp1two": two}
    assert scheduled(ecs, event_id=two) == {"i-bp1two": two}
    late = models.DescribeInstancesFullStatusRequestNotBefore(start=at(hours=3))
    assert scheduled(ecs, not_before=late) == {"i-bp1two": two}
    never = models.DescribeInstancesFullStatusRequestEventPublishTime(start=at(hours=1))
    assert scheduled(ecs, event_publish_time=never) == {}


def test_full_status_filters_by_state_and_health(stepped: RunningSimulator, ecs: Client) -> None:
    """Status and HealthStatus narrow the list; unknown ids are absent; unknown health is refused."""
    ecs.stop_instance(models.StopInstanceRequest(instance_id="i-bp1two"))
    stepped.advance(60)
    drill(ecs)
    assert list(scheduled(ecs, status="Stopped")) == ["i-bp1two"]
    assert list(scheduled(ecs, health_status="Warning")) == [ID]
    assert list(scheduled(ecs, instance_id=["i-bp1two", "i-bp1nobody"])) == ["i-bp1two"]
    assert refused(full_status, ecs, health_status="warning") == (403, "InvalidParameter")


def test_full_status_pages_by_ten_unless_told(stepped: RunningSimulator) -> None:
    """The default page hides the eleventh; all pages together show each instance once."""
    stepped.world(world_with({"count": 137, "prefix": "i-bp1f"}))
    ecs = ecs_client(stepped)
    ids = [f"i-bp1f-{number:06d}" for number in range(1, 138)]
    for first in range(0, 137, 100):
        drill(ecs, *ids[first : first + 100])
    first_page = full_status(ecs, event_type=REBOOT)
    assert (first_page.total_count, first_page.page_size) == (137, 10)
    assert len(first_page.instance_full_status_set.instance_full_status_type) == 10
    shown = [id_ for page in (1, 2) for id_ in scheduled(ecs, event_type=REBOOT, page_number=page, page_size=100)]
    assert shown == ids
    assert refused(full_status, ecs, page_size=101) == (403, "InvalidParameter")


def test_lists_refuse_what_the_service_refuses(ecs: Client) -> None:
    """Too many ids, ranges that end before they start, unknown regions."""
    many = [f"i-{number}" for number in range(101)]
    assert refused(full_status, ecs, instance_id=many) == (403, "InstanceIdLimitExceeded")
    assert refused(full_status, ecs, event_id=many) == (403, "EventIdLimitExceeded")
    assert refused(history, ecs, event_id=many) == (403, "EventIdLimitExceeded")
    assert refused(history, ecs, resource_id=many) == (403, "InstanceIdLimitExceeded")
    backwards = models.DescribeInstancesFullStatusRequestNotBefore(start=at(hours=2), end=at(hours=1))
    assert refused(full_status, ecs, not_before=backwards) == (403, "InvalidParameter.TimeEndBeforeStart")
    elsewhere = models.DescribeInstanceHistoryEventsRequest(region_id="cn-atlantis")
    assert refused(ecs.describe_instance_history_events, elsewhere) == (404, "InvalidRegionId.NotFound")
    nowhere = models.DescribeInstanceHistoryEventsRequest()
    assert refused(ecs.describe_instance_history_events, nowhere) == (404, "MissingParameter")


def test_history_shows_final_events_of_thirty_days_by_default(stepped: RunningSimulator, ecs: Client) -> None:
    """Open ones need their status named, finished ones fade after 30 days, both status parameters work."""
    (over,) = drill(ecs)
    cancel(ecs, over)
    (open_,) = drill(ecs, not_before=at(days=60))
    assert [one.event_id for one in history(ecs)] == [over]
    assert [one.event_id for one in history(ecs, event_cycle_status="Scheduled")] == [open_]
    both = history(ecs, event_cycle_status="Executed", instance_event_cycle_status=["Scheduled", "Canceled"])
    assert {one.event_id for one in both} == {over, open_}
    (shown,) = history(ecs)
    assert (shown.instance_id, shown.resource_type, shown.event_finish_time) == (ID, "instance", NOW)
    stepped.advance(31 * 86_400)
    assert history(ecs) == []
    (shown,) = history(ecs, event_cycle_status="Scheduled")
    assert (shown.event_id, shown.event_finish_time) == (open_, None)


def test_history_is_of_the_resources_named(ecs: Client) -> None:
    """ResourceId wins over InstanceId; other kinds of resource have no events here."""
    one, two = drill(ecs, ID, "i-bp1two")
    cancel(ecs, one, two)
    assert [found.event_id for found in history(ecs, instance_id=ID)] == [one]
    assert [found.event_id for found in history(ecs, instance_id=ID, resource_id=["i-bp1two"])] == [two]
    assert history(ecs, resource_type="ddh") == []


@pytest.mark.parametrize("way", ["numbers", "tokens"])
def test_history_pages_both_ways(stepped: RunningSimulator, way: str) -> None:
    """25 events, each shown once, newest first, by PageNumber or by NextToken; events in between do not shift pages."""
    stepped.world(world_with({"count": 25, "prefix": "i-bp1f"}, {"id": ID}))
    ecs = ecs_client(stepped)
    made = drill(ecs, *[f"i-bp1f-{number:06d}" for number in range(1, 26)])
    asked: dict[str, Any] = {"region_id": REGION, "event_cycle_status": "Scheduled"}
    asked |= {"page_size": 10} if way == "numbers" else {"max_results": 10}
    seen: list[str] = []
    for page in (1, 2, 3):
        asked |= {"page_number": page} if way == "numbers" else {}
        body = ecs.describe_instance_history_events(models.DescribeInstanceHistoryEventsRequest(**asked)).body
        seen += [one.event_id for one in body.instance_system_event_set.instance_system_event_type]
        if way == "tokens":
            asked["next_token"] = body.next_token
            drill(ecs)
    assert (seen, body.next_token) == (made[::-1], "")
    if way == "tokens":
        nonsense = models.DescribeInstanceHistoryEventsRequest(region_id=REGION, next_token="nonsense")
        assert refused(ecs.describe_instance_history_events, nonsense)[1] == "InvalidParameter"


def test_a_stale_read_shows_yesterdays_status(stepped: RunningSimulator, ecs: Client) -> None:
    """With a stale-read fault a canceled event still looks Scheduled, and a new one is not there yet."""
    (id_,) = drill(ecs)
    stepped.advance(60)
    cancel(ecs, id_)
    drill(ecs, "i-bp1two")
    rule = {"match": {"action": "DescribeInstancesFullStatus"}, "fault": {"kind": "stale-read", "age_seconds": 30}}
    stepped.control("PUT", "faults", {"rules": [rule]})
    try:
        assert scheduled(ecs, event_type=REBOOT) == {ID: [id_]}
    finally:
        stepped.control("PUT", "faults", {"rules": []})


# The world


def test_a_world_with_events_under_way_goes_on_after_a_round_trip(stepped: RunningSimulator, ecs: Client) -> None:
    """Read and put back in the middle of everything: nothing changes, nothing is told twice, all ends as planned."""
    answered, executing = drill(ecs, ID, "i-bp1two", not_before=at(seconds=30))
    stepped.chaos("maintenance_event", "i-bp1two", in_seconds=20)
    stepped.advance(24)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(1)
    world = stepped.control("GET", "world")
    stepped.world(world)
    assert stepped.control("GET", "world") == world
    stepped.advance(60)
    assert steps(stepped, answered, "event.status") == ["Scheduled", "Avoided"]
    assert steps(stepped, executing, "event.status") == ["Scheduled", "Executing", "Executed"]
    assert notified(stepped, "i-bp1two")[1:] == [
        f"Instance:{REBOOT}:{one}" for one in ("Scheduled", "Executing", "Executing", "Executed", "Executed")
    ]


def test_events_of_a_world_document_are_there_and_real(stepped: RunningSimulator) -> None:
    """A short form is enough; loading tells nobody; at its time the instance is restarted."""
    event = {"instance": ID, "type": REBOOT, "not_before": at(hours=1)}
    stepped.world(world_with({"id": ID}, system_events=[event]))
    ecs = ecs_client(stepped)
    (shown,) = history(ecs, event_cycle_status="Scheduled")
    assert (shown.event_type.name, shown.not_before, notified(stepped)) == (REBOOT, at(hours=1), [])
    stepped.advance(3700)
    assert steps(stepped, ID) == ["Stopping", "Starting", "Running"]
    assert state_of(ecs, shown.event_id) == "Executed"


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"instance": ID, "type": "SystemMaintenance.Rebot"}, r"system_events\.0\.type"),
        ({"instance": ID, "type": "InstanceFailure.Reboot", "status": "Avoided"}, "is never Avoided"),
    ],
)
def test_a_world_with_an_impossible_event_is_refused(
    stepped: RunningSimulator, event: dict[str, Any], complaint: str
) -> None:
    """Types that do not exist and states off the graph are named."""
    with pytest.raises(ControlRefusedError, match=complaint):
        stepped.world(world_with({"id": ID}, system_events=[event]))
