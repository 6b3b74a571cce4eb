"""The guards over hours, played before a fake cloud: what is held back, what wakes it, and what people are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Playbook, Refusal
from cloudheal.extend import Hands, Healed
from cloudheal.model.control import Answer, Hold
from cloudheal.model.decision import Reason
from cloudheal.model.inventory import Description
from cloudheal.playbooks import sight
from cloudheal.ports.cloud import Member, Reclaim
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.inventory import describe
from cloudheal.record.tables import APPROVAL, STEP
from cloudheal.testing import FakeCloud, Scene, assert_replays
from cloudheal.testing.cloud import PLAIN
from cloudheal.testing.messages import message as told_of
from cloudheal.testing.stage import stage
from tests.usual import PROD, RULE


def fleet(size: int, falls: int, **rule: Any) -> tuple[FakeCloud, Scene]:
    """Return a scene in which some of a group's servers stop at once."""
    cloud = FakeCloud()
    servers = [cloud.server(f"i-{number}", tags=PROD) for number in range(size)]
    events = [cloud.power_off(one) for one in servers[:falls]]
    return cloud, Scene(cloud, rules=[RULE | rule], events=events)


def fallen(**rule: Any) -> Callable[[], Scene]:
    """Return a scene of one server that falls back to Stopped at every start."""

    def scene() -> Scene:
        cloud, one = fleet(1, 1, **rule)
        cloud.falls_back(cloud.now("i-0").id, times=9)  # type: ignore[union-attr]  # it is there
        return one

    return scene


def test_a_server_that_always_falls_back_is_started_three_times() -> None:
    """Three starts with a growing pause, one escalation, one question; nothing more in six hours."""
    told = fallen(**{"with": {"backoff": "30s"}})().play()
    assert told.actions == ("start i-0",) * 3
    assert told.waits == {"i-0": "attempts_used"}
    assert told.notices == ("escalated", "approval.asked")
    assert (told.reasons[0], told.reasons[-1]) == ("act", "attempts_used")


@pytest.mark.parametrize("backoff", ["1s", "45s", "3m"])
def test_attempts_are_counted_over_deaths(backoff: str) -> None:
    """Whenever the process dies, in a look or between two, the server is started three times in all."""
    assert assert_replays(fallen(**{"with": {"backoff": backoff}})) > 10


def test_a_pause_that_comes_while_the_cloud_throttles_is_not_overtaken() -> None:
    """The intent was written before it, and its call put off: it is not sent again, but waits for `resume`."""
    cloud, scene = fleet(1, 1)
    cloud.throttles("start", times=2)
    with stage() as database:

        def pause() -> None:
            with database.transaction() as connection:
                add_hold(connection, Hold(EVERYTHING, "ops", "stop", cloud.clock.now()))

        told = scene.later(timedelta(milliseconds=100), pause).play_on(database)
        assert (told.actions, told.waits) == ((), {"i-0": "paused"})
        with database.snapshot() as connection:
            assert connection.scalars(sa.select(STEP.c.outcome)).all() == ["transient"]


def throttled(times: int) -> Callable[[], Scene]:
    """Return a scene in which the cloud takes no start for a while."""

    def scene() -> Scene:
        cloud, one = fleet(1, 1)
        cloud.throttles("start", times=times)
        return one

    return scene


@pytest.mark.parametrize("times", [160, 700])
def test_a_cloud_that_throttles_for_long_uses_up_no_attempt(times: int) -> None:
    """Minutes later the server is started all the same; nobody is woken for it."""
    told = throttled(times)().play()
    assert (told.verdicts, told.actions) == ({"i-0": "healed"}, ("start i-0",))
    assert (told.notices, told.evidence["i-0"]["attempts"]) == ((), "1")


def test_a_cloud_that_throttles_for_an_hour_is_a_persons() -> None:
    """It is not asked without end, and people are told."""
    told = throttled(100_000)().play()
    assert (told.actions, told.waits) == ((), {"i-0": "attempts_used"})
    assert told.notices == ("escalated", "approval.asked")


STORM = {"storm_members": 5}


def test_sixty_percent_of_a_group_at_once_is_a_storm() -> None:
    """One may act, as the share allows; the rest is held with one question for all, and people are told once."""
    told = fleet(10, 6, limits=STORM)[1].play()
    assert told.actions == ("start i-0",)
    assert told.verdicts == {"i-0": "healed", **dict.fromkeys([f"i-{n}" for n in range(1, 6)], "")}
    assert set(told.waits.values()) == {"storm"}
    assert (told.notices.count("storm"), told.notices.count("approval.asked")) == (1, 1)


@pytest.mark.parametrize(("said", "verdict"), [(Answer.APPROVED, "healed"), (Answer.DENIED, "not healed")])
def test_one_answer_to_a_storm_is_for_all_that_it_holds_back(said: Answer, verdict: str) -> None:
    """Whoever approves has them all started, and whoever denies none; nothing goes on waiting."""
    told = fleet(10, 6, limits=STORM)[1].answering(said).play()
    assert told.verdicts == {"i-0": "healed", **dict.fromkeys([f"i-{n}" for n in range(1, 6)], verdict)}
    assert (told.waits, told.notices.count("approval.asked")) == ({}, 1)


def test_a_second_storm_within_the_hour_has_a_question_of_its_own() -> None:
    """The first was over before anybody answered: people are told of the second one, and have an hour for it."""
    cloud, scene = fleet(10, 6, limits=STORM)
    servers = [cloud.id_of(f"i-{number}") for number in range(1, 7)]
    for one in servers:
        scene.later(timedelta(minutes=5), lambda one=one: cloud.changes(one, "Running"))  # type: ignore[misc]
        scene.later(timedelta(minutes=40), lambda one=one: cloud.power_off(one))  # type: ignore[misc]
    with stage() as database:
        told = scene.play_on(database)
        with database.snapshot() as connection:
            asked = connection.execute(sa.select(APPROVAL.c.asked, APPROVAL.c.expires)).all()
    assert (told.notices.count("storm"), told.notices.count("approval.asked")) == (2, 2)
    assert [one.expires - one.asked for one in asked] == [3_600_000] * 2


def test_what_only_looks_makes_no_room_in_its_group() -> None:
    """Four of ten are down, and three of them are looked into: those are helped no more than before."""
    cloud = FakeCloud()
    servers = [cloud.server(f"i-{number}", tags=PROD) for number in range(10)]
    limits = {"share": 0.2, "storm_members": 100, "storm_share": 1}
    name = "Instance:SystemFailure.Reboot"
    look = RULE | {"name": "look", "when": {"type": [name]}, "playbook": "check_after_failure"}
    with stage() as database:
        with database.transaction() as connection:
            describe(connection, [Description(one, cloud.clock.now(), "Running", tags=PROD) for one in servers])
        cloud.clock.advance(timedelta(seconds=5))
        first, *others = [cloud.power_off(one) for one in servers[:4]]
        content = {"eventType": "SystemFailure.Reboot", "eventStatus": "Executing"}
        failed = [
            told_of(one, f"{name}:Executing", {**content, "instanceId": one.id, "eventId": one.id}, cloud.clock.now())
            for one in servers[1:4]
        ]
        scene = Scene(cloud, rules=[RULE | {"limits": limits}, look], events=[first, *failed, *others])
        told = scene.play_on(database)
    stops = [one.reason for one in told.decisions if one.rule == "restart"]
    assert stops[:4] == ["act", "budget.share", "budget.share", "budget.share"]
    assert set(told.verdicts.values()) == {"healed"}


def test_old_news_that_a_server_ran_ends_nothing_when_it_has_stopped_again() -> None:
    """It stopped, ran and stopped, and is told so out of order: the question stays, and a yes starts it."""
    cloud, scene = fleet(1, 1, mode="ask")
    web, late = cloud.id_of("i-0"), list[bytes]()
    scene.later(timedelta(minutes=1), lambda: late.append(cloud.changes(web, "Running")))
    scene.later(timedelta(minutes=2), lambda: cloud.power_off(web))
    scene.later(timedelta(minutes=3), late.pop)
    scene.later(timedelta(minutes=4), lambda: setattr(scene, "answer", Answer.APPROVED))
    told = scene.play()
    assert (told.verdicts, told.actions) == ({"i-0": "healed"}, ("start i-0",))


def _asks_when_it_stopped(case: Case, hands: Hands) -> End | Refusal:
    """Look, take a minute over it, and ask about what was there."""
    is_there = hands.read("look", lambda: {"there": sight.server_of(case) is not None}).value["there"]
    case.wait(60, lambda: False)
    return Refusal(Reason.UNEXPLAINED) if is_there else End(Healed.NOT_NEEDED, "gone")


def test_a_server_that_is_released_while_a_look_at_it_lasts_is_not_asked_about() -> None:
    """The message comes when the look has read the server, and before it ends: it is looked at once more."""
    book = Playbook(
        "slow", ("stopped",), PlannedParameters, ("servers", "start"), reversible=True, run=_asks_when_it_stopped
    )
    cloud = FakeCloud()
    web = cloud.server("i-web", tags=PROD)

    def released() -> bytes:
        cloud.release(web)
        content = {"resourceId": web.id, "state": "Deleted"}
        return told_of(web, "Instance:StateChange", content, cloud.clock.now())

    scene = Scene(cloud, rules=[RULE | {"playbook": "slow"}], events=[cloud.power_off(web)], playbooks=[book])
    told = scene.later(timedelta(seconds=30), released).play()
    assert (told.verdicts, told.notices) == ({"i-web": "not needed"}, ())


def _tries_and_asks(case: Case, hands: Hands) -> End | Refusal:
    """Do something, and ask as long as the event is not over."""

    def status() -> dict[str, str]:
        known = case.system_events.system_events(case.resource.region, [case.trouble.id])
        return {"status": known[case.trouble.id].status}

    if hands.read("event", status).value["status"] == "Executed":
        return End(Healed.HEALED, "event_executed")
    hands.act_repeatable("prepare", {}, lambda _: Outcome(Kind.OK), None, helps=True)
    return Refusal(Reason.UNEXPLAINED)


@pytest.mark.parametrize("seen", [90, 120], ids=["told before", "told with the end"])
def test_the_end_of_an_event_is_seen_though_nobody_answered_in_time(seen: int) -> None:
    """What has begun is looked at again when its event is over, and is no question for ever."""
    verbs = ("servers", "system_events", "start")
    book = Playbook("tries", ("maintenance",), PlannedParameters, verbs, reversible=True, run=_tries_and_asks)
    rule = RULE | {"when": {"type": ["Instance:SystemMaintenance.Reboot"]}, "playbook": "tries"}
    cloud = FakeCloud()
    web = cloud.server("i-web", tags=PROD)
    announced = cloud.maintenance.announces(web, "SystemMaintenance.Reboot", within=timedelta(hours=4))
    scene = Scene(cloud, rules=[rule], events=[announced], playbooks=[book])
    scene.later(timedelta(minutes=seen), lambda: None)
    told = scene.later(timedelta(hours=2), lambda: cloud.maintenance.moves("e-i-web-1", "Executed")).play()
    assert (told.verdicts, told.waits) == ({"i-web": "healed"}, {})


@pytest.mark.parametrize(("size", "share", "most"), [(5, 0.2, 1), (5, 0.4, 2), (10, 0.2, 2), (20, 0.2, 4)])
def test_a_share_holds_for_servers_that_run_and_are_in_trouble(size: int, share: float, most: int) -> None:
    """A server that is not heard of any more looks well, and is rebooted all the same: it counts for its own share."""
    cloud = FakeCloud()
    servers = [cloud.server(f"i-{number}", tags=PROD) for number in range(size)]
    limits = {"share": share, "storm_members": 100, "storm_share": 1}
    lost = {"when": {"type": ["Agent_Status_Stopped"]}, "playbook": "restore_after_ping_loss", "limits": limits}
    rule = RULE | lost | {"with": {"command": "start app"}}
    with stage() as database:
        with database.transaction() as connection:
            describe(connection, [Description(one, cloud.clock.now(), "Running", tags=PROD) for one in servers])
        cloud.clock.advance(timedelta(seconds=5))
        told = Scene(cloud, rules=[rule], events=[cloud.loses_contact(one) for one in servers[: most + 2]]).play_on(
            database
        )
    assert told.reasons[: most + 2] == (*["act"] * most, "budget.share", "budget.share")
    assert set(told.verdicts.values()) == {"healed"}


@pytest.mark.parametrize("minute", [20, 120], ids=["before the hour", "after the hour"])
def test_an_interruption_that_is_past_is_asked_about_no_longer(minute: int) -> None:
    """The attempts at leaving were used up and nobody answered: hours later the same server stops, and is started."""
    cloud = FakeCloud()
    web = cloud.server("i-web", tags=PROD, order=replace(PLAIN, spot=True, reclaim=Reclaim.STOP))
    cloud.server("i-other", tags=PROD)
    for number in range(3):
        cloud.group("lb-1", f"rsp-{number}", Member("i-web", 80, 100), Member("i-other", 80, 100))
    leave = RULE | {
        "name": "leave",
        "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
        "playbook": "spot_evacuate",
    }
    scene = Scene(cloud, rules=[leave, RULE], events=[cloud.reclaim(web, "stop")])
    scene.later(timedelta(minutes=10), lambda: cloud.reclaim(web, "stop"))
    scene.later(timedelta(minutes=minute), lambda: cloud.lock(web))
    scene.later(timedelta(minutes=121), lambda: cloud.changes(web, "Running"))
    scene.later(timedelta(minutes=140), lambda: cloud.power_off(web))
    told = scene.play()
    assert told.reasons[:3] == ("act", "attempts_used", "act")
    assert (told.verdicts, told.waits, told.actions[-1]) == ({"i-web": "healed"}, {}, "start i-web")
    assert told.notices.count("incident.not_healed") == 1


def test_an_old_backlog_meets_the_storm_guard_as_one() -> None:
    """After a night of downtime nothing of a group's backlog is begun: its first is held for a person like its last."""
    cloud, scene = fleet(10, 6, limits=STORM)
    cloud.clock.advance(timedelta(hours=8))
    told = scene.play()
    assert told.actions == ()
    assert told.reasons == ("storm",) * 6
    assert (told.notices.count("storm"), told.notices.count("approval.asked")) == (1, 1)


@pytest.mark.parametrize(("age", "begun"), [(9, ("start i-0",)), (11, ())])
def test_what_is_older_than_ten_minutes_is_a_backlog(age: int, begun: tuple[str, ...]) -> None:
    """Nine minutes late are news, whose first server is begun; of eleven minutes nothing is."""
    cloud, scene = fleet(10, 6, limits=STORM)
    cloud.clock.advance(timedelta(minutes=age))
    told = scene.play()
    assert told.actions == begun
    assert set(told.waits.values()) == {"storm"}


@pytest.mark.parametrize(("together", "begun"), [(1, 4), (2, 4), (3, 3), (6, 0)])
def test_an_old_backlog_is_counted_over_its_commits(together: int, begun: int) -> None:
    """However few come in one commit: fewer than make a storm are begun, and of what comes in one commit none is."""
    cloud = FakeCloud()
    servers = [cloud.server(f"i-{number}", tags=PROD) for number in range(10)]
    messages = [cloud.power_off(one) for one in servers[:6]]
    cloud.clock.advance(timedelta(hours=8))
    scene = Scene(cloud, rules=[RULE | {"limits": STORM}])
    for number, message in enumerate(messages):
        scene.later(timedelta(seconds=1 + 30 * (number // together)), lambda one=message: one)  # type: ignore[misc]
    told = scene.play()
    assert told.actions == tuple(f"start i-{number}" for number in range(begun))
    assert set(told.waits.values()) == {"storm"}
    assert told.notices.count("storm") == 1


def test_a_start_that_takes_an_hour_is_a_row_and_the_server_is_healed() -> None:
    """The look ends after a minute; the run goes on when the server runs, with the attempt that it had made."""
    cloud = FakeCloud(boot=timedelta(hours=1))
    web = cloud.server("i-web", tags=PROD)
    told = Scene(cloud, rules=[RULE | {"with": {"start_timeout": "2h"}}], events=[cloud.power_off(web)]).play()
    assert told.verdicts == {"i-web": "healed"}
    assert told.actions == ("start i-web",)
    assert "underway" in told.reasons


def test_a_start_that_never_comes_to_its_end_is_told() -> None:
    """Past its time-out, counted over all looks, the verdict says so; it is not started a second time."""
    cloud = FakeCloud(boot=timedelta(hours=3))
    web = cloud.server("i-web", tags=PROD)
    told = Scene(cloud, rules=[RULE | {"with": {"start_timeout": "10m"}}], events=[cloud.power_off(web)]).play()
    assert (told.verdicts, told.evidence["i-web"]["code"]) == ({"i-web": "not healed"}, "start_timeout")
    assert told.actions == ("start i-web",)


def test_what_was_locked_is_healed_when_the_lock_is_gone() -> None:
    """A server that somebody paid for two hours later is started then."""
    cloud, scene = fleet(1, 1)
    server = cloud.now("i-0")
    assert server is not None
    cloud.lock(server.id, "financial")
    cloud.clock.plan(timedelta(hours=2), lambda: cloud.lock(server.id))
    told = scene.play()
    assert told.verdicts == {"i-0": "healed"}
    assert set(told.reasons) == {"act", "locked"}


def test_a_server_that_falls_after_every_heal_is_put_into_quarantine() -> None:
    """Three heals within the hour are enough: the fourth stop is held for a person, once, and nothing is started."""
    cloud, scene = fleet(
        1, 1, limits={"attempts": 9, "flaps": 3, "flap_window": "1h", "per_hour": 100, "cool_down": "1s"}
    )
    web = cloud.now("i-0").id  # type: ignore[union-attr]  # it is there
    for minutes in (10, 20, 30):
        scene.later(timedelta(minutes=minutes), lambda: cloud.power_off(web))
    told = scene.play()
    assert told.actions == ("start i-0",) * 3
    assert [reason for reason in told.reasons if reason != "underway"] == ["act", "act", "act", "flapping"]
    assert told.waits == {"i-0": "flapping"}
    assert told.notices.count("approval.asked") == 1


def test_a_server_that_held_out_is_no_longer_flapping() -> None:
    """Heals outside of the window do not count: the same four stops, hours apart, are four heals."""
    cloud, scene = fleet(
        1, 1, limits={"attempts": 9, "flaps": 3, "flap_window": "1h", "per_hour": 100, "cool_down": "1s"}
    )
    web = cloud.now("i-0").id  # type: ignore[union-attr]  # it is there
    for hours in (1.4, 2.8, 4.2):
        scene.later(timedelta(hours=hours), lambda: cloud.power_off(web))
    told = scene.play()
    assert told.actions == ("start i-0",) * 4
    assert told.waits == {}
