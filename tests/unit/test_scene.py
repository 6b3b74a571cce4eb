"""What authors are given for their tests: scenes tell what the product would do, and crashes find what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from cloudheal.errors import SettingsError
from cloudheal.extend import Case, End, Hands, Healed, Kind, Member, Order, Outcome, Playbook, Trigger
from cloudheal.testing import FakeCloud, Scene, VirtualClock, assert_replays, message
from cloudheal.testing.clock import START
from cloudheal.testing.engine import Death
from tests.usual import RULE

EVACUATE: dict[str, Any] = {
    "name": "evacuate",
    "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
    "resources": {"all": True},
    "playbook": "spot_evacuate",
    "with": {"replace": True},
    "mode": "auto",
}
PROD = {"env": "prod"}
SPOT = Order("ecs.g7.large", "cn-hangzhou-h", "m-1", "vsw-1", ("sg-1",), "web", spot=True)


class Nothing(BaseModel):
    """No parameters."""


def restart(change: Callable[[FakeCloud], object] = lambda _: None, **rule: Any) -> Scene:
    """Return a scene in which a server of production stops."""
    cloud = FakeCloud()
    web = cloud.server("i-web", tags=PROD)
    stopped = cloud.power_off(web)
    change(cloud)
    return Scene(cloud, rules=[RULE | rule], events=[stopped])


def evacuation() -> Scene:
    """Return a scene in which a spot server behind a balancer is reclaimed."""
    cloud = FakeCloud()
    web = cloud.server("i-web", order=SPOT)
    cloud.server("i-peer")
    cloud.group("lb-1", "g-1", Member("i-web", 8080, 30), Member("i-peer", 8080, 55))
    return Scene(cloud, rules=[EVACUATE], events=[cloud.reclaim(web)])


def test_a_server_that_is_in_a_group_after_all_is_no_success() -> None:
    """Somebody puts it back on another port after it was removed: what is read back counts, not the calls."""
    cloud = FakeCloud(boot=timedelta(minutes=1))
    web = cloud.server("i-web", order=SPOT)
    cloud.server("i-peer")
    place = cloud.group("lb-1", "g-1", Member("i-web", 8080, 30), Member("i-peer", 8080, 55))
    scene = Scene(cloud, rules=[EVACUATE | {"with": {"replace": True, "drain": "0s"}}], events=[cloud.reclaim(web)])

    def put_back() -> None:
        cloud.balancers.groups[place].append(Member("i-web", 9090, 30))

    told = scene.later(timedelta(seconds=30), put_back).play()
    assert (told.verdicts["i-web"], told.evidence["i-web"]["code"]) == ("not healed", "still_in_group")
    assert told.evidence["i-web"]["still_in"] == "lb-1/g-1"
    assert told.notices.count("incident.not_healed") == 1


def test_a_mass_reclaim_buys_no_more_than_the_hour_allows() -> None:
    """Three are taken away and leave; two are replaced, and people are told why the third is not."""
    cloud = FakeCloud()
    going = [cloud.server(f"i-{number}", order=SPOT) for number in range(3)]
    cloud.server("i-peer")
    cloud.group("lb-1", "g-1", *(Member(f"i-{number}", 80, 9) for number in range(3)), Member("i-peer", 80, 9))
    rule = EVACUATE | {"with": {"replace": True, "orders_per_hour": 2}}
    told = Scene(cloud, rules=[rule], events=[cloud.reclaim(one) for one in going]).play()
    assert sum(one.startswith("order ") for one in told.actions) == 2
    assert sorted(told.verdicts[f"i-{number}"] for number in range(3)) == ["healed", "healed", "not healed"]
    (left,) = [one for one in told.evidence.values() if one["code"] == "not_replaced"]
    assert left["offers"].endswith(": budget.orders")
    assert "lb-1/g-1" in left["removed"]
    assert told.notices.count("incident.not_healed") == 1


def played_by(run: Callable[[Case, Hands], End]) -> Callable[[], Scene]:
    """Return a scene for a playbook of the test's own."""
    mine = Playbook("mine", ("stopped",), Nothing, ("servers", "start"), reversible=True, run=run)

    def scene() -> Scene:
        cloud = FakeCloud()
        web = cloud.server("i-web", tags=PROD)
        return Scene(cloud, rules=[RULE | {"playbook": "mine"}], playbooks=[mine], events=[cloud.power_off(web)])

    return scene


def test_a_stop_is_healed_and_everything_is_told() -> None:
    """Decision, action, verdict with its evidence, and no notice."""
    told = restart().play()
    assert told.reasons == ("act",)
    assert told.actions == ("start i-web",)
    assert told.verdicts == {"i-web": "healed"}
    assert told.evidence["i-web"]["code"] == "running"
    assert told.notices == ()


def test_hours_of_waiting_take_no_time() -> None:
    """A server that falls back three times is started three times; people are told, long before the test is tired."""
    cloud = FakeCloud(boot=timedelta(hours=1))
    web = cloud.server("i-web", tags=PROD)
    cloud.falls_back(web, times=9)
    scene = Scene(cloud, rules=[RULE | {"with": {"start_timeout": "2h"}}], events=[cloud.power_off(web)])
    began, at = time.process_time(), cloud.clock.now()
    told = scene.play()
    assert told.actions == ("start i-web",) * 3
    assert told.waits == {"i-web": "attempts_used"}
    assert told.notices == ("escalated", "approval.asked")
    assert cloud.clock.now() - at >= timedelta(hours=3)
    assert time.process_time() - began < 20  # a guard against real waiting, not a measurement


@pytest.mark.parametrize(
    ("change", "verdict", "code", "starts"),
    [
        (lambda cloud: cloud.throttles("start"), "healed", "running", 1),
        (lambda cloud: cloud.loses_the_answer("start"), "healed", "running", 1),
        (lambda cloud: cloud.loses_the_call("start"), "healed", "running", 1),
        (lambda cloud: cloud.refuses("start", "InsufficientBalance"), "not healed", "InsufficientBalance", 0),
        (lambda cloud: cloud.release(cloud.now("i-web").id), "not needed", "gone", 0),
    ],
    ids=["throttled", "answer lost", "call lost", "refused", "released"],
)
def test_the_cloud_has_bad_days(change: Callable[[FakeCloud], object], verdict: str, code: str, starts: int) -> None:
    """Whatever becomes of a call, a server is started once or not at all, and the verdict says why."""
    told = restart(change).play()
    assert (told.verdicts["i-web"], told.evidence["i-web"]["code"]) == (verdict, code)
    assert told.actions == ("start i-web",) * starts


def test_a_locked_server_is_left_to_whoever_locked_it() -> None:
    """It waits, is looked at again and again, and nothing is called."""

    def lock(cloud: FakeCloud) -> None:
        server = cloud.now("i-web")
        assert server is not None
        cloud.lock(server.id, "security")

    told = restart(lock).play()
    assert (told.waits, told.actions) == ({"i-web": "locked.security"}, ())
    assert told.verdicts == {"i-web": ""}


def test_guards_are_the_real_ones() -> None:
    """A rule that nobody promoted decides and does nothing; a resource that it does not select is not touched."""
    cloud = FakeCloud()
    web, other = cloud.server("i-web", tags=PROD), cloud.server("i-other")
    events = [cloud.power_off(web), cloud.power_off(web), cloud.power_off(other)]
    told = Scene(cloud, rules=[RULE], events=events, trusted=False).play()
    assert [(one.resource, one.reason) for one in told.decisions] == [("i-web", "shadow"), ("i-other", "not_selected")]
    assert told.actions == ()


def test_things_happen_later() -> None:
    """What is planned for later happens while the scene goes on, and its message is taken in at its time."""
    cloud = FakeCloud()
    web = cloud.server("i-web", tags=PROD)
    scene = Scene(cloud, rules=[RULE]).later(timedelta(hours=2), lambda: cloud.power_off(web))
    told = scene.play()
    assert told.verdicts == {"i-web": "healed"}
    assert cloud.clock.now() >= START + timedelta(hours=2)


def test_an_evacuation_is_played_whole() -> None:
    """Order, drain, removal and joining happen in the order in which the playbook does them."""
    told = evacuation().play()
    assert [one.partition(" ")[0] for one in told.actions] == ["order", "set_weights", "remove", "add"]
    assert told.verdicts == {"i-web": "healed"}


def test_the_built_in_playbooks_survive_every_death() -> None:
    """Each step dies once before its checkpoint and once after it; every action is done once."""
    assert assert_replays(restart) == 2 * len(restart().play().steps)


def test_an_evacuation_survives_a_death_at_its_order() -> None:
    """The order whose answer died with the process is not made twice."""
    whole = evacuation().play()
    step = whole.steps.index("order 1: call") + 1
    told = evacuation().dying(Death(step, checkpointed=False)).play()
    assert sorted(told.actions) == sorted(whole.actions)


def test_a_playbook_that_decides_by_itself_is_found_out() -> None:
    """A playbook that asks anything but its hands goes another way on replay, which the helper names."""
    calls: list[int] = []

    def fickle(case: Case, hands: Hands) -> End:
        calls.append(1)
        hands.read(f"look {len(calls)}", dict)
        return End(Healed.HEALED, "told")

    with pytest.raises(AssertionError, match=r"step 1 was 'look \d+' at first, and is 'look \d+' on replay"):
        assert_replays(played_by(fickle))


def test_a_playbook_that_acts_outside_of_its_hands_is_found_out() -> None:
    """A call that no intent protects is made again by whoever follows, and shows as two actions."""

    def careless(case: Case, hands: Hands) -> End:
        case.compute.start(case.resource.region, case.resource.id, 1)
        hands.read("look", dict)
        return End(Healed.HEALED, "told")

    with pytest.raises(AssertionError, match=r"dead before the checkpoint of 'look'"):
        assert_replays(played_by(careless))


def test_a_playbook_that_leaves_out_a_step_on_replay_is_found_out() -> None:
    """Fewer steps than at first are as wrong as other ones."""
    calls: list[int] = []

    def lazy(case: Case, hands: Hands) -> End:
        calls.append(id(case.compute))
        for number in range(1 if calls.count(id(case.compute)) > 1 else 3):
            hands.read(f"look {number}", dict)
        return End(Healed.HEALED, "told")

    with pytest.raises(AssertionError, match="on replay"):
        assert_replays(played_by(lazy))


def test_a_death_that_never_comes_is_no_proof() -> None:
    """A playbook that takes fewer steps in another scene alike was not tried at all of them."""
    calls: list[int] = []

    def fewer(case: Case, hands: Hands) -> End:
        calls.append(1)
        for number in range(3 if len(calls) == 1 else 1):
            hands.read(f"look {number}", dict)
        return End(Healed.HEALED, "told")

    with pytest.raises(AssertionError, match="the scene never came to that step"):
        assert_replays(played_by(fewer))


def test_a_trigger_of_a_playbook_opens_a_trouble_of_its_own() -> None:
    """An event that nothing built in knows starts the playbook that declares it, once for each id."""

    def tell(case: Case, hands: Hands) -> End:
        return End(Healed.NOT_NEEDED, "told", {"trouble": str(case.trouble)})

    slow = Trigger("disk_slow", "Disk:Slow", id_field="eventId")
    mine = Playbook("tell", ("disk_slow",), Nothing, (), reversible=True, run=tell, triggers=(slow,))
    rule = {
        "name": "r",
        "when": {"type": ["Disk:Slow"]},
        "resources": {"all": True},
        "playbook": "tell",
        "mode": "auto",
    }
    cloud = FakeCloud()
    web = cloud.server("i-web")
    event = message(web, "Disk:Slow", {"eventId": "e-7", "instanceId": "i-web"}, cloud.clock.now())
    told = Scene(cloud, rules=[rule], playbooks=[mine], events=[event]).play()
    assert told.evidence["i-web"] == {"code": "told", "trouble": "disk_slow:e-7"}


def test_an_action_of_unknown_outcome_is_not_repeated() -> None:
    """A call that cannot be settled ends the incident as unknown."""

    def blind(case: Case, hands: Hands) -> End:
        done = hands.act("start", {}, lambda seconds: _start(case, seconds), lambda _: None)
        return End(Healed.UNKNOWN if done.kind is Kind.UNKNOWN else Healed.HEALED, done.code or "started")

    scene = played_by(blind)()
    scene.cloud.loses_the_answer("start")
    told = scene.play()
    assert told.verdicts == {"i-web": "unknown"}
    assert told.actions == ("start i-web",)


def _start(case: Case, seconds: float) -> Outcome:
    return Outcome(Kind.OK, request_id=case.compute.start(case.resource.region, case.resource.id, seconds))


def test_a_scene_refuses_what_a_settings_file_would() -> None:
    """A playbook that cannot be loaded, and parameters that do not fit, end the test before anything is played."""
    mine = Playbook(
        "Mine!", ("stopped",), Nothing, ("fly",), reversible=True, run=lambda _case, _hands: End(Healed.HEALED, "")
    )
    with pytest.raises(SettingsError, match="lower case"):
        Scene(FakeCloud(), rules=[RULE], playbooks=[mine])
    with pytest.raises(ValueError, match="max_attempts"):
        Scene(FakeCloud(), rules=[RULE | {"with": {"max_attempts": 99}}])


def test_the_clock_does_on_its_way_what_was_planned() -> None:
    """Things happen in order, each at its moment, also those planned by others on the way."""
    clock, seen = VirtualClock(), list[tuple[str, float]]()

    def note(name: str) -> bool:
        seen.append((name, (clock.now() - START).total_seconds()))
        return True

    clock.plan(timedelta(seconds=5), lambda: note("b"))
    clock.plan(timedelta(seconds=2), lambda: (note("a"), clock.plan(timedelta(seconds=1), lambda: note("a again"))))
    assert clock.next == START + timedelta(seconds=2)
    clock.advance(timedelta(seconds=10))
    assert seen == [("a", 2.0), ("a again", 3.0), ("b", 5.0)]
    assert clock.now() == START + timedelta(seconds=10)
