"""CVM's repair tasks: announced, listed, authorised, carried out, avoided."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.tencent import Inside

WEB, DB = "ins-web00001", "ins-db000001"
#: The simulator's own time is 2026-03-02T03:00:00Z, which is 11:00 for the service.
TODAY = "2026-03-02"


@pytest.fixture
def inside() -> Inside:
    """A simulator with two instances and one task that waits."""
    return Inside(
        {
            "instances": [{"id": WEB, "name": "web-1", "network": {"public_ips": ["203.0.113.11"]}}, {"id": DB}],
            "repair_tasks": [{"id": "rep-heal0001", "instance": WEB, "detail": "bad fan"}],
        }
    )


async def tasks(inside: Inside, **parameters: object) -> list[dict[str, Any]]:
    """Return the tasks that a listing shows."""
    asked = {"Limit": 100, "Offset": 0, "StartDate": "2026-01-01 00:00:00", **parameters}
    found: list[dict[str, Any]] = (await inside.done("DescribeTaskInfo", **asked))["RepairTaskInfoSet"]
    return found


async def status(inside: Inside) -> int:
    """Return the first task's TaskStatus."""
    return int((await tasks(inside))[0]["TaskStatus"])


async def control(inside: Inside, **parameters: object) -> str:
    """Authorise the first task; returns the code of a refusal, empty for none."""
    asked = {"Product": "CVM", "InstanceIds": [WEB], "TaskId": "rep-heal0001", "Operate": "AuthorizeRepair"}
    return (await inside.call("RepairTaskControl", **{**asked, **parameters})).code


async def test_a_task_is_shown_in_the_services_local_time(inside: Inside) -> None:
    """Created now, planned 48 hours later, waiting, with the addresses of its instance."""
    (one,) = await tasks(inside)
    assert one["CreateTime"] == f"{TODAY} 11:00:00"
    assert one["AuthTime"] == "2026-03-04 11:00:00"
    assert (one["TaskTypeId"], one["TaskTypeName"], one["TaskDetail"]) == (101, "实例运行隐患", "bad fan")
    assert (one["TaskStatus"], one["DeviceStatus"], one["OperateStatus"]) == (1, 1, 1)
    assert (one["AuthType"], one["AuthSource"], one["EndTime"]) == (2, "Waiting_auth", None)
    assert (one["InstanceId"], one["Alias"], one["WanIp"], one["Region"]) == (
        WEB,
        "web-1",
        "203.0.113.11",
        "ap-guangzhou",
    )


async def test_without_a_start_date_only_todays_tasks_are_listed(inside: Inside) -> None:
    """A poller that passes no StartDate loses what was announced yesterday."""
    inside.advance(13 * 3600 - 1).chaos("repair_task", DB)
    assert (await inside.done("DescribeTaskInfo", Limit=10, Offset=0))["TotalCount"] == 2
    inside.advance(2)
    assert (await inside.done("DescribeTaskInfo", Limit=10, Offset=0))["TotalCount"] == 0
    assert len(await tasks(inside)) == 2


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, 2),
        ({"InstanceIds": [DB]}, 1),
        ({"TaskIds": ["rep-heal0001"]}, 1),
        ({"TaskStatus": [1, 4]}, 2),
        ({"TaskStatus": [3]}, 0),
        ({"TaskTypeIds": [103]}, 1),
        ({"Aliases": ["web-1"]}, 1),
        ({"Product": "CVM"}, 2),
        ({"Product": "CDH"}, 0),
        ({"EndDate": f"{TODAY} 11:00:30"}, 1),
        ({"Limit": 1}, 1),
        ({"Offset": 2}, 0),
    ],
)
async def test_listings_can_be_narrowed(inside: Inside, parameters: dict[str, object], found: int) -> None:
    """Every documented parameter narrows."""
    inside.advance(60).chaos("repair_task", DB, type=103)
    assert len(await tasks(inside, **parameters)) == found


async def test_listings_can_be_ordered(inside: Inside) -> None:
    """By the time of creation, authorisation or end, either way."""
    inside.advance(60).chaos("repair_task", DB, in_seconds=600)
    for field, order, first in (
        ("CreateTime", 0, WEB),
        ("CreateTime", 1, DB),
        ("AuthTime", 0, DB),
        ("EndTime", 0, WEB),
    ):
        found = await tasks(inside, OrderField=field, Order=order)
        assert found[0]["InstanceId"] == first, (field, order)


async def test_what_nobody_authorises_the_platform_does_at_the_planned_time(inside: Inside) -> None:
    """Waiting, then processing with the instance rebooting, then ended."""
    inside.advance(48 * 3600 - 1)
    assert await status(inside) == 1
    (one,) = await tasks(inside.advance(1))
    assert (one["TaskStatus"], one["AuthSource"]) == (2, "System_mandatory_auth")
    instance = inside.simulator.tencent.cvm.fleet.find(WEB)
    assert instance is not None
    assert instance.status.value == "REBOOTING"
    (one,) = await tasks(inside.advance(300))
    assert (one["TaskStatus"], one["EndTime"]) == (3, "2026-03-04 11:05:00")
    assert instance.status.value == "RUNNING"
    assert instance.operation.value is None


async def test_an_authorised_task_begins_at_once(inside: Inside) -> None:
    """Without a time: processing now, by the customer."""
    assert await control(inside) == ""
    (one,) = await tasks(inside)
    assert (one["TaskStatus"], one["AuthSource"]) == (2, "Customer_auth")
    assert await control(inside) == "InvalidParameter"


async def test_an_ordered_task_begins_at_its_time(inside: Inside) -> None:
    """Scheduled until then, and AuthTime is what was ordered."""
    assert await control(inside, OrderAuthTime=f"{TODAY} 23:30:00") == ""
    (one,) = await tasks(inside)
    assert (one["TaskStatus"], one["AuthTime"]) == (4, f"{TODAY} 23:30:00")
    assert await status(inside.advance(12.5 * 3600 - 1)) == 4
    assert await status(inside.advance(1)) == 2


@pytest.mark.parametrize(
    "time", [f"{TODAY} 11:04:59", "2026-03-04 11:00:01", "2026-03-01 00:00:00", "soon", "2026-03-02T12:00:00Z"]
)
async def test_a_time_outside_the_window_is_refused(inside: Inside, time: str) -> None:
    """At least five minutes from now, at most 48 hours, and never after the planned time."""
    assert await control(inside, OrderAuthTime=time) == "InvalidParameter"
    assert await status(inside) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TaskId": "rep-nothere1"}, "InvalidParameter"),
        ({"InstanceIds": [DB]}, "InvalidParameter"),
        ({"InstanceIds": [WEB, DB]}, "InvalidParameter"),
        ({"Product": "CDH"}, "InvalidParameterValue"),
        ({"Operate": "CancelRepair"}, "InvalidParameterValue"),
        ({"TaskSubMethod": "Magic"}, "InvalidParameter"),
    ],
)
async def test_a_control_that_fits_no_task_is_refused(inside: Inside, change: dict[str, object], code: str) -> None:
    """Task, instance and product must belong together."""
    assert await control(inside, **change) == code
    assert await status(inside) == 1


@pytest.mark.parametrize(
    ("auth_type", "reboots"), [(1, False), (2, True), (3, False), (4, True), (7, False), (8, True)]
)
async def test_only_what_needs_a_shutdown_reboots(inside: Inside, auth_type: int, *, reboots: bool) -> None:
    """Live migration and live maintenance leave the instance RUNNING."""
    inside.chaos("repair_task", DB, auth_type=auth_type, in_seconds=10).advance(10)
    instance = inside.simulator.tencent.cvm.fleet.find(DB)
    assert instance is not None
    assert (instance.status.value == "REBOOTING") is reboots


async def test_a_move_to_another_host_avoids_the_task_and_an_end_cancels_it(inside: Inside) -> None:
    """Stopped and started: avoided. Terminated: cancelled. Both have ended and never begin."""
    inside.chaos("repair_task", DB)
    await inside.done("StopInstances", InstanceIds=[WEB])
    inside.advance(8)
    await inside.done("StartInstances", InstanceIds=[WEB])
    await inside.done("TerminateInstances", InstanceIds=[DB])
    inside.advance(72 * 3600)
    assert [one["TaskStatus"] for one in await tasks(inside)] == [6, 5]
    assert all(one["EndTime"] for one in await tasks(inside))


async def test_whoever_listens_hears_every_change_of_a_task(inside: Inside) -> None:
    """Announced, processing, ended: with the status before."""
    told: list[tuple[str, int | None, int]] = []
    repairs = inside.simulator.tencent.cvm.repairs
    repairs.moved.append(lambda task, before: told.append((task.instance, before, task.status.value)))
    inside.chaos("repair_task", DB, in_seconds=10).advance(400)
    assert told == [(DB, None, 1), (DB, 1, 2), (DB, 2, 3)]


async def test_bad_times_in_a_listing_are_refused(inside: Inside) -> None:
    """Limit and Offset are required; dates have one form."""
    assert await inside.refused("DescribeTaskInfo", Limit=1) == "MissingParameter"
    bad = {"Limit": 1, "Offset": 0, "StartDate": "yesterday"}
    assert await inside.refused("DescribeTaskInfo", **bad) == "InvalidParameterValue.InvalidTimeFormat"
