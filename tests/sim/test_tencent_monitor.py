"""Cloud Monitor: alarm callbacks in both shapes, alarm histories, and metrics that follow what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sim.receiver import Receiver, receiving
from tests.sim.tencent import MOMENT, MONITOR, Inside

WEB, OTHER = "ins-web00001", "ins-web00002"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    with receiving() as one:
        yield one


@asynccontextmanager
async def cloud(receiver: Receiver | None = None, **callback: object) -> AsyncIterator[Inside]:
    """Two servers, and an alarm policy that calls the receiver."""
    url = "http://127.0.0.1:9/" if receiver is None else f"{receiver.url}/alarms"
    world = {"instances": [{"id": WEB, "name": "web-1", "guest": {"processes": ["web", "cache"]}}, {"id": OTHER}]}
    inside = Inside({**world, "callbacks": [{"url": url, "policy": "policy-heal0001", "name": "ping", **callback}]})
    try:
        yield inside
    finally:
        await inside.simulator.close()


async def arrived(receiver: Receiver, count: int) -> list[Any]:
    """Return the bodies that came, once there are so many."""
    return [one.json() for one in await asyncio.to_thread(receiver.wait, count)]


async def test_an_event_alarm_calls_at_its_begin_and_at_its_end(receiver: Receiver) -> None:
    """Both calls have one session; the second says how long it took and when it was over, in UTC+8."""
    async with cloud(receiver, events=["ping_unreachable"]) as inside:
        inside.chaos("hang", WEB).chaos("disk_read_only", WEB).advance(90)
        await inside.pushed(1)
        inside.chaos("unhang", WEB).advance(1)
        begun, ended = await arrived(receiver, 2)
        assert (begun["alarmType"], begun["alarmStatus"], ended["alarmStatus"]) == ("event", "1", "0")
        assert begun["sessionId"] == ended["sessionId"]
        assert begun["firstOccurTime"] == ended["firstOccurTime"] == "2026-03-02 11:00:00"
        assert (begun["recoverTime"], begun["durationTime"]) == ("0", 0)
        assert (ended["recoverTime"], ended["durationTime"]) == ("2026-03-02 11:01:30", 90)
        where = begun["alarmObjInfo"]
        assert (where["region"], where["dimensions"]["unInstanceId"]) == ("gz", WEB)
        assert where["dimensions"]["objDetail"]["deviceLanIp"]
        said = begun["alarmPolicyInfo"]
        assert (said["policyName"], said["conditions"]["eventName"]) == ("ping", "ping_unreachable")


async def test_a_metric_alarm_has_the_other_shape(receiver: Receiver) -> None:
    """Published by hand, it tells metric, threshold and value, and ends under the same session."""
    async with cloud(receiver) as inside:
        alarm = {"metric": "cpu_usage", "subject": WEB, "threshold": 90, "value": 97}
        assert inside.simulator.publish(alarm) == {"metric": "cpu_usage", "policies": 1}
        inside.advance(300)
        await inside.pushed(1)
        inside.simulator.publish({**alarm, "status": "0"})
        inside.advance(1)
        begun, ended = await arrived(receiver, 2)
        conditions = begun["alarmPolicyInfo"]["conditions"]
        assert (begun["alarmType"], conditions["metricName"]) == ("metric", "cpu_usage")
        assert (conditions["calcType"], conditions["calcValue"], conditions["currentValue"]) == (">", "90", "97")
        assert begun["alarmObjInfo"]["dimensions"]["deviceName"] == "web-1"
        assert (begun["sessionId"], ended["durationTime"]) == (ended["sessionId"], 300)


async def test_a_callback_is_tried_four_times_in_all(receiver: Receiver) -> None:
    """Three retries, the same document each time; after that the call is given up."""
    receiver.answers += [500, 500, 500, 500]
    async with cloud(receiver) as inside:
        inside.chaos("hang", WEB).advance(0)
        for count in (1, 2, 3, 4):
            await inside.pushed(count)
            inside.advance(5)
        assert len({str(one) for one in await arrived(receiver, 4)}) == 1
        inside.advance(60)
        assert len(await arrived(receiver, 4)) == 4


async def test_histories_show_alarms_and_recoveries() -> None:
    """An outage is one alarm in the history: ALARM while it lasts, OK afterwards."""
    async with cloud() as inside:
        inside.chaos("hang", WEB).chaos("oom_kill", WEB).advance(60)
        asked = {"Module": "monitor", "AlarmObject": WEB, "PageSize": 100}
        shown = (await inside.done("DescribeAlarmHistories", MONITOR, **asked))["Histories"]
        assert {(one["MetricName"], one["AlarmStatus"]) for one in shown} == {
            ("ping_unreachable", "ALARM"),
            ("guest_oom", "ALARM"),
        }
        inside.chaos("unhang", WEB)
        over = await inside.done("DescribeAlarmHistories", MONITOR, **asked, AlarmStatus=["OK"])
        (one,) = over["Histories"]
        assert (one["MetricName"], one["LastOccurTime"] - one["FirstOccurTime"]) == ("ping_unreachable", 60)
        assert (one["FirstOccurTime"], one["PolicyName"], one["AlarmType"]) == (MOMENT, "ping", "EVENT")
        none = await inside.done("DescribeAlarmHistories", MONITOR, **asked, StartTime=MOMENT + 1000)
        assert none["TotalCount"] == 0
        assert await inside.refused("DescribeAlarmHistories", MONITOR, Module="other") == "InvalidParameterValue"


async def test_events_that_policies_can_watch_are_listed() -> None:
    """Their names are those of callbacks, misspellings included."""
    async with cloud() as inside:
        done = await inside.done("DescribeAlarmEvents", MONITOR, Module="monitor", Namespace="cvm_device")
        names = {one["EventName"] for one in done["Events"]}
        assert {"ping_unreachable", "guest_reboot", "disk_readonly", "nfct_table_full"} <= names
        assert "cvm_packet_droped_by_qos_wan_out_bandwidth" in names


async def points(inside: Inside, metric: str, minutes: int = 20, **more: object) -> dict[int, float]:
    """Return the points of the last minutes by their age in whole minutes."""
    now = datetime.fromtimestamp(inside.simulator.kernel.clock.now() / 1000, UTC)
    done = await inside.done(
        "GetMonitorData",
        MONITOR,
        Namespace="QCE/CVM",
        MetricName=metric,
        Instances=[{"Dimensions": [{"Name": "InstanceId", "Value": WEB}]}],
        StartTime=(now - timedelta(minutes=minutes)).isoformat(),
        EndTime=now.isoformat(),
        **{"Period": 60, **more},
    )
    (line,) = done["DataPoints"]
    return dict(zip(line["Timestamps"], line["Values"], strict=True))


async def test_metrics_follow_what_is_wrong_and_keep_the_past() -> None:
    """Traffic, memory and connections show their trouble while it lasts, and the points before stay as they were."""
    async with cloud() as inside:
        inside.advance(600)
        before = await points(inside, "WanOuttraffic", 30)
        inside.chaos("bandwidth_cap", WEB).chaos("oom_kill", WEB, process="web", leaking="cache").advance(600)
        during = await points(inside, "WanOuttraffic", 30)
        assert {stamp: during[stamp] for stamp in before if stamp in during} == {
            s: before[s] for s in before if s in during
        }
        assert max(before.values()) < 3
        assert [value for stamp, value in during.items() if stamp >= MOMENT + 600] == [5.0] * 9
        assert max((await points(inside, "memusage", 8)).values()) > 90
        inside.chaos("guest_reboot", WEB).advance(900)
        assert max((await points(inside, "WanOuttraffic", 8)).values()) < 3


async def test_a_hung_server_has_only_what_its_host_measures() -> None:
    """BaseCpuUsage goes on and is high, what the agent measures stops; a stopped server has no points at all."""
    async with cloud() as inside:
        inside.chaos("hang", WEB).advance(900)
        assert min((await points(inside, "BaseCpuUsage", 10)).values()) > 99
        assert await points(inside, "CPUUsage", 10) == {}
        inside.chaos("power_off", WEB).advance(900)
        assert await points(inside, "BaseCpuUsage", 10) == {}


async def test_points_are_aligned_and_their_statistics_agree() -> None:
    """Timestamps are multiples of the period, the newest comes a minute late, and the statistics are in order."""
    async with cloud() as inside:
        inside.advance(7200)
        now = inside.simulator.kernel.clock.now() // 1000
        stamps = list(await points(inside, "CPUUsage", 60, Period=300))
        assert all(stamp % 300 == 0 for stamp in stamps)
        assert max(stamps) == now - now % 300 - 300 - (300 if now % 300 < 60 else 0)
        ask = {"Namespace": "QCE/CVM", "MetricName": "CPUUsage", "SpecifyStatistics": 7, "Period": 300}
        one = [{"Dimensions": [{"Name": "InstanceId", "Value": WEB}]}]
        (line,) = (await inside.done("GetMonitorData", MONITOR, **ask, Instances=one))["DataPoints"]
        for least, mean, greatest in zip(line["MinValues"], line["AvgValues"], line["MaxValues"], strict=True):
            assert least <= mean <= greatest


async def test_what_cannot_be_asked_is_refused() -> None:
    """Unknown metrics, periods, namespaces, times out of order and too many points have a code; a stranger has none."""
    async with cloud() as inside:
        one = [{"Dimensions": [{"Name": "InstanceId", "Value": "ins-nothere0"}]}]
        ask: dict[str, Any] = {"Namespace": "QCE/CVM", "MetricName": "CPUUsage", "Instances": one}
        (line,) = (await inside.done("GetMonitorData", MONITOR, **ask))["DataPoints"]
        assert (line["Timestamps"], line["Values"]) == ([], [])
        for change in (
            {"MetricName": "Happiness"},
            {"Namespace": "QCE/CDB"},
            {"Period": 61},
            {"StartTime": "2026-03-02T12:00:00+08:00", "EndTime": "2026-03-02T11:00:00+08:00"},
            {"StartTime": "yesterday"},
            {"Period": 10, "StartTime": "2026-02-01T00:00:00+08:00"},
        ):
            assert await inside.refused("GetMonitorData", MONITOR, **{**ask, **change}) == "InvalidParameterValue"


async def test_alarms_and_loads_are_in_the_world_document() -> None:
    """Another simulator that gets the world has the same history, the same metrics, and ends the same alarm."""
    async with cloud() as inside, cloud() as other:
        inside.chaos("hang", WEB).chaos("bandwidth_cap", WEB).advance(600)
        document = inside.simulator.world.dump()
        other.simulator.world.load(document)
        assert other.simulator.world.dump() == document
        assert await points(other, "WanOuttraffic", 15) == await points(inside, "WanOuttraffic", 15)
        other.chaos("unhang", WEB)
        history = (await other.done("DescribeAlarmHistories", MONITOR, Module="monitor"))["Histories"]
        assert {one["MetricName"]: one["AlarmStatus"] for one in history}["ping_unreachable"] == "OK"


async def test_in_a_mass_outage_every_alarm_ends() -> None:
    """However many alarms last at once, each recovery is told under the session of its begin."""
    fleet = {"instances": [{"count": 1500, "prefix": "ins-mass"}], "callbacks": [{"url": "http://192.0.2.1/"}]}
    inside = Inside(fleet)
    ids = [one.id for one in inside.simulator.tencent.cvm.fleet]
    inside.chaos("hang", *ids)
    begun = {one.instance: one.session for one in inside.simulator.tencent.alarms.history}
    inside.advance(60).chaos("unhang", *ids)
    changes = [one.changes for one in inside.simulator.kernel.journal.entries() if one.changes]
    ended = [one for (one, *_) in changes if one.what == "alarm.status" and one.after == "0"]
    assert len(begun) == len(ended) == 1500
    over = inside.simulator.tencent.alarms.history
    assert len(over) == 1000
    assert all(begun[one.instance] == one.session and one.status == "0" for one in over)
    await inside.simulator.close()
