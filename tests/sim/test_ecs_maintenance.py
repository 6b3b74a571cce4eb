"""Maintenance attributes and reports of trouble."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client

from tests.sim.ecs import REGION, ecs_client, steps, world_with
from tests.sim.simulator import RunningSimulator
from tests.sim.tea import refused

ID = "i-bp1one"


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock, in a world of two instances."""
    stepped.world(world_with({"id": ID}, {"id": "i-bp1two"}))
    return ecs_client(stepped)


def modify(ecs: Client, *ids: str, window: tuple[str, str] | None = None, **changes: Any) -> None:
    """Change maintenance attributes."""
    shape = models.ModifyInstanceMaintenanceAttributesRequestMaintenanceWindow
    windows = [] if window is None else [shape(start_time=window[0], end_time=window[1])]
    request = models.ModifyInstanceMaintenanceAttributesRequest(
        region_id=REGION, instance_id=list(ids or (ID,)), maintenance_window=windows, **changes
    )
    ecs.modify_instance_maintenance_attributes(request)


def attributes(ecs: Client, *ids: str, **asked: Any) -> Any:
    """Return the body of DescribeInstanceMaintenanceAttributes."""
    request = models.DescribeInstanceMaintenanceAttributesRequest(region_id=REGION, instance_id=list(ids), **asked)
    return ecs.describe_instance_maintenance_attributes(request).body


def shown(ecs: Client, id_: str = ID) -> tuple[str, list[tuple[str, str]], bool]:
    """Return action, windows and notification of one instance."""
    (found,) = attributes(ecs, id_).maintenance_attributes.maintenance_attribute
    windows = [(one.start_time, one.end_time) for one in found.maintenance_windows.maintenance_window]
    return found.action_on_maintenance.value, windows, found.notify_on_maintenance


def test_an_instance_begins_with_the_defaults(ecs: Client) -> None:
    """AutoRecover, no window, no notification; the supported values are listed."""
    assert shown(ecs) == ("AutoRecover", [], False)
    (found,) = attributes(ecs, ID).maintenance_attributes.maintenance_attribute
    assert found.action_on_maintenance.default_value == "AutoRecover"
    assert set(found.action_on_maintenance.supported_values.supported_value) == {"Stop", "AutoRecover", "AutoRedeploy"}


def test_what_is_not_given_stays(stepped: RunningSimulator, ecs: Client) -> None:
    """Each attribute is changed by itself and journaled."""
    modify(ecs, window=("02:00:00", "06:00:00"))
    modify(ecs, action_on_maintenance="Stop")
    modify(ecs, notify_on_maintenance=True)
    assert shown(ecs) == ("Stop", [("02:00:00", "06:00:00")], True)
    assert shown(ecs, "i-bp1two") == ("AutoRecover", [], False)
    assert [change["action_on_maintenance"] for change in steps(stepped, ID, "instance.maintenance")] == [
        "AutoRecover",
        "Stop",
        "Stop",
    ]


def test_a_window_may_pass_midnight(ecs: Client) -> None:
    """An end before the start is on the next day; 23 hours are the longest."""
    modify(ecs, window=("22:00:00", "21:00:00"))
    assert shown(ecs)[1] == [("22:00:00", "21:00:00")]


@pytest.mark.parametrize("window", [("02:30:00", "06:00:00"), ("02:00:00", "02:00:00"), ("24:00:00", "03:00:00")])
def test_other_windows_are_refused(ecs: Client, window: tuple[str, str]) -> None:
    """Whole hours, 1 to 23 of them; a refused change changes nothing."""
    assert refused(modify, ecs, window=window, action_on_maintenance="Stop") == (403, "InvalidParameter")
    assert shown(ecs) == ("AutoRecover", [], False)


def test_several_instances_change_together_or_not_at_all(ecs: Client) -> None:
    """An unknown id refuses all; more than 100 and none at all are refused."""
    assert refused(modify, ecs, ID, "i-bp1nobody", notify_on_maintenance=True) == (404, "InvalidInstanceId.NotFound")
    assert shown(ecs)[2] is False
    assert refused(modify, ecs, *[f"i-{n}" for n in range(101)]) == (403, "InstanceIdLimitExceeded")
    empty = models.ModifyInstanceMaintenanceAttributesRequest(region_id=REGION, notify_on_maintenance=True)
    assert refused(ecs.modify_instance_maintenance_attributes, empty) == (400, "MissingParameter")
    assert refused(modify, ecs, action_on_maintenance="Sleep") == (403, "InvalidParameter")
    modify(ecs, ID, "i-bp1two", notify_on_maintenance=True)
    assert (shown(ecs)[2], shown(ecs, "i-bp1two")[2]) == (True, True)


def test_attributes_are_listed_by_pages(stepped: RunningSimulator) -> None:
    """All instances of the region, ten to a page unless told."""
    stepped.world(world_with({"count": 12, "prefix": "i-bp1f"}))
    body = attributes(ecs_client(stepped), page_number=2)
    assert (body.total_count, len(body.maintenance_attributes.maintenance_attribute)) == (12, 2)


def test_announced_maintenance_falls_into_the_window(stepped: RunningSimulator, ecs: Client) -> None:
    """Without an hour given the platform takes the owner's window, at least the usual notice ahead."""
    modify(ecs, window=("02:00:00", "06:00:00"))
    stepped.chaos("maintenance_event", ID)
    (event,) = stepped.control("GET", "world")["alibaba"]["system_events"]
    assert event["not_before"] == "2026-03-04T18:00:00.000Z"


def test_attributes_survive_a_round_trip_of_the_world(stepped: RunningSimulator, ecs: Client) -> None:
    """What was set is in the document and comes back from it."""
    modify(ecs, window=("02:00:00", "06:00:00"), action_on_maintenance="AutoRedeploy")
    world = stepped.control("GET", "world")
    stepped.world(world)
    assert shown(ecs) == ("AutoRedeploy", [("02:00:00", "06:00:00")], False)
    assert stepped.control("GET", "world") == world


def test_a_report_is_noted(stepped: RunningSimulator, ecs: Client) -> None:
    """ReportInstancesStatus stands in the journal under each instance; disks must be named where they are meant."""
    report = models.ReportInstancesStatusRequest(
        region_id=REGION, instance_id=[ID], reason="instance-hang", description="no answer"
    )
    ecs.report_instances_status(report)
    assert steps(stepped, ID, "instance.reported") == [{"reason": "instance-hang", "description": "no answer"}]
    report.reason = "abnormal-local-disk"
    assert refused(ecs.report_instances_status, report) == (403, "InvalidParameter")
