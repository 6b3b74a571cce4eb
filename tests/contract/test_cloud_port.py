"""The cloud port's contract, kept alike by the fake of `cloudheal.testing` and by the adapter on the simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from cloudheal.clouds.alibaba.actions import AlibabaCompute
from cloudheal.clouds.alibaba.backups import AlibabaBackups
from cloudheal.clouds.alibaba.balancers import AlibabaBalancers
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.guests import AlibabaGuests
from cloudheal.clouds.alibaba.orders import AlibabaOrders
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.cloud import Command, Member, Place, Verbs
from cloudheal.testing import FakeCloud
from tests.sim.simulator import RunningSimulator, started

ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
WEB, PEER, OFF = "i-bp1web01", "i-bp1web02", "i-bp1off01"
GROUP = Place("lb-bp1shop", "rsp-web")
MEMBERS = (Member(WEB, 8080, 30), Member(WEB, 9090, 100), Member(PEER, 8080, 55))
WORLD: dict[str, Any] = {
    "regions": [REGION],
    "alibaba": {
        "instances": [
            {"id": WEB, "region": REGION, "status": "Running", "name": "web-01", "tags": {"env": "prod"}},
            {"id": PEER, "region": REGION, "status": "Running", "name": "web-02"},
            {"id": OFF, "region": REGION, "status": "Stopped", "name": "off-01"},
        ],
        "load_balancers": [{"id": GROUP.balancer, "region": REGION}],
        "server_groups": [
            {
                "id": GROUP.group,
                "load_balancer": GROUP.balancer,
                "backends": [{"server_id": one.server, "port": one.port, "weight": one.weight} for one in MEMBERS],
            }
        ],
        "durations": {
            "starting": 0.5,
            "rebooting_stopping": 0.3,
            "rebooting_starting": 0.3,
            "creating_snapshot": 0.5,
        },
    },
}


@dataclass
class Account:
    """One account of either kind, with the same servers in it."""

    verbs: Verbs
    passes: Callable[[], object]
    """Lets a moment go by in the cloud."""
    throttles: Callable[[str], object]
    """Throttles the next call of a verb."""
    fails: Callable[[str], str]
    """Lets the host of a server fail; returns the id of the system event."""
    commands: Callable[[], list[tuple[str, str, str]]]
    """Tells the commands that were run: text, user, directory."""

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
        found = self.verbs.compute.servers(REGION, [server]).get(server)
        return found.state if found else ""

    def members(self) -> set[tuple[str, int, int]]:
        """Read the group."""
        return {(one.server, one.port, one.weight) for one in self.verbs.balancers.members(REGION, GROUP)}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.fixture(params=["fake", "adapter"])
def account(request: pytest.FixtureRequest) -> Account:
    """An account of each kind."""
    if request.param == "fake":
        return fake()
    simulator: RunningSimulator = request.getfixturevalue("running")
    simulator.control("POST", "reset")
    simulator.world(WORLD)
    client = Client("testid", "testsecret", simulator.url)
    actions = {"start": "StartInstance", "servers": "DescribeInstances"}

    def throttles(verb: str) -> None:
        rule = {"match": {"action": actions[verb]}, "when": {"times": 1}, "fault": {"kind": "throttle"}}
        simulator.control("PUT", "faults", [rule])

    verbs = Verbs(
        compute=AlibabaCompute(client, ACCOUNT),
        balancers=AlibabaBalancers(client),
        orders=AlibabaOrders(client),
        backups=AlibabaBackups(client),
        guests=AlibabaGuests(client),
        system_events=AlibabaSystemEvents(client, ACCOUNT, lambda: datetime.now(UTC), time.sleep),
    )

    def fails(server: str) -> str:
        simulator.chaos("system_failure", server)
        (event,) = simulator.control("GET", "world")["alibaba"]["system_events"]
        return str(event["id"])

    def commands() -> list[tuple[str, str, str]]:
        world = simulator.control("GET", "world")["alibaba"]
        texts = {one["id"]: one["content"] for one in world["commands"]}
        return [(texts[one["command"]], one["username"], one["working_dir"]) for one in world["invocations"]]

    return Account(verbs, lambda: time.sleep(0.05), throttles, fails, commands)


def fake() -> Account:
    """Return the fake with the same servers."""
    cloud = FakeCloud(account=ACCOUNT, region=REGION)
    cloud.server(WEB, name="web-01", tags={"env": "prod"})
    cloud.server(PEER, name="web-02")
    cloud.server(OFF, name="off-01", state="Stopped")
    cloud.group(GROUP.balancer, GROUP.group, *MEMBERS)

    def fails(server: str) -> str:
        cloud.fails(cloud.id_of(server))
        return cloud.announced(cloud.id_of(server))[0]

    def commands() -> list[tuple[str, str, str]]:
        return [(one.text, one.user, one.directory) for one in cloud.guests.commands]

    return Account(cloud.verbs, lambda: cloud.clock.advance(timedelta(seconds=1)), cloud.throttles, fails, commands)


def test_servers_are_read_and_absent_ones_are_left_out(account: Account) -> None:
    """State, name, tags, private address and the full id are told; what does not exist is no key."""
    found = account.verbs.compute.servers(REGION, [WEB, OFF, "i-none"])
    assert set(found) == {WEB, OFF}
    web = found[WEB]
    assert (web.state, web.name, web.tags, web.locks) == ("Running", "web-01", {"env": "prod"}, ())
    assert str(web.id) == f"alibaba/{ACCOUNT}/{REGION}/instance/{WEB}"
    assert ip_address(web.address).is_private
    assert web.address != found[OFF].address
    assert found[OFF].state == "Stopped"


def test_a_stopped_server_starts(account: Account) -> None:
    """The call returns a request id at once; the server runs a while later, with the time of its start."""
    assert account.verbs.compute.start(REGION, OFF, 5)
    assert account.verbs.compute.servers(REGION, [OFF])[OFF].state != "Stopped"
    assert account.until_running(OFF)
    assert account.verbs.compute.servers(REGION, [OFF])[OFF].started


@pytest.mark.parametrize(
    ("server", "code"), [(WEB, "IncorrectInstanceStatus"), ("i-none", "InvalidInstanceId.NotFound")]
)
def test_a_start_that_cannot_be_is_refused_for_good(account: Account, server: str, code: str) -> None:
    """The vendor's code and a request id come with the refusal."""
    with pytest.raises(CloudPermanentError) as told:
        account.verbs.compute.start(REGION, server, 5)
    assert told.value.vendor_code == code
    assert told.value.request_id


@pytest.mark.parametrize("verb", ["start", "servers"])
def test_a_throttled_call_did_nothing_and_may_be_repeated(account: Account, verb: str) -> None:
    """The error is a passing one and says that nothing was done; the next call goes through."""

    def call() -> object:
        if verb == "start":
            return account.verbs.compute.start(REGION, OFF, 5)
        return account.verbs.compute.servers(REGION, [OFF])

    account.throttles(verb)
    with pytest.raises(CloudTransientError) as told:
        call()
    assert told.value.vendor_code.startswith("Throttling")
    assert told.value.refused
    assert account.verbs.compute.servers(REGION, [OFF])[OFF].state == "Stopped"
    assert call()


def test_memberships_are_found_on_every_port(account: Account) -> None:
    """A group is told whole, with everybody in it."""
    (group,) = account.verbs.balancers.memberships(REGION, WEB, thorough=True)
    assert group.place == GROUP
    assert {(one.port, one.weight) for one in group.of(WEB)} == {(8080, 30), (9090, 100)}
    assert len(group.members) == 3
    assert account.verbs.balancers.memberships(REGION, OFF, thorough=True) == ()


def test_groups_that_are_named_are_read_as_far_as_they_hold_the_server(account: Account) -> None:
    """What does not exist any more, or holds others only, is left out."""
    named = account.verbs.balancers.named
    (group,) = named(REGION, WEB, [GROUP, Place(GROUP.balancer, "rsp-none")])
    assert (group.place, len(group.members)) == (GROUP, 3)
    assert named(REGION, OFF, [GROUP]) == ()


def test_members_are_drained_removed_and_added(account: Account) -> None:
    """Each call changes what it names and nothing else."""
    balancers = account.verbs.balancers
    balancers.set_weights(REGION, GROUP, [replace(MEMBERS[0], weight=0)], 5)
    assert account.members() == {(WEB, 8080, 0), (WEB, 9090, 100), (PEER, 8080, 55)}
    balancers.remove(REGION, GROUP, list(MEMBERS[:2]), 5)
    assert account.members() == {(PEER, 8080, 55)}
    balancers.add(REGION, GROUP, [MEMBERS[1]], 5)
    assert account.members() == {(WEB, 9090, 100), (PEER, 8080, 55)}


def test_members_that_are_not_there_are_passed_over_in_silence(account: Account) -> None:
    """A wrong port looks like success; only reading back tells."""
    assert account.verbs.balancers.remove(REGION, GROUP, [Member(WEB, 7777, 0)], 5)
    assert account.members() == {(one.server, one.port, one.weight) for one in MEMBERS}


def test_a_change_of_nobody_or_of_too_many_is_a_mistake(account: Account) -> None:
    """The limit of the call is the caller's business."""
    for members in ([], [Member(WEB, port, 1) for port in range(1, 22)]):
        with pytest.raises(ValueError, match="takes 1 to 20 members"):
            account.verbs.balancers.remove(REGION, GROUP, members, 5)


def test_a_group_that_does_not_exist_is_refused_for_good(account: Account) -> None:
    """The code is the vendor's."""
    with pytest.raises(CloudPermanentError) as told:
        account.verbs.balancers.members(REGION, Place(GROUP.balancer, "rsp-none"))
    assert told.value.vendor_code == "InvalidParameter"


def test_an_order_is_made_once_for_one_token(account: Account) -> None:
    """Sent again it brings the same server; another token brings another one; both come to run."""
    orders = account.verbs.orders
    wanted = orders.like(REGION, WEB)
    assert wanted is not None
    first = orders.order(REGION, wanted, "token-1", 5)
    assert orders.order(REGION, wanted, "token-1", 5).server == first.server
    second = orders.order(REGION, wanted, "token-2", 5)
    assert second.server != first.server
    assert account.until_running(first.server)
    assert account.verbs.compute.servers(REGION, [first.server])[first.server].tags == {"env": "prod"}


def test_a_token_serves_one_order_only(account: Account) -> None:
    """Another order under a token that was used is refused."""
    orders = account.verbs.orders
    wanted = orders.like(REGION, WEB)
    assert wanted is not None
    orders.order(REGION, wanted, "token-1", 5)
    with pytest.raises(CloudPermanentError) as told:
        orders.order(REGION, replace(wanted, name="another"), "token-1", 5)
    assert told.value.vendor_code == "IdempotentParameterMismatch"


def test_nothing_is_like_a_server_that_does_not_exist(account: Account) -> None:
    """There is no order to make."""
    assert account.verbs.orders.like(REGION, "i-none") is None


@pytest.mark.parametrize("force", [False, True])
def test_a_running_server_reboots(account: Account, *, force: bool) -> None:
    """The call returns a request id at once; the server goes down and runs again, with a time of its start."""
    assert account.verbs.compute.reboot(REGION, WEB, 5, force=force)
    assert account.state(WEB) in {"Stopping", "Starting"}
    assert account.until_running(WEB)
    assert account.verbs.compute.servers(REGION, [WEB])[WEB].started


@pytest.mark.parametrize(
    ("server", "code"), [(OFF, "IncorrectInstanceStatus"), ("i-none", "InvalidInstanceId.NotFound")]
)
def test_a_reboot_that_cannot_be_is_refused_for_good(account: Account, server: str, code: str) -> None:
    """A stopped server is not rebooted; the vendor's code and a request id come with the refusal."""
    with pytest.raises(CloudPermanentError) as told:
        account.verbs.compute.reboot(REGION, server, 5)
    assert told.value.vendor_code == code
    assert told.value.request_id


def test_a_disk_is_copied_once_for_one_token(account: Account) -> None:
    """The copy is in the making at first, done later; sent again it is the same one."""
    backups = account.verbs.backups
    (disk,) = backups.disks(REGION, WEB)
    made = backups.snapshot(REGION, disk, "before-reboot", "token-1", 5)
    assert made.request_id
    (begun,) = backups.snapshots(REGION, WEB)
    assert (begun.id, begun.disk, begun.is_done, begun.has_failed) == (made.id, disk, False, False)
    assert backups.snapshot(REGION, disk, "before-reboot", "token-1", 5).id == made.id
    assert account.until(lambda: backups.snapshots(REGION, WEB)[0].is_done)
    assert backups.snapshots(REGION, PEER) == ()


def test_a_disk_has_one_copy_in_the_making(account: Account) -> None:
    """A second one is refused until the first is done; the newest is told first."""
    backups = account.verbs.backups
    (disk,) = backups.disks(REGION, WEB)
    first = backups.snapshot(REGION, disk, "before-reboot", "token-1", 5)
    with pytest.raises(CloudPermanentError) as told:
        backups.snapshot(REGION, disk, "before-reboot", "token-2", 5)
    assert told.value.vendor_code == "IncorrectDiskStatus.CreatingSnapshot"
    assert account.until(lambda: backups.snapshots(REGION, WEB)[0].is_done)
    second = backups.snapshot(REGION, disk, "before-reboot", "token-2", 5)
    assert {one.id for one in backups.snapshots(REGION, WEB)} == {first.id, second.id}


def test_a_server_that_does_not_exist_has_no_disks(account: Account) -> None:
    """Nothing is there to be copied; a disk that does not exist is refused."""
    assert account.verbs.backups.disks(REGION, "i-none") == ()
    with pytest.raises(CloudPermanentError) as told:
        account.verbs.backups.snapshot(REGION, "d-none", "before-reboot", "token-1", 5)
    assert told.value.vendor_code == "InvalidDiskId.NotFound"


def test_a_command_runs_once_for_one_token(account: Account) -> None:
    """It is over after a while, with its exit code; sent again it is the same run."""
    guests = account.verbs.guests
    run = guests.run_command(REGION, WEB, Command("true"), "token-1", 5)
    assert run.request_id
    assert guests.run_command(REGION, WEB, Command("true"), "token-1", 5).id == run.id

    def over() -> bool:
        result = guests.command_result(REGION, WEB, run.id)
        return result is not None and result.is_over

    assert account.until(over)
    result = guests.command_result(REGION, WEB, run.id)
    assert result is not None
    assert (result.exit_code, result.went_well) == (0, True)
    assert guests.command_result(REGION, WEB, "t-none") is None


def test_a_command_needs_a_server_that_runs(account: Account) -> None:
    """It is refused with the vendor's code."""
    with pytest.raises(CloudPermanentError) as told:
        account.verbs.guests.run_command(REGION, OFF, Command("true"), "token-1", 5)
    assert told.value.vendor_code == "InvalidInstance.NotMatch"


def test_agents_are_told_by_server_and_absent_ones_are_left_out(account: Account) -> None:
    """Whether a command can be run is asked of many servers at once; one that is off has no agent that answers."""
    assert account.until(lambda: account.verbs.guests.agents(REGION, [WEB])[WEB].is_online)
    found = account.verbs.guests.agents(REGION, [WEB, OFF, "i-none"])
    assert {id_: agent.is_online for id_, agent in found.items()} == {WEB: True, OFF: False}
    assert found[WEB].version


def test_a_command_is_run_byte_for_byte_as_a_user_in_a_place(account: Account) -> None:
    """Quotes, backslashes and other scripts arrive as they are; user and directory are part of what a token means."""
    guests = account.verbs.guests
    text = "echo 'a \"b\" \\\\ $HOME `x` 重启' # 服务\n"
    command = Command(text, timeout=30, user="root", directory="/tmp")
    run = guests.run_command(REGION, WEB, command, "token-1", 5)
    assert guests.run_command(REGION, WEB, command, "token-1", 5).id == run.id
    assert account.commands() == [(text, "root", "/tmp")]
    with pytest.raises(CloudPermanentError) as told:
        guests.run_command(REGION, WEB, replace(command, user="www"), "token-1", 5)
    assert told.value.vendor_code == "IdempotentParameterMismatch"


def test_the_console_shows_what_the_system_printed(account: Account) -> None:
    """The text is told as it was printed."""
    assert "login:" in account.verbs.guests.console(REGION, WEB)


def test_system_events_are_read_by_id_and_absent_ones_are_left_out(account: Account) -> None:
    """A failure is going on; the id tells its type, its status and its server, and that it is no drill."""
    id_ = account.fails(WEB)
    found = account.verbs.system_events.system_events(REGION, [id_, "e-none"])
    assert set(found) == {id_}
    event = found[id_]
    assert (event.id, event.status, event.is_over) == (id_, "Executing", False)
    assert event.type == "Instance:SystemFailure.Reboot"
    assert str(event.resource) == f"alibaba/{ACCOUNT}/{REGION}/instance/{WEB}"
    assert not event.simulated


def test_the_health_of_servers_is_told_and_absent_ones_are_left_out(account: Account) -> None:
    """The vendor's word for it; what does not exist is no key."""
    found = account.verbs.system_events.health(REGION, [PEER, "i-none"])
    assert dict(found) == {PEER: "Ok"}
