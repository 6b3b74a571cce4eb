"""`reboot_in_window` told as scenes: what it makes of an announced reboot, and of whatever may come in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Answer, Hold
from cloudheal.model.drill import Allowance
from cloudheal.playbooks.reboot_in_window import REBOOT_IN_WINDOW
from cloudheal.ports.cloud import Health, Member, Place
from cloudheal.record.deeds import evidence_of
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.tables import APPROVAL
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from cloudheal.testing.engine import Death
from cloudheal.testing.stage import stage

#: The playbook without its slot: when it begins is the planner's business and is tested there.
AT_ONCE = replace(REBOOT_IN_WINDOW, name="reboot_at_once", planned=False)
RULE: dict[str, Any] = {
    "name": "maintenance",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
    "resources": {"all": True},
    "playbook": "reboot_at_once",
    "mode": "auto",
    "limits": {"cool_down": "1s"},
}
WEB, PEER, EVENT = "i-web", "i-peer", "e-i-web-1"
REBOOTED = f"reboot {WEB}"
MINUTE = timedelta(minutes=1)
FOR_EVER = 100_000


def maintained(
    change: Callable[[FakeCloud], object] = lambda _: None,
    *,
    status: str = "Scheduled",
    simulated: bool = False,
    type_: str = "SystemMaintenance.Reboot",
    grouped: bool = False,
    **parameters: Any,
) -> Scene:
    """Return a scene in which the cloud announces a reboot of a server."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    cloud.server(PEER)
    if grouped:
        cloud.group("lb-1", "rsp-1", Member(WEB, 8080, 30), Member(WEB, 9090, 0), Member(PEER, 8080, 55))
        cloud.group("lb-2", "", Member(WEB, 0, 100), Member(PEER, 0, 100))
    announced = cloud.maintenance.announces(web, type_, status=status, simulated=simulated)
    change(cloud)
    rule = {**RULE, "with": parameters, "when": {"type": [f"Instance:{type_}"]}}
    return Scene(cloud, rules=[rule], playbooks=[AT_ONCE], events=[announced])


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


def weights(cloud: FakeCloud) -> dict[str, list[tuple[str, int, int]]]:
    """Return who is in which group, with port and weight."""
    return {
        str(place): [(one.server, one.port, one.weight) for one in members]
        for place, members in cloud.balancers.groups.items()
    }


BEFORE = {
    "lb-1/rsp-1": [(WEB, 8080, 30), (WEB, 9090, 0), (PEER, 8080, 55)],
    "lb-2/default": [(WEB, 0, 100), (PEER, 0, 100)],
}


def test_an_announced_reboot_is_done_by_us_and_avoided() -> None:
    """One reboot, proven by the time of its start; the event is read as Avoided."""
    told = maintained().play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == (REBOOTED,)
    assert told.evidence[WEB]["event"] == "Avoided"
    assert told.evidence[WEB]["proof"]
    assert told.evidence[WEB]["request_id"]


def test_the_server_leaves_its_balancers_and_comes_back_as_it_was() -> None:
    """Weights 30 and 100 come back exactly; the port that somebody had drained stays at 0."""
    scene = maintained(grouped=True)
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert weights(scene.cloud) == BEFORE
    drained, reboot, back = told.actions[:2], told.actions[2], told.actions[3:]
    assert [one.split()[0] for one in drained] == ["set_weights"] * 2
    assert reboot == REBOOTED
    assert [one.split()[0] for one in back] == ["set_weights"] * 2
    assert told.evidence[WEB]["put_back"] == told.evidence[WEB]["taken_out"]


def test_what_somebody_takes_out_after_that_stays_out() -> None:
    """It was put back, and its event is waited for: an operator who drains it meanwhile is not undone."""
    scene = maintained(lambda cloud: setattr(cloud.maintenance, "avoiding", None), grouped=True)
    drained = [Member(WEB, 0, 0), Member(PEER, 0, 100)]
    place = Place("lb-2", "")

    def drain() -> None:
        assert scene.cloud.balancers.groups[place][0].weight == 100
        scene.cloud.balancers.groups[place] = drained

    told = scene.later(4 * MINUTE, drain).play()
    assert ended(told) == ("not healed", "still_scheduled")
    assert weights(scene.cloud) == BEFORE | {"lb-2/default": [(WEB, 0, 0), (PEER, 0, 100)]}


def test_a_fresh_copy_is_not_made_again() -> None:
    """A copy of two hours ago will do for a day; an older one does not."""
    fresh = maintained(lambda cloud: cloud.backups.copied("d-web", ago=timedelta(hours=2)), snapshot=True).play()
    assert (ended(fresh), fresh.actions) == (("healed", "avoided"), (REBOOTED,))
    old = maintained(lambda cloud: cloud.backups.copied("d-web", ago=timedelta(hours=25)), snapshot=True).play()
    assert (ended(old), old.actions) == (("healed", "avoided"), ("snapshot d-web", REBOOTED))


def test_copies_that_take_an_hour_are_waited_for() -> None:
    """Every disk is copied once; the reboot follows the last copy."""

    def change(cloud: FakeCloud) -> None:
        cloud.backups.attach(WEB, "d-1", "d-2")
        cloud.backups.lasts = timedelta(minutes=50)

    told = maintained(change, snapshot=True).play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == ("snapshot d-1", "snapshot d-2", REBOOTED)


@pytest.mark.parametrize("code", ["snapshot_failed", "snapshot_timeout"])
def test_without_a_copy_there_is_no_reboot_when_the_rule_says_abort(code: str) -> None:
    """The event is untouched, people are told; nothing was taken out."""

    def change(cloud: FakeCloud) -> None:
        if code == "snapshot_failed":
            cloud.backups.fail_next()
        else:
            cloud.backups.lasts = timedelta(hours=3)

    scene = maintained(change, snapshot=True, grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", code)
    assert told.actions == ("snapshot d-web",)
    assert told.notices == ("incident.not_healed",)
    assert weights(scene.cloud) == BEFORE


def test_disks_that_cannot_be_read_are_disks_without_a_copy() -> None:
    """Which disks there are is not known, so none is copied and nothing is rebooted; people are told."""
    scene = maintained(
        lambda cloud: cloud.refuses("disks", "Forbidden.RAM", times=FOR_EVER), snapshot=True, grouped=True
    )
    told = scene.play()
    assert (ended(told), told.actions) == (("not healed", "disks_unread"), ())
    assert told.evidence[WEB]["seen"] == "Forbidden.RAM"
    assert told.notices == ("incident.not_healed",)


@pytest.mark.parametrize(
    "change",
    [
        lambda cloud: cloud.refuses("set_weights", "Forbidden.RAM"),
        lambda cloud: cloud.loses_the_call("set_weights", times=FOR_EVER),
    ],
    ids=["refused", "lost"],
)
def test_a_server_that_cannot_leave_its_balancers_is_not_rebooted(change: Callable[[FakeCloud], object]) -> None:
    """Its weight is not taken from it, at once or in two minutes: it serves on as before, and people are told."""
    scene = maintained(change, grouped=True)
    told = scene.play()
    assert (ended(told), told.actions) == (("not healed", "drain_failed"), ())
    assert told.evidence[WEB]["seen"].startswith("lb-1/rsp-1: ")
    assert told.notices == ("incident.not_healed",)
    assert weights(scene.cloud) == BEFORE


def test_a_drain_that_fails_in_one_group_gives_back_what_was_taken_in_another() -> None:
    """The second group refuses: the server has its old weight in the first one too, and was not rebooted."""

    def change(cloud: FakeCloud) -> None:
        cloud.loses_the_answer("set_weights")
        cloud.refuses("set_weights", "Forbidden.RAM")

    scene = maintained(change, grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", "drain_failed")
    assert [one.split()[0] for one in told.actions] == ["set_weights"] * 2
    assert weights(scene.cloud) == BEFORE


def test_groups_that_cannot_be_read_are_not_left() -> None:
    """Whether the server serves anywhere is not known: it is not rebooted, and people are told."""
    scene = maintained(lambda cloud: cloud.loses_the_call("memberships", times=FOR_EVER), grouped=True)
    told = scene.play()
    assert (ended(told), told.actions) == (("not healed", "groups_unread"), ())
    assert told.notices == ("incident.not_healed",)
    assert weights(scene.cloud) == BEFORE


def test_without_a_copy_it_is_rebooted_with_a_warning_when_the_rule_says_continue() -> None:
    """The failed copy stands in the verdict."""
    told = maintained(lambda cloud: cloud.backups.fail_next(), snapshot=True, if_not_prepared="continue").play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == ("snapshot d-web", REBOOTED)
    assert "snapshot_failed" in told.evidence[WEB]["warnings"]


@pytest.mark.parametrize(("exit_code", "actions"), [(0, ("run sync on i-web", REBOOTED)), (3, ("run sync on i-web",))])
def test_a_command_must_go_well(exit_code: int, actions: tuple[str, ...]) -> None:
    """It runs once, before the reboot; when it fails there is none."""
    told = maintained(lambda cloud: cloud.guests.exits_with(exit_code), command="sync").play()
    assert told.actions == actions
    assert ended(told)[1] == ("avoided" if exit_code == 0 else "command_failed")


def test_a_failed_command_puts_the_server_back() -> None:
    """It was drained before the command ran; both groups have it back, and nothing was rebooted."""
    scene = maintained(lambda cloud: cloud.guests.exits_with(1), command="sync", grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", "command_failed")
    assert weights(scene.cloud) == BEFORE
    assert REBOOTED not in told.actions


def test_the_last_healthy_server_of_a_group_is_not_rebooted() -> None:
    """Draining it would leave nobody; the rule may say otherwise."""

    def change(cloud: FakeCloud) -> None:
        cloud.group("lb-3", "", Member(WEB, 0, 100), Member(PEER, 0, 0))

    told = maintained(change).play()
    assert ended(told) == ("not healed", "last_healthy")
    assert told.actions == ()
    assert ended(maintained(change, remove_last=True).play()) == ("healed", "avoided")


def test_a_stopped_server_is_not_rebooted() -> None:
    """The code says so, and it is no success."""

    def change(cloud: FakeCloud) -> None:
        cloud.power_off(cloud.id_of(WEB))

    told = maintained(change).play()
    assert ended(told) == ("not needed", "stopped")
    assert told.actions == ()


def test_a_reboot_that_is_refused_is_told_as_refused() -> None:
    """The vendor's code names the verdict; the server is back in its groups; nothing is tried again."""
    scene = maintained(lambda cloud: cloud.refuses("reboot", "IncorrectInstanceStatus"), grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", "IncorrectInstanceStatus")
    assert weights(scene.cloud) == BEFORE
    assert REBOOTED not in told.actions


def test_a_locked_server_is_waited_for() -> None:
    """The run is a row until the lock is gone, then it goes on."""
    scene = maintained(lambda cloud: cloud.lock(cloud.id_of(WEB), "security"))
    scene.later(timedelta(minutes=40), lambda: scene.cloud.lock(scene.cloud.id_of(WEB)))
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert "locked" in told.reasons


def test_an_accepted_call_is_no_reboot() -> None:
    """The API said yes and the time of start is the old one: not rebooted, whatever the event says later."""
    scene = maintained(lambda cloud: cloud.ignores_reboots(cloud.id_of(WEB)), grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", "not_rebooted")
    assert told.actions.count(REBOOTED) == 1
    assert weights(scene.cloud) == BEFORE
    assert told.notices == ("incident.not_healed",)


def test_force_follows_only_when_the_rule_says_so_and_the_soft_attempt_failed() -> None:
    """One soft reboot, then one by force."""
    told = maintained(lambda cloud: cloud.ignores_reboots(cloud.id_of(WEB)), force=True).play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == (REBOOTED, f"reboot by force {WEB}")
    assert maintained(force=True).play().actions == (REBOOTED,)


@pytest.mark.parametrize(
    "change",
    [
        lambda cloud: cloud.lock(cloud.id_of(WEB), "security"),
        lambda cloud: cloud.tag(cloud.id_of(WEB), {"cloudheal:hold": "alice"}),
        lambda cloud: cloud.maintenance.tells(EVENT, simulated=True),
        lambda cloud: cloud.maintenance.moves(EVENT, "Executing"),
    ],
    ids=["locked", "held", "a drill that allows nothing real any more", "executing"],
)
def test_no_force_follows_when_something_came_in_the_way(change: Callable[[FakeCloud], object]) -> None:
    """The soft attempt failed; meanwhile the server was locked or held, or the event is not one to act on any more."""
    scene = maintained(lambda cloud: cloud.ignores_reboots(cloud.id_of(WEB)), force=True, reboot_timeout="3m")

    def meddle() -> None:
        change(scene.cloud)

    told = scene.later(2 * MINUTE, meddle).play()
    assert (ended(told), told.actions) == (("not healed", "not_rebooted"), (REBOOTED,))


def test_a_lost_answer_is_settled_by_what_shows_and_never_sent_again() -> None:
    """The call took place: the server is seen on its way, one reboot in all."""
    told = maintained(lambda cloud: cloud.loses_the_answer("reboot")).play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == (REBOOTED,)


def test_a_lost_call_that_nothing_shows_is_asked_about() -> None:
    """Nothing proves it, so a person decides; the server serves again meanwhile, and nothing is repeated."""
    scene = maintained(lambda cloud: cloud.loses_the_call("reboot"), grouped=True)
    told = scene.play()
    assert told.verdicts[WEB] == ""
    assert "unknown_state" in told.reasons
    assert "approval.asked" in told.notices
    assert REBOOTED not in told.actions
    assert weights(scene.cloud) == BEFORE


def test_what_a_person_approves_is_rebooted_after_all() -> None:
    """The lost call is sent again because somebody said so, and only then."""
    scene = maintained(lambda cloud: cloud.loses_the_call("reboot"), grouped=True).answering(Answer.APPROVED)
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions.count(REBOOTED) == 1
    assert weights(scene.cloud) == BEFORE


def test_the_end_of_the_event_answers_the_question_whether_it_was_rebooted() -> None:
    """Nobody answered, but the cloud tells that the event is avoided: somebody rebooted the server."""
    scene = maintained(lambda cloud: cloud.loses_the_call("reboot"), reboot_timeout="2m")
    scene.later(10 * MINUTE, lambda: scene.cloud.maintenance.moves(EVENT, "Avoided"))
    assert ended(scene.play()) == ("healed", "avoided")


def test_a_throttled_reboot_is_asked_for_again() -> None:
    """The cloud did nothing, so this is no repetition."""
    told = maintained(lambda cloud: cloud.throttles("reboot", times=7)).play()
    assert ended(told) == ("healed", "avoided")
    assert told.actions == (REBOOTED,)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Executed", ("not healed", "overtaken")),
        ("Canceled", ("not needed", "canceled")),
        ("Failed", ("not healed", "event_failed")),
    ],
)
def test_each_end_of_the_event_after_the_reboot_has_a_code(status: str, verdict: tuple[str, str]) -> None:
    """What the event came to names the verdict."""
    scene = maintained(lambda cloud: setattr(cloud.maintenance, "avoiding", None))
    scene.later(3 * MINUTE, lambda: scene.cloud.maintenance.moves(EVENT, status))
    told = scene.play()
    assert ended(told) == verdict
    assert told.actions == (REBOOTED,)


def test_an_event_that_is_executed_for_long_is_not_called_scheduled() -> None:
    """The platform takes longer than our patience: nothing is concluded before the event is over."""
    scene = maintained(lambda cloud: setattr(cloud.maintenance, "avoiding", None))
    scene.later(3 * MINUTE, lambda: scene.cloud.maintenance.moves(EVENT, "Executing"))
    scene.later(20 * MINUTE, lambda: scene.cloud.maintenance.moves(EVENT, "Executed"))
    told = scene.play()
    assert (ended(told), told.actions) == (("not healed", "overtaken"), (REBOOTED,))


def test_an_event_that_stays_scheduled_is_a_failure_that_is_told() -> None:
    """Five minutes after the reboot nothing has changed: no second reboot, people are told."""
    told = maintained(lambda cloud: setattr(cloud.maintenance, "avoiding", None)).play()
    assert ended(told) == ("not healed", "still_scheduled")
    assert told.actions == (REBOOTED,)
    assert told.notices == ("incident.not_healed",)


def test_an_error_is_never_taken_for_avoided() -> None:
    """For a minute the event cannot be read: it is asked for again, and Avoided is what was read in the end."""
    scene = maintained()
    scene.later(timedelta(seconds=8), lambda: scene.cloud.loses_the_call("system_events", times=60))
    told = scene.play()
    assert ended(told) == ("healed", "avoided")
    assert told.evidence[WEB]["event"] == "Avoided"


def test_an_event_that_cannot_be_read_any_more_is_unknown() -> None:
    """Asked for a quarter of an hour in vain: unknown, and people are told."""
    scene = maintained()
    scene.later(timedelta(seconds=4), lambda: scene.cloud.loses_the_call("system_events", times=100_000))
    told = scene.play()
    assert ended(told) == ("unknown", "event_unread")
    assert told.notices == ("incident.unknown",)


def test_an_event_that_the_cloud_shows_no_more_is_unknown() -> None:
    """After the reboot it answers about the event and does not show it for this server: that is not called avoided."""
    scene = maintained(lambda cloud: setattr(cloud.maintenance, "avoiding", None))
    scene.later(MINUTE, lambda: scene.cloud.maintenance.tells(EVENT, resource=scene.cloud.id_of(PEER)))
    told = scene.play()
    assert (ended(told), told.actions) == (("unknown", "event_unread"), (REBOOTED,))
    assert told.evidence[WEB]["problem"] == "event_not_shown"


def test_an_event_that_the_cloud_does_not_show_is_not_acted_on() -> None:
    """A message named it, and the cloud shows it for another one: nothing is done, and whoever is asked reads why."""
    with stage() as database:
        scene = maintained(lambda cloud: cloud.maintenance.tells(EVENT, resource=cloud.id_of(PEER)), grouped=True)
        told = scene.play_on(database)
        with database.snapshot() as connection:
            (question,) = connection.scalars(sa.select(APPROVAL.c.question))
    assert (told.actions, "unknown_state" in told.reasons) == ((), True)
    assert "event_not_shown" in question


def test_a_server_that_is_gone_ends_it() -> None:
    """Somebody released it while it was on its way up."""
    scene = maintained(lambda cloud: cloud.clock.plan(timedelta(seconds=12), lambda: cloud.release(cloud.id_of(WEB))))
    told = scene.play()
    assert (ended(told), told.actions) == (("not needed", "gone"), (REBOOTED,))


def test_an_event_that_cannot_be_read_is_not_acted_on() -> None:
    """No answer means do not act; after a while a person is asked."""
    told = maintained(lambda cloud: cloud.loses_the_call("system_events", times=100_000)).play()
    assert told.actions == ()
    assert "unknown_state" in told.reasons
    assert "approval.asked" in told.notices


def test_an_event_that_can_be_read_again_is_acted_on() -> None:
    """A few minutes of errors only delay it."""
    told = maintained(lambda cloud: cloud.loses_the_call("system_events", times=30)).play()
    assert (ended(told), told.actions) == (("healed", "avoided"), (REBOOTED,))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Avoided", ("not needed", "event_avoided")),
        ("Canceled", ("not needed", "event_canceled")),
        ("Executing", ("not healed", "overtaken")),
        ("Inquiring", ("not healed", "not_scheduled")),
    ],
)
def test_only_a_scheduled_event_is_acted_on(status: str, verdict: tuple[str, str]) -> None:
    """What the cloud shows now counts, not what the message said."""
    told = maintained(lambda cloud: cloud.maintenance.moves(EVENT, status)).play()
    assert (ended(told), told.actions) == (verdict, ())


def test_an_event_that_is_canceled_during_the_drain_is_left_alone() -> None:
    """Read once more just before the reboot: nothing is rebooted, and the weights are as they were."""
    scene = maintained(grouped=True, drain="50s")
    scene.later(timedelta(seconds=30), lambda: scene.cloud.maintenance.moves(EVENT, "Canceled") and None)
    told = scene.play()
    assert ended(told) == ("not needed", "event_canceled")
    assert REBOOTED not in told.actions
    assert weights(scene.cloud) == BEFORE


def test_what_the_platform_reboots_during_the_drain_comes_back_when_it_is_well() -> None:
    """The platform was first: nothing is rebooted by us, and a server that is down gets no traffic before it is up."""
    scene = maintained(grouped=True, drain="50s")
    cloud, out = scene.cloud, list[tuple[str, int, int]]()

    def strikes() -> bytes:
        cloud.maintenance.moves(EVENT, "Executing")
        return cloud.changes(cloud.id_of(WEB), "Starting")

    def is_up() -> bytes:
        out.extend(weights(cloud)["lb-2/default"])
        cloud.maintenance.moves(EVENT, "Executed")
        return cloud.changes(cloud.id_of(WEB), "Running")

    told = scene.later(timedelta(seconds=30), strikes).later(4 * MINUTE, is_up).play()
    assert (ended(told), REBOOTED in told.actions) == (("not healed", "overtaken"), False)
    assert out[0] == (WEB, 0, 0)
    assert weights(cloud) == BEFORE


def test_the_evidence_holds_no_secret_wherever_it_came_from() -> None:
    """A console, a tag and the cloud's own words are masked before they are kept."""

    def leaks(cloud: FakeCloud) -> None:
        cloud.guests.consoles[WEB] = "app[1]: connecting with password=hunter2console"
        cloud.tag(cloud.id_of(WEB), {"db_password": "hunter2tag"})
        cloud.maintenance.tells(EVENT, reason="host of token: hunter2reason")

    with stage() as database:
        assert maintained(leaks).play_on(database).verdicts[WEB] == "healed"
        with database.snapshot() as connection:
            kept = str(evidence_of(connection, WEB))
    assert kept.count("***") == 3
    assert "hunter2" not in kept


def test_a_type_that_no_reboot_answers_is_left_alone() -> None:
    """A redeployment is not answered by a reboot, whatever the rule says."""
    told = maintained(type_="SystemMaintenance.Redeploy").play()
    assert (ended(told), told.actions) == (("not healed", "not_answered_by_a_reboot"), ())


def test_a_simulated_event_touches_nothing() -> None:
    """Law 10: journaled as dry, no call that changes anything, and the verdict says so."""
    told = maintained(simulated=True, snapshot=True, grouped=True).play()
    assert ended(told) == ("not needed", "simulated")
    assert told.actions == ()
    assert told.evidence[WEB]["dry"] == "yes"
    assert "dry reboot: intent" in told.steps


def test_an_event_that_a_drill_asked_for_is_dry_whatever_the_cloud_calls_it() -> None:
    """The reason does not say that it is simulated: the row does, and one that allows nothing real keeps it dry."""
    told = maintained(grouped=True).drilled(Allowance.DRY).play()
    assert (ended(told), told.actions) == (("not needed", "simulated"), ())
    told = maintained(simulated=True).drilled(Allowance.REAL).play()
    assert (ended(told), told.actions) == (("healed", "avoided"), (REBOOTED,))


def test_a_server_that_does_not_come_back_is_not_put_back() -> None:
    """It stays at weight 0, and the verdict says where."""
    scene = maintained(lambda cloud: cloud.falls_back(cloud.id_of(WEB)), grouped=True)
    told = scene.play()
    assert ended(told) == ("not healed", "not_running")
    assert "lb-1/rsp-1 8080@30" in told.evidence[WEB]["still_out"]
    assert weights(scene.cloud)["lb-1/rsp-1"][0] == (WEB, 8080, 0)


def test_a_server_in_bad_health_is_not_put_back() -> None:
    """Running is not enough."""
    told = maintained(lambda cloud: cloud.maintenance.is_unwell(cloud.id_of(WEB), "Impaired"), grouped=True).play()
    assert ended(told) == ("not healed", "unhealthy")
    assert "still_out" in told.evidence[WEB]


def test_a_server_that_its_balancer_finds_unhealthy_is_put_back_and_told() -> None:
    """It has its weights, but the check of one group does not pass in five minutes: the verdict names that group."""
    scene = maintained(grouped=True)
    groups = scene.cloud.balancers.groups
    place = Place("lb-2", "")

    def fails_its_check() -> None:
        groups[place] = [replace(one, health=Health.ABNORMAL) if one.server == WEB else one for one in groups[place]]

    told = scene.later(timedelta(seconds=4), fails_its_check).play()
    assert (ended(told), told.actions.count(REBOOTED)) == (("not healed", "unhealthy_in_balancer"), 1)
    assert told.evidence[WEB]["unhealthy_in"] == "lb-2/default"
    assert told.notices == ("incident.not_healed",)
    assert weights(scene.cloud) == BEFORE


def test_a_server_that_cannot_be_read_after_the_reboot_stays_out() -> None:
    """For ten minutes nobody can say how it is: unknown, told, and not given any traffic."""
    scene = maintained(grouped=True, drain="0s")
    scene.later(timedelta(seconds=4), lambda: scene.cloud.loses_the_call("servers", times=FOR_EVER))
    told = scene.play()
    assert (ended(told), told.actions.count(REBOOTED)) == (("unknown", "server_unread"), 1)
    assert "lb-1/rsp-1 8080@30" in told.evidence[WEB]["still_out"]
    assert told.notices == ("incident.unknown",)
    assert weights(scene.cloud)["lb-2/default"][0] == (WEB, 0, 0)


def test_two_events_of_one_server_share_one_reboot() -> None:
    """Both are avoided by it; the second run only waits for its own event."""
    scene = maintained()
    second = scene.cloud.maintenance.announces(scene.cloud.id_of(WEB))
    told = scene.later(timedelta(), lambda: second).play()
    assert told.actions == (REBOOTED,)
    assert ended(told) == ("healed", "avoided")


def test_an_event_that_came_after_the_reboot_needs_its_own() -> None:
    """What was published later cannot have been answered by it."""
    scene = maintained()
    scene.later(timedelta(minutes=20), lambda: scene.cloud.maintenance.announces(scene.cloud.id_of(WEB)))
    told = scene.play()
    assert told.actions == (REBOOTED, REBOOTED)
    assert ended(told) == ("healed", "avoided")


@pytest.mark.parametrize(
    "scene",
    [
        lambda: maintained(snapshot=True, command="sync"),
        lambda: maintained(simulated=True),
        lambda: maintained(lambda cloud: cloud.backups.fail_next(), snapshot=True),
    ],
    ids=["whole", "simulated", "not prepared"],
)
def test_a_death_at_any_step_does_no_harm(scene: Callable[[], Scene]) -> None:
    """Every call once, the same verdict, whenever the process dies; whether it was rebooted a person says."""
    assert assert_replays(lambda: scene().answering(Answer.APPROVED)) > 10


@pytest.mark.parametrize("lost", [False, True])
def test_a_death_at_any_step_leaves_the_balancers_as_they_were(*, lost: bool) -> None:
    """One reboot at most before somebody says that another one is wanted, and the old weights in the end."""

    def scene() -> Scene:
        change: Callable[[FakeCloud], object] = (lambda cloud: cloud.loses_the_answer("reboot")) if lost else str
        return maintained(change, grouped=True)

    steps = scene().play().steps
    for number in [number for number, name in enumerate(steps, 1) if name.endswith((": intent", ": call"))]:
        again = scene().dying(Death(number, checkpointed=False))
        told = again.play()
        assert weights(again.cloud) == BEFORE, steps[number - 1]
        assert told.actions.count(REBOOTED) <= 1
        assert ended(told) == ("healed", "avoided") or "unknown_state" in told.reasons


def test_in_its_slot_it_begins_and_not_before() -> None:
    """The playbook as it comes: planned first, then one reboot, and the event is avoided."""
    cloud = FakeCloud()
    announced = cloud.maintenance.announces(cloud.server(WEB), "SystemMaintenance.Reboot")
    told = Scene(cloud, rules=[RULE | {"playbook": "reboot_in_window"}], events=[announced]).play()
    assert told.reasons[0] == "plan"
    assert told.actions.count(REBOOTED) == 1
    assert ended(told)[0] == "healed"


@pytest.mark.parametrize(("hours", "planned"), [(0.1, 1), (3, 2)])
def test_what_a_pause_held_back_for_longer_than_its_slot_gets_another_one(hours: float, planned: int) -> None:
    """Drained when everything was paused: it has its weights back first, and is prepared anew in the next slot."""
    cloud = FakeCloud()
    web, peer = cloud.server(WEB), cloud.server(PEER)
    cloud.group("lb-2", "", Member(WEB, 0, 100), Member(PEER, 0, 100))
    cloud.guests.lasts = timedelta(minutes=2)
    announced = cloud.maintenance.announces(web, "SystemMaintenance.Reboot", within=timedelta(hours=12))
    rule = RULE | {"playbook": "reboot_in_window", "with": {"command": "sync", "command_timeout": "5m"}}
    scene = Scene(cloud, rules=[rule], events=[announced])
    with stage() as database:

        def pause() -> None:
            with database.transaction() as connection:
                now = cloud.clock.now()
                add_hold(connection, Hold(EVERYTHING, "li", "release", now, now + timedelta(hours=hours)))

        for minutes in (1, 3):  # the worker looks at its rows when the pause is over, and a little later
            scene.later(minutes * MINUTE + timedelta(hours=hours), lambda: None)
        told = scene.later(MINUTE, pause).play_on(database)
    assert ended(told) == ("healed", "avoided")
    assert told.reasons.count("plan") == planned
    assert told.notices.count("plan.missed") == planned - 1
    verbs = [one.split()[0] for one in told.actions]
    prepared = ["set_weights", "run"]
    tidied = ["set_weights"] if planned > 1 else []
    again = prepared if planned > 1 else []
    assert verbs == [*prepared, *tidied, *again, "reboot", "set_weights"]
    assert (peer.id, weights(cloud)["lb-2/default"]) == (PEER, [(WEB, 0, 100), (PEER, 0, 100)])
