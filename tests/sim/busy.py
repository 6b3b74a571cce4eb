"""A busy world: one of everything that is pending, reached by calls, deeds and faults over TCP.

Every call is signed as of one instant with counted nonces, so that the same scenario sends the same bytes each time.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Self

from tests.sim import tencent
from tests.sim.signing import CMS, ECS, SLB, Answer, HandSigned

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

NOW = "2026-03-02T03:00:00Z"
MOMENT = 1_772_420_400.0
SERVERS = [f"i-bp1busy{n}" for n in range(6)]
WEB, DB, SPOT, FALLING, EXPIRING, HUNG = SERVERS
GROUP = "rsp-busy"
UID = "1000000000000001"
BACKENDS = [{"server_id": id_, "port": 80, "weight": 100} for id_ in (WEB, DB, HUNG)]

CVM_WEB, CVM_DB, CVM_FALLING, CVM_HUNG = CVMS = [f"ins-busy{n}" for n in range(4)]
CVM_ORDER = {"Placement": {"Zone": "ap-guangzhou-6"}, "ImageId": "img-heal0001", "InstanceType": "S5.MEDIUM4"}
CVM_BEHIND = [f"{CVM_WEB}:80", f"{CVM_HUNG}:80"]
CVM_TARGET = {"LoadBalancerId": "lb-busy2", "ListenerId": "lbl-busy"}

ORDER = {
    "ImageId": "ubuntu_22_04_x64_20G_alibase_20240530.vhd",
    "InstanceType": "ecs.g7.large",
    "VSwitchId": "vsw-bp1defaulti",
    "SecurityGroupId": "sg-bp1default",
}

WORLD: dict[str, Any] = {
    "now": NOW,
    "seed": 11,
    "quotas": {"ecs:DescribeRegions": 2},
    "alibaba": {
        "instances": [
            {"id": WEB, "group": "web"},
            {"id": DB},
            {"id": SPOT, "spot": True, "reclaim_at": "2026-03-02T03:40:00Z"},
            {"id": FALLING, "status": "Stopped"},
            {"id": EXPIRING, "charge_type": "PrePaid", "expires": "2026-03-02T03:30:00Z"},
            {"id": HUNG, "auto_release": "2026-03-02T03:50:00Z"},
        ],
        "server_groups": [{"id": GROUP, "load_balancer": "lb-busy", "backends": BACKENDS}],
        "listeners": [{"load_balancer": "lb-busy", "port": 80, "server_group": GROUP, "drain_seconds": 300}],
        "slb_configuring_seconds": 2,
        "queues": [
            {"name": "events"},
            {"name": "late", "delay_seconds": 600, "message_retention_period": 1800},
            {"name": "again", "visibility_timeout": 900},
        ],
        "topics": [{"name": "news"}],
        "subscriptions": [
            {"topic": "news", "name": "nowhere", "endpoint": f"acs:mns:cn-hangzhou:{UID}:queues/absent"},
            {
                "topic": "news",
                "name": "slowly",
                "endpoint": f"acs:mns:cn-hangzhou:{UID}:queues/absent",
                "notify_strategy": "EXPONENTIAL_DECAY_RETRY",
            },
        ],
        "event_rules": [
            {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": "events"}}]}
        ],
        "event_delay_seconds": 30,
        "monitor_groups": [{"id": 77, "name": "all", "instances": [WEB]}],
        "metric_rules": [
            {
                "id": "r-busy",
                "name": "cpu",
                "namespace": "acs_ecs_dashboard",
                "metric": "cpu_total",
                "escalations": {
                    "warn": {
                        "statistics": "Average",
                        "operator": "GreaterThanThreshold",
                        "threshold": "80",
                        "times": 1,
                    }
                },
                "targets": [{"id": "1", "arn": f"acs:mns:cn-hangzhou:{UID}:/queues/events/messages"}],
            }
        ],
    },
}


TENCENT: dict[str, Any] = {
    "instances": [{"id": CVM_WEB}, {"id": CVM_DB}, {"id": CVM_FALLING, "status": "STOPPED"}, {"id": CVM_HUNG}],
    "repair_tasks": [{"id": "rep-busy", "instance": CVM_DB, "planned": "2026-03-02T03:40:00Z"}],
    "balancers": [
        {
            "id": "lb-busy2",
            "listeners": [{"id": "lbl-busy", "port": 80, "targets": [f"{CVM_WEB}:80", f"{CVM_HUNG}:80"]}],
        }
    ],
    "clb_task_seconds": 2,
}


class Caller:
    """Signs the calls of a scenario; a call that must succeed and does not is an error of the test."""

    def __init__(self, sim: RunningSimulator, moment: float = MOMENT) -> None:
        self.sim = sim
        self.hand = HandSigned(sim.address, moment=moment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hand.close()

    def done(self, version: str, action: str, **parameters: object) -> Any:
        """Make a call that must succeed."""
        answer = self.hand.rpc(version, action, **parameters)
        assert answer.status == 200, (action, answer)
        return answer.json

    def sent(self, target: str, root: str, text: str, more: str = "") -> Answer:
        """Send a message, which must succeed."""
        body = b64encode(text.encode()).decode()
        answer = self.hand.mns("POST", target, f"<{root}><MessageBody>{body}</MessageBody>{more}</{root}>")
        assert answer.status == 201, answer
        return answer


def make_busy(sim: RunningSimulator) -> None:
    """Bring a stepped simulator into the busy world: nothing of what was begun is finished."""
    sim.world({**WORLD, "tencent": TENCENT})
    with Caller(sim) as caller:
        _disturb_and_drill(caller)
        _begin_on_servers(caller)
        _begin_in_queues(caller)
    _begin_at_tencent(sim)


def _disturb_and_drill(caller: Caller) -> None:
    caller.sim.chaos("crash_loop", FALLING, seconds=400)
    caller.sim.chaos("slow_boot", DB, seconds=700)
    caller.sim.chaos("hang", HUNG)
    caller.sim.chaos("cpu_load", WEB, percent=93)
    caller.sim.chaos("maintenance_event", WEB, in_seconds=1500)
    caller.sim.chaos("disk_stalled", DB, seconds=900)
    caller.done(
        ECS,
        "CreateSimulatedSystemEvents",
        EventType="SystemMaintenance.Reboot",
        NotBefore="2026-03-02T03:20:00Z",
        InstanceId__1=DB,
    )
    late = {"kind": "delayed-event", "delay_seconds": 240}
    caller.sim.control("PUT", "faults", [{"fault": "duplicated-event", "probability": 0.5}, {"fault": late}])
    caller.sim.chaos("metric_alarm", "r-busy", level="WARN", instance=WEB, value=93)
    caller.done(CMS, "PutCustomEvent", **{"EventInfo.1.EventName": "deploy", "EventInfo.1.Content": "begun"})


def make_more(sim: RunningSimulator) -> None:
    """Make one of everything that is given an id, an address or a number."""
    with Caller(sim, MOMENT + 1) as caller:
        caller.done(ECS, "RunInstances", Amount=2, InternetMaxBandwidthOut=5, **ORDER)
        caller.done(ECS, "RunInstances", Amount=2, ClientToken="busy", **ORDER)
        (disk,) = caller.done(ECS, "DescribeDisks", InstanceId=SPOT)["Disks"]["Disk"]
        caller.done(ECS, "CreateSnapshot", DiskId=disk["DiskId"])
        caller.done(ECS, "CreateCommand", Name="more", Type="RunShellScript", CommandContent=_coded("true"))
        balancer = caller.done(SLB, "CreateLoadBalancer", LoadBalancerName="more")["LoadBalancerId"]
        sim.advance(2)
        caller.done(SLB, "CreateVServerGroup", LoadBalancerId=balancer, VServerGroupName="more")
        caller.done(CMS, "CreateMonitorGroup", GroupName="more")
        caller.sent("/queues/late/messages", "Message", "more")
        caller.sim.chaos("maintenance_event", SPOT)
        caller.sim.chaos("metric_alarm", "r-busy", level="INFO", instance=DB)
    with tencent.OverTcp(sim.address, int(MOMENT) + 1) as hand:
        done(hand, tencent.CVM, "RunInstances", InstanceCount=2, **CVM_ORDER)
        done(hand, tencent.TAT, "CreateCommand", CommandName="more", Content=_coded("true"))
        done(hand, tencent.TAT, "RunCommand", Content=_coded("true"), InstanceIds=[CVM_WEB])
        sim.chaos("repair_task", CVM_WEB)


def done(hand: tencent.OverTcp, version: str, action: str, /, **parameters: object) -> Any:
    """Make a call to Tencent Cloud that must succeed."""
    answer = hand.call(action, version, **parameters)
    assert not answer.code, (action, answer.response)
    return answer.response


def _begin_at_tencent(sim: RunningSimulator) -> None:
    sim.chaos("crash_loop", CVM_FALLING, seconds=400)
    sim.chaos("slow_boot", CVM_DB, seconds=700)
    sim.chaos("hang", CVM_HUNG)
    sim.chaos("repair_task", CVM_WEB, in_seconds=1500)
    with tencent.OverTcp(sim.address, int(MOMENT)) as hand:
        done(hand, tencent.CVM, "StartInstances", InstanceIds=[CVM_FALLING])
        done(hand, tencent.CVM, "RebootInstances", InstanceIds=[CVM_DB])
        done(hand, tencent.CVM, "RebootInstances", InstanceIds=[CVM_HUNG], StopType="SOFT_FIRST")
        done(hand, tencent.CVM, "RunInstances", ClientToken="busy", **CVM_ORDER)
        script = _coded("echo a; sleep 500; pkill nginx")
        done(hand, tencent.TAT, "RunCommand", Content=script, InstanceIds=[CVM_WEB], Timeout=3600)
        target = {"InstanceId": CVM_WEB, "Port": 80}
        done(hand, tencent.CLB, "ModifyTargetWeight", Weight=0, Targets=[target], **CVM_TARGET)


def _begin_on_servers(caller: Caller) -> None:
    caller.done(ECS, "StartInstance", InstanceId=FALLING)
    caller.done(ECS, "RebootInstance", InstanceId=DB)
    caller.done(ECS, "RunInstances", Amount=2, ClientToken="busy", **ORDER)
    (disk,) = caller.done(ECS, "DescribeDisks", InstanceId=WEB)["Disks"]["Disk"]
    caller.done(ECS, "CreateSnapshot", DiskId=disk["DiskId"])
    script = {"Type": "RunShellScript", "RegionId": "cn-hangzhou", "InstanceId__1": WEB, "KeepCommand": "true"}
    caller.done(ECS, "RunCommand", CommandContent=_coded("echo a; sleep 500; pkill nginx"), Timeout=3600, **script)
    caller.done(
        ECS, "RunCommand", CommandContent=_coded("echo tick"), RepeatMode="Period", Frequency="rate(5m)", **script
    )
    members = json.dumps([{"ServerId": DB, "Port": 80}])
    caller.done(SLB, "RemoveVServerGroupBackendServers", VServerGroupId=GROUP, BackendServers=members)


def _begin_in_queues(caller: Caller) -> None:
    for number in range(3):
        caller.sent("/queues/late/messages", "Message", f"late {number}")
        caller.sent("/queues/again/messages", "Message", f"again {number}")
    taken = caller.hand.mns("GET", "/queues/again/messages?numOfMessages=2&waitseconds=0")
    assert len(taken.texts("ReceiptHandle")) == 2
    caller.sent("/topics/news/messages", "Message", "news")


def _coded(script: str) -> str:
    return b64encode(script.encode()).decode()
