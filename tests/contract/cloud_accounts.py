"""Accounts with the same servers in them: the fake's, and each cloud's adapter on the simulator over TCP."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudheal.clouds.alibaba.actions import AlibabaCompute
from cloudheal.clouds.alibaba.backups import AlibabaBackups
from cloudheal.clouds.alibaba.balancers import AlibabaBalancers
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.guests import AlibabaGuests
from cloudheal.clouds.alibaba.orders import AlibabaOrders
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents
from cloudheal.clouds.keys import Keys
from cloudheal.clouds.tencent.account import TencentAccount
from cloudheal.ports.cloud import Member, Place, Verbs
from cloudheal.settings.accounts import AccountSettings
from cloudheal.testing import FakeCloud
from tests.sim.simulator import RunningSimulator


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ground:
    """Where an account's servers are, and how its cloud names things."""

    cloud: str = "alibaba"
    account: str = "1000000000000001"
    region: str = "cn-hangzhou"
    web: str = "i-bp1web01"
    peer: str = "i-bp1web02"
    off: str = "i-bp1off01"
    nobody: str = "i-none"
    balancer: str = "lb-bp1shop"
    listener: str = "rsp-web"
    no_listener: str = "rsp-none"
    no_run: str = "t-none"
    throttled: str = "Throttling"
    running: str = "IncorrectInstanceStatus"
    """The code by which a server that runs is not started."""
    stopped: str = "IncorrectInstanceStatus"
    """The code by which a server that does not run is not rebooted."""
    no_command: str = "InvalidInstance.NotMatch"
    """The code by which a server that does not run is given no command."""
    missing_group: str = "InvalidParameter"
    rebooting: frozenset[str] = frozenset({"Stopping", "Starting"})
    event: tuple[str, str] = ("Instance:SystemFailure.Reboot", "Executing")
    """Type and status of the event that `happens`."""

    @property
    def group(self) -> Place:
        """The group that its servers are in."""
        return Place(self.balancer, self.listener)

    @property
    def no_group(self) -> Place:
        """A group that does not exist, of the same balancer."""
        return Place(self.balancer, self.no_listener)

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody in the group."""
        return Member(self.web, 8080, 30), Member(self.web, 9090, 100), Member(self.peer, 8080, 55)


ALIBABA = Ground()
TENCENT = Ground(
    cloud="tencent",
    account="100000000001",
    region="ap-guangzhou",
    web="ins-web00001",
    peer="ins-web00002",
    off="ins-off00001",
    nobody="ins-none0001",
    balancer="lb-shop0001",
    listener="lbl-web00001",
    no_listener="lbl-none0001",
    no_run="inv-none0001",
    throttled="RequestLimitExceeded",
    running="UnsupportedOperation.InstanceStateRunning",
    stopped="UnsupportedOperation.InstanceStateStopped",
    no_command="ResourceUnavailable.InstanceStateNotRunning",
    missing_group="InvalidParameter.ListenerIdNotFound",
    rebooting=frozenset({"Starting"}),
    event=("cvm:ErrorEvent:InstanceRunningRisks", "Scheduled"),
)


@dataclass
class Account:
    """One account of any kind."""

    at: Ground
    verbs: Verbs
    passes: Callable[[], object]
    """Lets a moment go by in the cloud."""
    throttles: Callable[[str], object]
    """Throttles the next call of a verb."""
    happens: Callable[[str], str]
    """Lets the cloud have a system event about a server; returns its id."""
    commands: Callable[[], list[tuple[str, str, str]]]
    """Tells the commands that were run: text, user, directory."""
    loses: Callable[[], object] = field(default=lambda: None)
    """Lets the answer to the next command be lost, after it has begun."""

    def until_running(self, server: str) -> bool:
        """Let time go by until a server runs; False when it does not come to that."""
        return self.until(lambda: self.state(server) == "Running")

    def until(self, holds: Callable[[], bool]) -> bool:
        """Let time go by until something holds; False when it does not come to that."""
        for _ in range(200):
            if holds():
                return True
            self.passes()
        return False

    def state(self, server: str) -> str:
        """Read a server's state."""
        found = self.verbs.compute.servers(self.at.region, [server]).get(server)
        return found.state if found else ""

    def members(self) -> set[tuple[str, int, int]]:
        """Read the group."""
        found = self.verbs.balancers.members(self.at.region, self.at.group)
        return {(one.server, one.port, one.weight) for one in found}


def planning() -> Account:
    """Return a fake in which what happens is a repair that waits for its owner."""
    cloud = FakeCloud(account=ALIBABA.account, region=ALIBABA.region)
    cloud.server(ALIBABA.web)

    def happens(server: str) -> str:
        cloud.maintenance.plans_repair(cloud.id_of(server))
        return cloud.maintenance.announced(cloud.id_of(server))[0]

    return replace(fake(), verbs=cloud.verbs, happens=happens)


def fake() -> Account:
    """Return the fake with the servers."""
    cloud = FakeCloud(account=ALIBABA.account, region=ALIBABA.region)
    cloud.server(ALIBABA.web, name="web-01", tags={"env": "prod"})
    cloud.server(ALIBABA.peer, name="web-02")
    cloud.server(ALIBABA.off, name="off-01", state="Stopped")
    cloud.group(ALIBABA.group.balancer, ALIBABA.group.group, *ALIBABA.members)

    def happens(server: str) -> str:
        cloud.maintenance.fails(cloud.id_of(server))
        return cloud.maintenance.announced(cloud.id_of(server))[0]

    def commands() -> list[tuple[str, str, str]]:
        return [(one.text, one.user, one.directory) for one in cloud.guests.commands]

    def passes() -> object:
        return cloud.clock.advance(timedelta(seconds=1))

    return Account(ALIBABA, cloud.verbs, passes, cloud.throttles, happens, commands)


def _faults(simulator: RunningSimulator, actions: Mapping[str, str]) -> Callable[[str], object]:
    def throttles(verb: str) -> object:
        rule = {"match": {"action": actions[verb]}, "when": {"times": 1}, "fault": {"kind": "throttle"}}
        return simulator.control("PUT", "faults", [rule])

    return throttles


def _loses(simulator: RunningSimulator) -> Callable[[], object]:
    def loses() -> object:
        rule = {"match": {"action": "RunCommand"}, "when": {"times": 1}, "fault": {"kind": "effect-then-5xx"}}
        return simulator.control("PUT", "faults", [rule])

    return loses


def alibaba(simulator: RunningSimulator) -> Account:
    """Return Alibaba Cloud's adapters with the servers."""
    simulator.control("POST", "reset")
    simulator.world(WORLDS["alibaba"])
    client = Client(Keys("testid", "testsecret"), simulator.url)
    verbs = Verbs(
        compute=AlibabaCompute(client, ALIBABA.account),
        balancers=AlibabaBalancers(client),
        orders=AlibabaOrders(client),
        backups=AlibabaBackups(client),
        guests=AlibabaGuests(client),
        system_events=AlibabaSystemEvents(client, ALIBABA.account, _now, time.sleep),
    )

    def happens(server: str) -> str:
        simulator.chaos("system_failure", server)
        (event,) = simulator.control("GET", "world")["alibaba"]["system_events"]
        return str(event["id"])

    def commands() -> list[tuple[str, str, str]]:
        world = simulator.control("GET", "world")["alibaba"]
        texts = {one["id"]: one["content"] for one in world["commands"]}
        return [(texts[one["command"]], one["username"], one["working_dir"]) for one in world["invocations"]]

    throttles = _faults(simulator, {"start": "StartInstance", "servers": "DescribeInstances"})
    return Account(ALIBABA, verbs, lambda: time.sleep(0.05), throttles, happens, commands, _loses(simulator))


def tencent(simulator: RunningSimulator) -> Account:
    """Return Tencent Cloud's adapters with the servers."""
    simulator.control("POST", "reset")
    simulator.world(WORLDS["tencent"])
    settings = {"name": "shop", "cloud": "tencent", "id": TENCENT.account, "regions": [TENCENT.region]}
    told = AccountSettings.model_validate({**settings, "endpoint": simulator.url, "calls_per_second": 1000})

    def happens(server: str) -> str:
        simulator.chaos("repair_task", server)
        (task,) = simulator.control("GET", "world")["tencent"]["repair_tasks"]
        return str(task["id"])

    def commands() -> list[tuple[str, str, str]]:
        sent = [one["parameters"] for one in simulator.journal(action="RunCommand") if one.get("kind") == "request"]
        return [
            (b64decode(one["Content"]).decode(), one.get("Username", ""), one.get("WorkingDirectory", ""))
            for one in sent
        ]

    throttles = _faults(simulator, {"start": "StartInstances", "servers": "DescribeInstances"})
    verbs = TencentAccount(told, Keys("AKIDtest", "testsecret"), _now).verbs()
    return Account(TENCENT, verbs, lambda: time.sleep(0.05), throttles, happens, commands, _loses(simulator))


def _servers(at: Ground, running: str, stopped: str) -> list[dict[str, Any]]:
    return [
        {"id": at.web, "region": at.region, "status": running, "name": "web-01", "tags": {"env": "prod"}},
        {"id": at.peer, "region": at.region, "status": running, "name": "web-02"},
        {"id": at.off, "region": at.region, "status": stopped, "name": "off-01"},
    ]


WORLDS: Mapping[str, dict[str, Any]] = {
    "alibaba": {
        "regions": [ALIBABA.region],
        "alibaba": {
            "instances": _servers(ALIBABA, "Running", "Stopped"),
            "load_balancers": [{"id": ALIBABA.group.balancer, "region": ALIBABA.region}],
            "server_groups": [
                {
                    "id": ALIBABA.group.group,
                    "load_balancer": ALIBABA.group.balancer,
                    "backends": [
                        {"server_id": one.server, "port": one.port, "weight": one.weight} for one in ALIBABA.members
                    ],
                }
            ],
            "durations": {
                "starting": 0.5,
                "rebooting_stopping": 0.3,
                "rebooting_starting": 0.3,
                "creating_snapshot": 0.5,
            },
        },
    },
    "tencent": {
        "tencent": {
            "instances": _servers(TENCENT, "RUNNING", "STOPPED"),
            "durations": {"starting": 0.5, "rebooting": 0.6, "rebooting_hard": 0.6},
            "balancers": [
                {
                    "id": TENCENT.balancer,
                    "listeners": [
                        {
                            "id": TENCENT.listener,
                            "port": 80,
                            "targets": [
                                {"server": one.server, "port": one.port, "weight": one.weight}
                                for one in TENCENT.members
                            ],
                        }
                    ],
                }
            ],
            "clb_task_seconds": 0.3,
        }
    },
}
