"""Whatever happens to servers, in whatever order: events pair, commands end, and a world put back is the same world."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.tencent import TAT, Inside

IDS = ("ins-web00001", "ins-web00002")
WORLD = {
    "instances": [{"id": id_, "guest": {"processes": ["sshd", "web", "cache"]}} for id_ in IDS],
    "callbacks": [{"url": "http://192.0.2.1/"}],
}
#: Types that end; the events of one of them on one instance are to be begin, end, begin, end, ...
PAIRED = (
    *("PingUnreachable", "DiskReadonly", "NfctTableFull"),
    *("CvmPacketDropedByQosConnectionSession", "CvmPacketDropedByQosWanOutBandwidth"),
)
DEEDS = (
    *("power_off", "hang", "unhang", "agent_offline", "agent_online", "guest_reboot", "out_of_memory", "oom_kill"),
    *("disk_read_only", "conntrack_full", "connection_limit", "bandwidth_cap", "kernel_fault"),
)
SCRIPTS = (
    *("sleep 5; echo done", "systemctl restart web", "nohup web &", "pkill backup; mount -o remount,rw /"),
    *("sysctl -w net.netfilter.nf_conntrack_max=524288", "reboot", "sleep 300", "exit 3", "poweroff"),
)
FINAL = frozenset({"SUCCESS", "FAILED", "TIMEOUT", "TASK_TIMEOUT", "DELIVER_FAILED", "CANCELLED", "TERMINATED"})
#: Which state of a task may follow which.
GRAPH = {
    "PENDING": {"PENDING", "DELIVER_DELAYED", "RUNNING", *FINAL},
    "DELIVER_DELAYED": {"DELIVER_DELAYED", "RUNNING", *FINAL},
    "RUNNING": {"RUNNING", *FINAL},
    **{one: {one} for one in FINAL},
}

step = st.one_of(
    st.tuples(st.just("chaos"), st.sampled_from(DEEDS), st.sampled_from(IDS)),
    st.tuples(st.just("call"), st.sampled_from(["Start", "Stop", "Reboot"]), st.sampled_from(IDS)),
    st.tuples(st.just("run"), st.sampled_from(SCRIPTS), st.sampled_from(IDS)),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 10, 60, 400]), st.just("")),
)


async def take(inside: Inside, what: str, which: Any, id_: str) -> None:
    """Do one thing; what the cloud refuses, and chaos that finds nothing to break, is no step."""
    match what:
        case "chaos":
            machine = inside.simulator.tencent.cvm.fleet.find(id_)
            assert machine is not None
            if which != "oom_kill" or inside.simulator.tencent.cvm.guests.of(machine).alive():
                inside.chaos(which, id_)
        case "call":
            await inside.call(f"{which}Instances", InstanceIds=[id_])
        case "run":
            content = base64.b64encode(which.encode()).decode()
            await inside.call("RunCommand", TAT, InstanceIds=[id_], Content=content, Timeout=120)
        case "wait":
            inside.advance(which)


async def tasks(inside: Inside) -> dict[str, str]:
    """Return the states of all tasks."""
    inside.advance(1)
    shown = await inside.done("DescribeInvocationTasks", TAT, Limit=100)
    return {one["InvocationTaskId"]: one["TaskStatus"] for one in shown["InvocationTaskSet"]}


async def story(steps: Sequence[tuple[str, Any, str]]) -> Inside:
    """Tell a history and look at every task after every step."""
    inside, before = Inside(WORLD), dict[str, str]()
    try:
        for what, which, id_ in steps:
            await take(inside, what, which, id_)
            after = await tasks(inside)
            assert all(after[task] in GRAPH[status] for task, status in before.items()), (before, after)
            before = after
        return inside
    finally:
        await inside.simulator.close()


def told(inside: Inside) -> dict[tuple[str, str], list[str]]:
    """Return the statuses of events by instance and type, in the order in which they happened."""
    found = defaultdict(list)
    for event in inside.simulator.tencent.eb.bridge.events:
        found[event.subject, event.type.rpartition(":")[2]].append(event.status)
    return found


@settings(max_examples=25)
@given(st.lists(step, min_size=5, max_size=25))
async def test_histories_of_the_inside_keep_their_laws(steps: list[tuple[str, Any, str]]) -> None:
    """Begins and ends of one trouble alternate, commands end within their limit, and no alarm is open twice."""
    inside = await story(steps)
    for (_, name), statuses in told(inside).items():
        if name in PAIRED:
            assert statuses == (["1", "0"] * len(statuses))[: len(statuses)], name
        else:
            assert set(statuses) == {"-"}, name
    open_ = [(one.name, one.instance) for one in inside.simulator.tencent.alarms.history if one.status == "1"]
    pairs = [one for one in open_ if one[0] in {"ping_unreachable", "disk_readonly", "nfct_table_full"}]
    assert len(pairs) == len(set(pairs))
    inside.advance(400)
    assert set((await tasks(inside)).values()) <= FINAL


@settings(max_examples=10)
@given(st.lists(step, min_size=5, max_size=20))
async def test_a_world_of_any_history_is_put_back_whole(steps: list[tuple[str, Any, str]]) -> None:
    """The document is the same after a round trip, and both simulators tell the same story from there."""
    inside = await story(steps)
    document = inside.simulator.world.dump()
    other = Inside()
    other.simulator.world.load(document)
    assert other.simulator.world.dump() == document
    for one in (inside, other):
        one.advance(500)
    assert other.simulator.world.dump() == inside.simulator.world.dump()


@settings(max_examples=4)
@given(st.lists(step, min_size=5, max_size=20))
async def test_the_same_seed_tells_the_same_story(steps: list[tuple[str, Any, str]]) -> None:
    """Two simulators with one seed and the same steps have the same journal."""

    def lines(inside: Inside) -> list[tuple[object, ...]]:
        entries = inside.simulator.kernel.journal.entries()
        return [(one.at, one.kind, one.action, one.resources, one.code, one.changes) for one in entries]

    assert lines(await story(steps)) == lines(await story(steps))
