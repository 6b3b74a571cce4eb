"""The cloud port's contract, kept alike by the fake of `cloudheal.testing` and by each adapter on the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.system_event import Consent
from cloudheal.ports.account import NOT_OFFERED
from cloudheal.ports.cloud import Command, Member
from tests.contract.cloud_accounts import Account, alibaba, fake, planning, tencent
from tests.sim.simulator import RunningSimulator, started


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.fixture(params=["fake", "alibaba", "tencent"])
def account(request: pytest.FixtureRequest) -> Account:
    """An account of each kind."""
    return made(request)


@pytest.fixture(params=["fake", "alibaba"])
def whole(request: pytest.FixtureRequest) -> Account:
    """An account of each kind that has every verb."""
    return made(request)


@pytest.fixture(params=["fake", "alibaba", "tencent"])
def balanced(request: pytest.FixtureRequest) -> Account:
    """An account of each kind with balancers."""
    return made(request)


@pytest.fixture(params=["fake", "alibaba", "tencent"])
def inside(request: pytest.FixtureRequest) -> Account:
    """An account of each kind whose servers take commands."""
    return made(request)


def made(request: pytest.FixtureRequest) -> Account:
    """Make the account that is asked for."""
    if request.param == "fake":
        return fake()
    simulator: RunningSimulator = request.getfixturevalue("running")
    return {"alibaba": alibaba, "tencent": tencent}[request.param](simulator)


def test_servers_are_read_and_absent_ones_are_left_out(account: Account) -> None:
    """State, name, tags, private address and the full id are told; what does not exist is no key."""
    found = account.verbs.compute.servers(account.at.region, [account.at.web, account.at.off, account.at.nobody])
    assert set(found) == {account.at.web, account.at.off}
    web = found[account.at.web]
    assert (web.state, web.name, web.tags, web.locks) == ("Running", "web-01", {"env": "prod"}, ())
    assert str(web.id) == f"{account.at.cloud}/{account.at.account}/{account.at.region}/instance/{account.at.web}"
    assert ip_address(web.address).is_private
    assert web.address != found[account.at.off].address
    assert found[account.at.off].state == "Stopped"


def test_a_stopped_server_starts(account: Account) -> None:
    """The call returns a request id at once; the server runs a while later, with the time of its start."""
    assert account.verbs.compute.start(account.at.region, account.at.off, 5)
    assert account.verbs.compute.servers(account.at.region, [account.at.off])[account.at.off].state != "Stopped"
    assert account.until_running(account.at.off)
    assert account.verbs.compute.servers(account.at.region, [account.at.off])[account.at.off].started


def test_a_start_that_cannot_be_is_refused_for_good(account: Account) -> None:
    """The vendor's code and a request id come with the refusal."""
    for server, code in ((account.at.web, account.at.running), (account.at.nobody, "InvalidInstanceId.NotFound")):
        with pytest.raises(CloudPermanentError) as told:
            account.verbs.compute.start(account.at.region, server, 5)
        assert told.value.vendor_code == code
        assert told.value.request_id


@pytest.mark.parametrize("verb", ["start", "servers"])
def test_a_throttled_call_did_nothing_and_may_be_repeated(account: Account, verb: str) -> None:
    """The error is a passing one and says that nothing was done; the next call goes through."""

    def call() -> object:
        if verb == "start":
            return account.verbs.compute.start(account.at.region, account.at.off, 5)
        return account.verbs.compute.servers(account.at.region, [account.at.off])

    account.throttles(verb)
    with pytest.raises(CloudTransientError) as told:
        call()
    assert told.value.vendor_code.startswith(account.at.throttled)
    assert told.value.refused
    assert account.verbs.compute.servers(account.at.region, [account.at.off])[account.at.off].state == "Stopped"
    assert call()


def test_memberships_are_found_on_every_port(balanced: Account) -> None:
    """A group is told whole, with everybody in it."""
    (group,) = balanced.verbs.balancers.memberships(balanced.at.region, balanced.at.web, thorough=True)
    assert group.place == balanced.at.group
    assert {(one.port, one.weight) for one in group.of(balanced.at.web)} == {(8080, 30), (9090, 100)}
    assert len(group.members) == 3
    assert balanced.verbs.balancers.memberships(balanced.at.region, balanced.at.off, thorough=True) == ()


def test_groups_that_are_named_are_read_as_far_as_they_hold_the_server(balanced: Account) -> None:
    """What does not exist any more, or holds others only, is left out."""
    named = balanced.verbs.balancers.named
    (group,) = named(balanced.at.region, balanced.at.web, [balanced.at.group, balanced.at.no_group])
    assert (group.place, len(group.members)) == (balanced.at.group, 3)
    assert named(balanced.at.region, balanced.at.off, [balanced.at.group]) == ()


def test_members_are_drained_removed_and_added(balanced: Account) -> None:
    """Each call changes what it names and nothing else."""
    balancers = balanced.verbs.balancers
    balancers.set_weights(balanced.at.region, balanced.at.group, [replace(balanced.at.members[0], weight=0)], 5)
    assert balanced.members() == {
        (balanced.at.web, 8080, 0),
        (balanced.at.web, 9090, 100),
        (balanced.at.peer, 8080, 55),
    }
    balancers.remove(balanced.at.region, balanced.at.group, list(balanced.at.members[:2]), 5)
    assert balanced.members() == {(balanced.at.peer, 8080, 55)}
    balancers.add(balanced.at.region, balanced.at.group, [balanced.at.members[1]], 5)
    assert balanced.members() == {(balanced.at.web, 9090, 100), (balanced.at.peer, 8080, 55)}


def test_members_that_are_not_there_are_passed_over_in_silence(balanced: Account) -> None:
    """A wrong port looks like success; only reading back tells."""
    assert balanced.verbs.balancers.remove(balanced.at.region, balanced.at.group, [Member(balanced.at.web, 7777, 0)], 5)
    assert balanced.members() == {(one.server, one.port, one.weight) for one in balanced.at.members}


def test_a_change_of_nobody_or_of_too_many_is_a_mistake(balanced: Account) -> None:
    """The limit of the call is the caller's business."""
    for members in ([], [Member(balanced.at.web, port, 1) for port in range(1, 22)]):
        with pytest.raises(ValueError, match="takes 1 to 20 members"):
            balanced.verbs.balancers.remove(balanced.at.region, balanced.at.group, members, 5)


def test_a_group_that_does_not_exist_is_refused_for_good(balanced: Account) -> None:
    """The code is the vendor's."""
    with pytest.raises(CloudPermanentError) as told:
        balanced.verbs.balancers.members(balanced.at.region, balanced.at.no_group)
    assert told.value.vendor_code == balanced.at.missing_group


def test_an_order_is_made_once_for_one_token(whole: Account) -> None:
    """Sent again it brings the same server; another token brings another one; both come to run."""
    orders = whole.verbs.orders
    wanted = orders.like(whole.at.region, whole.at.web)
    assert wanted is not None
    first = orders.order(whole.at.region, wanted, "token-1", 5)
    assert orders.order(whole.at.region, wanted, "token-1", 5).server == first.server
    second = orders.order(whole.at.region, wanted, "token-2", 5)
    assert second.server != first.server
    assert whole.until_running(first.server)
    assert whole.verbs.compute.servers(whole.at.region, [first.server])[first.server].tags == {"env": "prod"}


def test_a_token_serves_one_order_only(whole: Account) -> None:
    """Another order under a token that was used is refused."""
    orders = whole.verbs.orders
    wanted = orders.like(whole.at.region, whole.at.web)
    assert wanted is not None
    orders.order(whole.at.region, wanted, "token-1", 5)
    with pytest.raises(CloudPermanentError) as told:
        orders.order(whole.at.region, replace(wanted, name="another"), "token-1", 5)
    assert told.value.vendor_code == "IdempotentParameterMismatch"


def test_nothing_is_like_a_server_that_does_not_exist(whole: Account) -> None:
    """There is no order to make."""
    assert whole.verbs.orders.like(whole.at.region, whole.at.nobody) is None


@pytest.mark.parametrize("force", [False, True])
def test_a_running_server_reboots(account: Account, *, force: bool) -> None:
    """The call returns a request id at once; the server goes down and runs again, with a time of its start."""
    assert account.verbs.compute.reboot(account.at.region, account.at.web, 5, force=force)
    assert account.state(account.at.web) in account.at.rebooting
    assert account.until_running(account.at.web)
    assert account.verbs.compute.servers(account.at.region, [account.at.web])[account.at.web].started


def test_a_reboot_that_cannot_be_is_refused_for_good(account: Account) -> None:
    """A stopped server is not rebooted; the vendor's code and a request id come with the refusal."""
    for server, code in ((account.at.off, account.at.stopped), (account.at.nobody, "InvalidInstanceId.NotFound")):
        with pytest.raises(CloudPermanentError) as told:
            account.verbs.compute.reboot(account.at.region, server, 5)
        assert told.value.vendor_code == code
        assert told.value.request_id


def test_a_disk_is_copied_once_for_one_token(whole: Account) -> None:
    """The copy is in the making at first, done later; sent again it is the same one."""
    backups = whole.verbs.backups
    (disk,) = backups.disks(whole.at.region, whole.at.web)
    made = backups.snapshot(whole.at.region, disk, "before-reboot", "token-1", 5)
    assert made.request_id
    (begun,) = backups.snapshots(whole.at.region, whole.at.web)
    assert (begun.id, begun.disk, begun.is_done, begun.has_failed) == (made.id, disk, False, False)
    assert backups.snapshot(whole.at.region, disk, "before-reboot", "token-1", 5).id == made.id
    assert whole.until(lambda: backups.snapshots(whole.at.region, whole.at.web)[0].is_done)
    assert backups.snapshots(whole.at.region, whole.at.peer) == ()


def test_a_disk_has_one_copy_in_the_making(whole: Account) -> None:
    """A second one is refused until the first is done; the newest is told first."""
    backups = whole.verbs.backups
    (disk,) = backups.disks(whole.at.region, whole.at.web)
    first = backups.snapshot(whole.at.region, disk, "before-reboot", "token-1", 5)
    with pytest.raises(CloudPermanentError) as told:
        backups.snapshot(whole.at.region, disk, "before-reboot", "token-2", 5)
    assert told.value.vendor_code == "IncorrectDiskStatus.CreatingSnapshot"
    assert whole.until(lambda: backups.snapshots(whole.at.region, whole.at.web)[0].is_done)
    second = backups.snapshot(whole.at.region, disk, "before-reboot", "token-2", 5)
    assert {one.id for one in backups.snapshots(whole.at.region, whole.at.web)} == {first.id, second.id}


def test_a_server_that_does_not_exist_has_no_disks(whole: Account) -> None:
    """Nothing is there to be copied; a disk that does not exist is refused."""
    assert whole.verbs.backups.disks(whole.at.region, whole.at.nobody) == ()
    with pytest.raises(CloudPermanentError) as told:
        whole.verbs.backups.snapshot(whole.at.region, "d-none", "before-reboot", "token-1", 5)
    assert told.value.vendor_code == "InvalidDiskId.NotFound"


def test_a_command_runs_once_for_one_token(inside: Account) -> None:
    """It is over after a while, with its exit code; sent again it is the same run."""
    guests = inside.verbs.guests
    run = guests.run_command(inside.at.region, inside.at.web, Command("true"), "token-1", 5)
    assert run.request_id
    assert guests.run_command(inside.at.region, inside.at.web, Command("true"), "token-1", 5).id == run.id

    def over() -> bool:
        result = guests.command_result(inside.at.region, inside.at.web, run.id)
        return result is not None and result.is_over

    assert inside.until(over)
    result = guests.command_result(inside.at.region, inside.at.web, run.id)
    assert result is not None
    assert (result.exit_code, result.went_well) == (0, True)
    assert guests.command_result(inside.at.region, inside.at.web, inside.at.no_run) is None


def test_a_command_needs_a_server_that_runs(inside: Account) -> None:
    """It is refused with the vendor's code."""
    with pytest.raises(CloudPermanentError) as told:
        inside.verbs.guests.run_command(inside.at.region, inside.at.off, Command("true"), "token-1", 5)
    assert told.value.vendor_code == inside.at.no_command


def test_agents_are_told_by_server_and_absent_ones_are_left_out(inside: Account) -> None:
    """Whether a command can be run is asked of many servers at once; one that is off has no agent that answers."""
    assert inside.until(lambda: inside.verbs.guests.agents(inside.at.region, [inside.at.web])[inside.at.web].is_online)
    found = inside.verbs.guests.agents(inside.at.region, [inside.at.web, inside.at.off, inside.at.nobody])
    assert {id_: agent.is_online for id_, agent in found.items()} == {inside.at.web: True, inside.at.off: False}
    assert found[inside.at.web].version


def test_a_command_is_run_byte_for_byte_as_a_user_in_a_place(inside: Account) -> None:
    """Quotes, backslashes and other scripts arrive as they are; user and directory are part of what a token means."""
    guests = inside.verbs.guests
    text = "echo 'a \"b\" \\\\ $HOME `x` 重启' # 服务\n"
    command = Command(text, timeout=30, user="root", directory="/tmp")
    run = guests.run_command(inside.at.region, inside.at.web, command, "token-1", 5)
    assert guests.run_command(inside.at.region, inside.at.web, command, "token-1", 5).id == run.id
    assert inside.commands() == [(text, "root", "/tmp")]
    with pytest.raises(CloudPermanentError) as told:
        guests.run_command(inside.at.region, inside.at.web, replace(command, user="www"), "token-1", 5)
    assert told.value.vendor_code == "IdempotentParameterMismatch"


@pytest.mark.parametrize("cloud", ["alibaba", "tencent"])
def test_a_command_whose_answer_was_lost_does_not_run_twice(running: RunningSimulator, cloud: str) -> None:
    """Sent again under its token, by whoever comes next, it is the run that began; another token is another run."""
    account = {"alibaba": alibaba, "tencent": tencent}[cloud](running)
    guests, at = account.verbs.guests, account.at
    account.loses()
    with pytest.raises(CloudTransientError) as lost:
        guests.run_command(at.region, at.web, Command("true"), "token-1", 5)
    assert not lost.value.refused
    run = guests.run_command(at.region, at.web, Command("true"), "token-1", 5)
    assert guests.run_command(at.region, at.web, Command("true"), "token-2", 5).id != run.id
    world = running.control("GET", "world")[cloud]
    assert len(world["invocations"]) == 2
    assert run.id in {one["id"] for one in world["invocations"]}


def test_the_console_shows_what_the_system_printed(whole: Account) -> None:
    """The text is told as it was printed."""
    assert "login:" in whole.verbs.guests.console(whole.at.region, whole.at.web)


def test_system_events_are_read_by_id_and_absent_ones_are_left_out(account: Account) -> None:
    """Something is going on; the id tells its type, its status and its server, and that it is no drill."""
    id_ = account.happens(account.at.web)
    found = account.verbs.system_events.system_events(account.at.region, [id_, "e-none"])
    assert set(found) == {id_}
    event = found[id_]
    assert (event.id, event.is_over) == (id_, False)
    assert (event.type, event.status) == account.at.event
    assert (
        str(event.resource) == f"{account.at.cloud}/{account.at.account}/{account.at.region}/instance/{account.at.web}"
    )
    assert not event.simulated


def test_the_health_of_servers_is_told_and_absent_ones_are_left_out(whole: Account) -> None:
    """The vendor's word for it; what does not exist is no key."""
    found = whole.verbs.system_events.health(whole.at.region, [whole.at.peer, whole.at.nobody])
    assert dict(found) == {whole.at.peer: "Ok"}


def test_a_verb_that_a_cloud_has_not_says_so(running: RunningSimulator) -> None:
    """Nothing stands in for it: no order, no copy of a disk, no text of a console, no word for health."""
    verbs, at = tencent(running).verbs, "ap-guangzhou"
    order = fake().verbs.orders.like("cn-hangzhou", "i-bp1web01")
    assert order is not None
    for ask in (
        lambda: verbs.orders.like(at, "ins-web00001"),
        lambda: verbs.orders.order(at, order, "token-1", 5),
        lambda: verbs.backups.disks(at, "ins-web00001"),
        lambda: verbs.backups.snapshots(at, "ins-web00001"),
        lambda: verbs.backups.snapshot(at, "disk-1", "name", "token-1", 5),
        lambda: verbs.guests.console(at, "ins-web00001"),
        lambda: verbs.system_events.health(at, ["ins-web00001"]),
    ):
        with pytest.raises(CloudPermanentError, match="Tencent Cloud has no") as told:
            ask()
        assert told.value.vendor_code == NOT_OFFERED


@pytest.mark.parametrize("whose", ["fake", "tencent"])
def test_a_repair_that_waits_is_authorised_once(whose: str, running: RunningSimulator) -> None:
    """It begins at once and waits no longer, so that the second authorisation is refused."""
    account = tencent(running) if whose == "tencent" else planning()
    events, at = account.verbs.system_events, account.at
    task = account.happens(at.web)
    assert events.system_events(at.region, [task])[task].consent is Consent.OPEN
    assert events.authorise(at.region, at.web, task, 5)
    event = events.system_events(at.region, [task])[task]
    assert (event.status, event.consent) == ("Executing", Consent.NONE)
    with pytest.raises(CloudPermanentError) as refused:
        events.authorise(at.region, at.web, task, 5)
    assert refused.value.vendor_code == "InvalidParameter"


def test_an_event_that_no_owner_authorises_says_so(running: RunningSimulator) -> None:
    """What Alibaba Cloud announces is answered by doing it."""
    with pytest.raises(CloudPermanentError, match="Alibaba Cloud has no") as told:
        alibaba(running).verbs.system_events.authorise("cn-hangzhou", "i-bp1web01", "e-1", 5)
    assert told.value.vendor_code == NOT_OFFERED
