"""For every playbook: a world, a rule, a trouble, and the effects that healing it has, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.flow.tencent import account_of
from tests.flow.test_spot import SPOT
from tests.flow.test_spot import WORLD as SPOT_WORLD

#: Playbooks of the tests' own.
PLAYBOOKS = Path(__file__).parent / "playbooks"
QUEUE, REGION, ACCOUNT = "ecs-cms-event", "cn-hangzhou", "1000000000000001"
WEB = "i-bp1web01"
#: What was received and not deleted comes again soon; the default of 30 s is what a round does not wait for.
QUEUES = [{"name": QUEUE, "visibility_timeout": 2}]
#: A rule that nothing holds back but what a scenario is about.
FREE = {"at_once": 100, "share": 1.0, "storm_members": 1000, "storm_share": 1.0, "per_hour": 1000, "cool_down": "1s"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One trouble of one server and what heals it."""

    playbook: str
    world: Mapping[str, Any]
    rule: Mapping[str, Any]
    chaos: str
    server: str
    effects: Mapping[str, int]
    """How often each change of the cloud happens by our calls, by a name that `effects` gives it."""
    faults: Sequence[Mapping[str, Any]] = field(default=())
    commands: int = 1
    """Commands that healing sends; the journal of the cloud gives all of them one name."""
    only_looks: bool = False
    """Healing changes nothing: no effect is one too few."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the trouble."""
    event: Mapping[str, Any] = field(default_factory=dict)
    """What the cloud tells of the trouble beyond what it tells by itself."""
    verdict: str = "healed"
    somebody_approves: bool = False
    """What is asked is answered with yes at once."""
    cloud: str = "alibaba"
    """The one in which it happens; Tencent Cloud's troubles are found by looking, Alibaba Cloud's come by a queue."""
    deals_with_it: str = ""
    """What somebody who approves does to the server then."""

    def settings(self, simulator: str, database: str, **more: object) -> dict[str, Any]:
        """Return a settings file's content."""
        account = {
            "name": "prod",
            "cloud": "alibaba",
            "id": ACCOUNT,
            "regions": [REGION],
            "endpoint": simulator,
            "calls_per_second": 1000,
            "queue": {"endpoint": simulator, "name": QUEUE, "wait_seconds": 1},
        }
        if self.cloud == "tencent":
            account = account_of(simulator)
        rest = {"lease_seconds": 1, "settle_seconds": 0.5, "extensions": {"folders": [str(PLAYBOOKS)]}, **more}
        return {"accounts": [account], "database": database, "rules": [dict(self.rule)], **rest}


RESTART = Scenario(
    playbook="restart_stopped",
    world={
        "regions": [REGION],
        "alibaba": {
            "instances": [{"id": WEB, "region": REGION, "status": "Running", "tags": {"env": "prod"}}],
            "queues": QUEUES,
            "event_rules": SPOT_WORLD["alibaba"]["event_rules"],
            "durations": {"starting": 0.5, "stopping": 0.2},
        },
    },
    rule={
        "name": "restart",
        "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"tags": {"env": ["prod"]}},
        "desired": "on",
        "playbook": "restart_stopped",
        "with": {"start_timeout": "20s"},
        "mode": "auto",
        "limits": FREE,
    },
    chaos="power_off",
    server=WEB,
    effects={f"instance.status {WEB} Stopped > Starting": 1},
)
EVACUATE = Scenario(
    playbook="spot_evacuate",
    world={**SPOT_WORLD, "alibaba": {**SPOT_WORLD["alibaba"], "queues": QUEUES}},
    rule={
        "name": "leave",
        "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
        "resources": {"all": True},
        "playbook": "spot_evacuate",
        "with": {"drain": "1s", "replace": True, "healthy_timeout": "20s"},
        "mode": "auto",
    },
    chaos="reclaim",
    server=SPOT,
    effects={},
)
CHECK = Scenario(
    playbook="check_after_failure",
    world=RESTART.world,
    rule={
        "name": "check",
        "when": {"type": ["Instance:SystemFailure.Reboot"]},
        "resources": {"tags": {"env": ["prod"]}},
        "playbook": "check_after_failure",
        "mode": "auto",
        "limits": FREE,
    },
    chaos="system_failure",
    server=WEB,
    effects={},
    only_looks=True,
)
_QUICK = {
    **RESTART.world["alibaba"],
    "durations": {"rebooting_stopping": 0.2, "rebooting_starting": 0.4, "creating_snapshot": 0.4},
    "event_durations": {"avoiding": 0.4, "executing": 0.4},
}
#: Where a worker dies between the intent and the call nobody can know whether the server was rebooted: a person is
#: asked, who says yes, and then it is.
REBOOT = Scenario(
    playbook="reboot_in_window",
    world={**RESTART.world, "alibaba": _QUICK},
    rule={
        "name": "maintenance",
        "when": {"type": ["Instance:SystemMaintenance.Reboot"], "status": ["Scheduled"]},
        "resources": {"tags": {"env": ["prod"]}},
        "playbook": "reboot_at_once",
        "with": {"snapshot": True, "drain": "0s", "reboot_timeout": "4s"},
        "mode": "auto",
        "limits": FREE,
    },
    chaos="maintenance_event",
    options={"in_seconds": 7200},
    server=WEB,
    effects={},
    somebody_approves=True,
)
#: The same with the plan in it: no slot is left in a quarter of an hour, so it is planned to begin at once.
PLANNED = replace(
    REBOOT,
    rule={**REBOOT.rule, "playbook": "reboot_in_window", "with": {**REBOOT.rule["with"], "too_late": "act_now"}},
    options={"in_seconds": 900},
)
ASK = Scenario(
    playbook="ask_about_event",
    world={**RESTART.world, "alibaba": _QUICK},
    rule={
        "name": "ask",
        "when": {"type": ["Instance:SystemMaintenance.Stop"]},
        "resources": {"tags": {"env": ["prod"]}},
        "playbook": "ask_about_event",
        "mode": "auto",
        "limits": FREE,
    },
    chaos="maintenance_event",
    options={"type": "SystemMaintenance.Stop", "in_seconds": 7200},
    server=WEB,
    effects={},
    only_looks=True,
    verdict="not needed",
    somebody_approves=True,
    deals_with_it="release",
)
ASK_DISK = replace(
    ASK,
    playbook="ask_about_disk",
    rule={**ASK.rule, "when": {"type": ["Disk:Stalled"]}, "playbook": "ask_about_disk"},
    chaos="disk_stalled",
    options={"seconds": None},
)
#: What the agent of the cloud's monitoring, not heard of any more, is told by.
SILENT = {
    "product": "CloudMonitor",
    "name": "Agent_Status_Stopped",
    "status": "stopped",
    "instance_id": WEB,
    "resource": f"acs:ecs:{REGION}:{ACCOUNT}:instance/{WEB}",
}
_APP = {"name": "app", "starts_at_boot": False, "command": "/srv/app"}
_INSIDE = {
    **RESTART.world["alibaba"],
    "instances": [
        {"id": WEB, "region": REGION, "status": "Running", "tags": {"env": "prod"}, "guest": {"processes": [_APP]}}
    ],
    "event_rules": [
        *SPOT_WORLD["alibaba"]["event_rules"],
        {
            "name": "monitor",
            "pattern": {"product": "CloudMonitor", "names": ["*"]},
            "targets": [{"mns": {"queue": QUEUE}}],
        },
    ],
    "guest_durations": {"agent_start": 0.3},
}
RESTORE = Scenario(
    playbook="restore_after_ping_loss",
    world={**RESTART.world, "alibaba": _INSIDE},
    rule={
        "name": "restore",
        "when": {"type": ["Agent_Status_Stopped"]},
        "resources": {"tags": {"env": ["prod"]}},
        "desired": "on",
        "playbook": "restore_after_ping_loss",
        "with": {"check": "pgrep -x app", "start": "nohup /srv/app >/dev/null 2>&1 &", "limit": "30s"},
        "mode": "auto",
        "limits": FREE,
    },
    chaos="power_off",
    event=SILENT,
    server=WEB,
    effects={},
)
RERUN = Scenario(
    playbook="rerun_process",
    world=RESTORE.world,
    rule={**RESTORE.rule, "name": "rerun", "playbook": "rerun_process"},
    chaos="process_die",
    options={"process": "app"},
    event=SILENT,
    server=WEB,
    effects={},
)


def _inside(playbook: str, situation: str) -> Scenario:
    """Return a scenario of what befalls the inside of a server, told by an event and mended by a command."""
    type_ = f"cvm:ErrorEvent:{situation}"
    rule = {
        **RESTORE.rule,
        "name": playbook,
        "when": {"type": [type_]},
        "playbook": playbook,
        "with": {key: RESTORE.rule["with"][key] for key in ("check", "start", "limit")},
    }
    event = {**SILENT, "product": "ECS", "name": type_, "status": "1", "content": {"situation": situation}}
    return replace(RERUN, playbook=playbook, rule=rule, event=event, commands=2)


_CVM = "ins-heal0001"
REPAIR = Scenario(
    playbook="repair_task_in_window",
    cloud="tencent",
    world={
        "tencent": {
            "instances": [{"id": _CVM, "tags": {"env": "prod"}}],
            "durations": {"rebooting": 0.4, "rebooting_hard": 0.4, "repairing": 0.6},
            "guest_durations": {"agent_start": 0.3},
        }
    },
    rule={
        "name": "repair",
        "when": {"type": ["cvm:ErrorEvent:InstanceRunningRisks"]},
        "resources": {"tags": {"env": ["prod"]}},
        "playbook": "repair_at_once",
        "with": {"drain": "0s"},
        "mode": "auto",
        "limits": FREE,
    },
    chaos="repair_task",
    server=_CVM,
    effects={},
)
_ALL = (
    *(RESTART, EVACUATE, CHECK, REBOOT, REPAIR, ASK, ASK_DISK, RESTORE, RERUN),
    _inside("connections_over_limit", "CvmPacketDropedByQosConnectionSession"),
    _inside("bandwidth_over_limit", "CvmPacketDropedByQosWanOutBandwidth"),
    _inside("disk_read_only", "DiskReadonly"),
    _inside("kernel_fault", "GuestCoreError"),
    _inside("out_of_memory", "GuestOom"),
    _inside("instance_rebooted", "InstanceRestarted"),
    _inside("machine_rebooted", "GuestReboot"),
)
#: Those that differ from another one by what is asked inside the server only; the long run takes them too.
ALIKE = frozenset(
    {
        *("connections_over_limit", "bandwidth_over_limit", "disk_read_only"),
        *("kernel_fault", "out_of_memory", "instance_rebooted"),
    }
)
SCENARIOS: Mapping[str, Scenario] = {one.playbook: one for one in _ALL}
#: Everything that the matrix goes through, by its name there.
EVERY: Mapping[str, Scenario] = {**SCENARIOS, "planned_reboot": PLANNED}
