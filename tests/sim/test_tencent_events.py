"""EventBridge and alarm callbacks: what happens to servers reaches a real receiver over HTTP, at least once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cloudheal_sim.kernel.faults import Rule
from tests.sim.receiver import Receiver, receiving
from tests.sim.tencent import EB, Inside

WEB, OTHER = "ins-web00001", "ins-web00002"
PING = "cvm:ErrorEvent:PingUnreachable"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    with receiving() as one:
        yield one


@asynccontextmanager
async def cloud(
    receiver: Receiver | None = None, *, target: Mapping[str, object] | None = None, **more: Any
) -> AsyncIterator[Inside]:
    """Two servers, and a rule that sends every error event of CVM to the receiver, as it is or as the target says."""
    url = "" if receiver is None else f"{receiver.url}/events"
    pattern = {"source": "cvm.cloud.tencent", "type": [{"prefix": "cvm:ErrorEvent:"}]}
    rule = {"id": "rule-heal0001", "pattern": pattern, "targets": [{"url": url, **(target or {})}]}
    world = {"instances": [{"id": WEB, "tags": {"app": "shop"}, "guest": {"processes": ["web"]}}, {"id": OTHER}]}
    inside = Inside({**world, "event_rules": [rule], **more})
    try:
        yield inside
    finally:
        await inside.simulator.close()


async def arrived(receiver: Receiver, count: int) -> list[Any]:
    """Return the bodies that came, once there are so many."""
    return [one.json() for one in await asyncio.to_thread(receiver.wait, count)]


async def test_an_outage_is_two_events_of_one_shape(receiver: Receiver) -> None:
    """A server that falls and comes back sends status 1 and status 0 as CloudEvents with different ids."""
    async with cloud(receiver) as inside:
        inside.chaos("power_off", WEB).advance(10)
        await inside.pushed(1)
        await inside.done("StartInstances", InstanceIds=[WEB])
        inside.advance(60)
        fault, recovery = await arrived(receiver, 2)
        assert (fault["type"], fault["status"], recovery["status"]) == (PING, "1", "0")
        assert (fault["specversion"], fault["source"], fault["region"]) == ("1.0", "cvm.cloud.tencent", "ap-guangzhou")
        assert fault["subject"] == recovery["subject"] == fault["data"]["instanceId"] == WEB
        assert fault["resource"] == ["qcs::eb:ap-guangzhou:uid100000000001:eb-service0/rule-heal0001"]
        assert fault["tags"] == {"app": "shop"}
        assert isinstance(fault["time"], int)
        assert fault["id"] != recovery["id"]
        assert fault["data"]["dimensions"]["ip"]
        assert receiver.wait(2)[0].headers["content-type"] == "application/json"


async def test_a_hang_is_unreachable_and_a_stop_on_purpose_is_not(receiver: Receiver) -> None:
    """A server that hangs while RUNNING has lost its pings; one that somebody stops has not."""
    async with cloud(receiver) as inside:
        await inside.done("StopInstances", InstanceIds=[OTHER])
        inside.advance(60).chaos("hang", WEB).advance(5)
        await inside.pushed(1)
        inside.chaos("unhang", WEB).advance(5)
        events = await arrived(receiver, 2)
        assert [(one["subject"], one["type"], one["status"]) for one in events] == [(WEB, PING, "1"), (WEB, PING, "0")]


@pytest.mark.parametrize(
    ("deed", "name", "statuses"),
    [
        ("oom_kill", "GuestOom", ["-"]),
        ("guest_reboot", "GuestReboot", ["-"]),
        ("disk_read_only", "DiskReadonly", ["1", "0"]),
        ("conntrack_full", "NfctTableFull", ["1", "0"]),
        ("connection_limit", "CvmPacketDropedByQosConnectionSession", ["1", "0"]),
        ("bandwidth_cap", "CvmPacketDropedByQosWanOutBandwidth", ["1", "0"]),
        ("kernel_fault", "GuestCoreError", ["-"]),
    ],
)
async def test_what_goes_wrong_inside_is_told(deed: str, name: str, statuses: list[str]) -> None:
    """Each trouble has its type, and one that can end tells its end at the latest with the next boot."""
    async with cloud() as inside:
        inside.chaos(deed, WEB).advance(2).chaos("guest_reboot", WEB).advance(60)
        told = [one for one in inside.simulator.tencent.eb.bridge.events if one.type == f"cvm:ErrorEvent:{name}"]
        assert [one.status for one in told][: len(statuses)] == statuses
        assert all(one.rules == ("rule-heal0001",) for one in told)


async def test_repair_tasks_and_power_are_events_as_well() -> None:
    """A task that waits for authorisation is the event to act on; stops and starts are operation events."""
    async with cloud() as inside:
        inside.chaos("repair_task", WEB, type=101).advance(1)
        await inside.done("StopInstances", InstanceIds=[OTHER])
        inside.advance(60)
        await inside.done("StartInstances", InstanceIds=[OTHER])
        inside.advance(60)
        types = [one.type.rpartition(":")[2] for one in inside.simulator.tencent.eb.bridge.events]
        assert types == ["InstanceRunningRisksInquiring", "InstancePowerOff", "InstancePowerOn"]


async def test_batches_come_as_one_list(receiver: Receiver) -> None:
    """With batch delivery on, what happens within the wait arrives as one EventList."""
    async with cloud(receiver, target={"batch_seconds": 10, "batch_count": 100}) as inside:
        inside.chaos("hang", WEB).advance(3).chaos("hang", OTHER).advance(20)
        (body,) = await arrived(receiver, 1)
        assert [(one["subject"], one["status"]) for one in body["EventList"]] == [(WEB, "1"), (OTHER, "1")]


async def test_a_function_is_called_where_the_world_says(receiver: Receiver) -> None:
    """A target of type scf, made by the API, gets the bare event, with the headers that tell a function of its call."""
    functions = [{"name": "heal", "url": f"{receiver.url}/function"}]
    async with cloud(functions=functions) as inside:
        bus = "eb-service0"
        made = await inside.done(
            "CreateRule", EB, EventBusId=bus, RuleName="ping", EventPattern=json.dumps({"type": [PING]}), Enable=True
        )
        described = {"ResourceDescription": "qcs::scf:ap-guangzhou:uin/1:namespace/default/function/heal/$LATEST"}
        await inside.done(
            "CreateTarget", EB, EventBusId=bus, RuleId=made["RuleId"], Type="scf", TargetDescription=described
        )
        inside.chaos("hang", WEB).advance(5)
        (event,) = await arrived(receiver, 1)
        call = receiver.wait(1)[0]
        assert (call.path, event["type"], call.headers["x-scf-function-name"]) == ("/function", PING, "heal")


async def test_a_receiver_that_fails_is_asked_again(receiver: Receiver) -> None:
    """Two more attempts at intervals of a minute, with the same event; then it is given up."""
    receiver.answers += [500, 503]
    async with cloud(receiver) as inside:
        inside.chaos("hang", WEB).advance(1)
        for count in (1, 2, 3):
            await inside.pushed(count)
            inside.advance(60)
        bodies = await arrived(receiver, 3)
        assert len({one["id"] for one in bodies}) == 1
        assert [one.status for one in await inside.pushed(3)] == [500, 503, 200]
        inside.advance(600)
        assert inside.simulator.tencent.eb.bridge.courier.under_way() == []


async def test_only_hosts_that_are_allowed_are_called() -> None:
    """A rule cannot make the simulator call somebody else's server."""
    async with cloud(target={"url": "http://192.0.2.1/x"}) as inside:
        inside.chaos("hang", WEB).advance(1)
        (entry,) = await inside.pushed(1)
        assert (entry.status, entry.code.partition(":")[0]) == (0, "refused")


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("lost-event", []),
        ({"duplicated-event": {"copies": 3}}, ["1", "1", "1", "0", "0", "0"]),
        ("delayed-event", ["1", "0"]),
    ],
)
async def test_faults_lose_double_and_delay_events(receiver: Receiver, fault: object, statuses: list[str]) -> None:
    """What a fault rule does to deliveries happens to Tencent Cloud's events as well, and is in the journal."""
    async with cloud(receiver) as inside:
        rule = Rule.model_validate({"match": {"service": "eb"}, "fault": fault})
        inside.simulator.kernel.faults.replace([rule])
        inside.chaos("hang", WEB).advance(2).chaos("unhang", WEB).advance(10)
        bodies = await arrived(receiver, len(statuses))
        assert sorted(one["status"] for one in bodies) == sorted(statuses)
        lost = [one for one in inside.simulator.kernel.journal.entries() if one.code == "lost-event"]
        assert len(lost) == (2 if fault == "lost-event" else 0)


async def test_reordered_events_arrive_in_another_order(receiver: Receiver) -> None:
    """With reordering on, ten outages do not arrive as they happened, and none is missing."""
    async with cloud(receiver) as inside:
        fault = {"reordered-event": {"delay_seconds": 30}}
        inside.simulator.kernel.faults.replace([Rule.model_validate({"fault": fault})])
        for _ in range(5):
            inside.chaos("hang", WEB).advance(1).chaos("unhang", WEB).advance(1)
        inside.advance(60)
        bodies = await arrived(receiver, 10)
        times = [one["time"] for one in bodies]
        assert len(set(times)) == 10
        assert times != sorted(times)


async def test_deliveries_under_way_go_on_in_another_process(receiver: Receiver) -> None:
    """An event that was not answered yet, and a batch that waits, arrive from the simulator that gets the world."""
    async with cloud(receiver, event_options={"delay": 30}) as inside, cloud() as other:
        inside.chaos("hang", WEB).advance(5)
        document = inside.simulator.world.dump()
        other.simulator.world.load(document)
        assert other.simulator.world.dump() == document
        other.advance(30)
        (event,) = await arrived(receiver, 1)
        assert (event["subject"], event["status"]) == (WEB, "1")
        await other.pushed(1)
        other.chaos("unhang", WEB).advance(31)
        assert [one["status"] for one in await arrived(receiver, 2)] == ["1", "0"]


async def test_events_can_be_published_by_hand_in_any_spelling(receiver: Receiver) -> None:
    """The control API takes a type as it is spelt, and fills in the rest from the instance."""
    async with cloud(receiver) as inside:
        spelt = "cvm:ErrorEvent:ping_unreachable"
        told = inside.simulator.publish({"source": "cvm.cloud.tencent", "type": spelt, "subject": WEB, "status": "0"})
        assert told["rules"] == ["rule-heal0001"]
        inside.advance(1)
        (event,) = await arrived(receiver, 1)
        assert (event["type"], event["status"], event["data"]["instanceId"]) == (spelt, "0", WEB)


async def test_the_world_can_ask_for_the_other_spelling() -> None:
    """Types are written with underscores when the options say so."""
    async with cloud(event_options={"spelling": "snake"}) as inside:
        inside.chaos("hang", WEB).chaos("disk_read_only", WEB)
        types = [one.type for one in inside.simulator.tencent.eb.bridge.events]
        assert types == ["cvm:ErrorEvent:ping_unreachable", "cvm:ErrorEvent:disk_readonly"]


async def test_custom_events_go_to_custom_buses(receiver: Receiver) -> None:
    """PutEvents takes JSON text and delivers an object; the service bus takes none, an unknown one is refused."""
    async with cloud() as inside:
        bus = (await inside.done("CreateEventBus", EB, EventBusName="mine"))["EventBusId"]
        given = {"Source": "probe.mine", "Type": "probe:Down", "Subject": WEB, "Data": '{"port": 80}'}
        assert await inside.done("PutEvents", EB, EventBusId=bus, EventList=[given])
        event = inside.simulator.tencent.eb.bridge.events[-1]
        assert (event.data, event.status, event.bus) == ({"port": 80}, "-", bus)
        listed = await inside.done("SearchLog", EB, EventBusId=bus, StartTime=0, EndTime=event.time)
        assert json.loads(listed["Results"][0]["Message"])["data"] == {"port": 80}
        for on, change, code in (
            ("eb-service0", {}, "InvalidParameterValue.InvalidEventBus"),
            ("eb-nothere0", {}, "ResourceNotFound.EventBus"),
            (bus, {"Data": "[]"}, "InvalidParameterValue.InvalidEvent"),
        ):
            assert await inside.refused("PutEvents", EB, EventBusId=on, EventList=[{**given, **change}]) == code


PATTERNS: list[tuple[object, bool]] = [
    ({"type": [PING]}, True),
    ({"type": PING, "source": "cvm.cloud.tencent"}, True),
    ({"type": ["cvm:ErrorEvent:pingunreachable"]}, False),
    ({"subject": [{"prefix": "ins-web"}, "x"]}, True),
    ({"subject": [{"anything-but": [WEB, "ins-b"]}]}, False),
    ({"subject": {"anything-but": {"prefix": "ins-db"}}}, True),
    ({"data": {"dimensions": {"ip": [{"cidr": "10.0.0.0/8"}]}}}, True),
    ({"data": {"dimensions": {"ip": [{"cidr": "172.16.0.0/12"}]}}}, False),
    ({"type": [{"suffix": "Unreachable"}], "status": ["1"]}, True),
    ({"type": [{"contain": ["Error", "Ping"]}]}, True),
    ({"type": [{"contain": ["Error", "Disk"]}]}, False),
    ({"tags": {"app": ["shop", "blog"]}}, True),
    ({"nothing": ["x"]}, False),
    ({}, True),
]


@pytest.mark.parametrize(("pattern", "wanted"), PATTERNS)
async def test_patterns_match_as_documented(pattern: dict[str, object], wanted: bool) -> None:  # noqa: FBT001
    """Keys are all to match, values are alternatives, a bare value is one; CheckRule and rules agree."""
    async with cloud() as inside:
        inside.chaos("hang", WEB)
        event = inside.simulator.tencent.eb.bridge.events[-1].document()
        asked = {"Event": json.dumps(event), "EventPattern": json.dumps(pattern)}
        answer = await inside.call("CheckRule", EB, **asked)
        assert answer.code == ("" if wanted else "FailedOperation.ErrorFilter")


@pytest.mark.parametrize("pattern", ["{", "[]", '{"type": [{"numeric": [">", 1]}]}', '{"a": [[1]]}'])
async def test_a_pattern_that_cannot_be_is_refused(pattern: str) -> None:
    """Operators of other clouds and broken JSON are named."""
    async with cloud() as inside:
        asked = {"EventBusId": "eb-service0", "RuleName": "x1", "EventPattern": pattern}
        assert await inside.refused("CreateRule", EB, **asked) == "InvalidParameterValue.InvalidPattern"


async def test_rules_and_targets_can_be_kept(receiver: Receiver) -> None:
    """Rules are listed, changed, switched off and deleted; a rule that is off sends nothing."""
    async with cloud(receiver) as inside:
        at = {"EventBusId": "eb-service0", "RuleId": "rule-heal0001"}
        shown = await inside.done("GetRule", EB, **at)
        assert (shown["Status"], json.loads(shown["EventPattern"])["source"]) == ("Active", "cvm.cloud.tencent")
        (target,) = (await inside.done("ListTargets", EB, **at))["Targets"]
        await inside.done("UpdateRule", EB, **at, Enable=False)
        inside.chaos("hang", WEB).advance(5)
        assert inside.simulator.tencent.eb.bridge.events[-1].rules == ()
        await inside.done("DeleteTarget", EB, **at, TargetId=target["TargetId"])
        await inside.done("DeleteRule", EB, **at)
        assert (await inside.done("ListRules", EB, EventBusId="eb-service0"))["TotalCount"] == 0
        assert await inside.refused("GetRule", EB, **at) == "ResourceNotFound.Rule"


async def test_the_platform_names_its_events() -> None:
    """Every type of CVM has a name and a template that is a whole event."""
    async with cloud() as inside:
        names = (await inside.done("ListPlatformEventNames", EB, ProductType="cvm"))["EventNames"]
        types = {one["EventType"] for one in names}
        assert {PING, "cvm:ErrorEvent:GuestReboot", "cvm:ErrorEvent:InstanceRunningRisksInquiring"} <= types
        template = await inside.done("GetPlatformEventTemplate", EB, EventType=PING)
        assert json.loads(template["EventTemplate"])["subject"].startswith("ins-")
