"""Before anything is created a drill says what it would touch, and refuses what would be harmful or mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cloudheal.app.drilling import simulator_of
from cloudheal.drills.files import scenario_named
from cloudheal.drills.ground import Ground
from cloudheal.drills.outcome import Note, Result, Why
from cloudheal.drills.preflight import PreflightError, of_one_group, preflight
from cloudheal.drills.runner import Watcher, run_drill
from cloudheal.drills.scenario import Scenario
from cloudheal.drills.stage.setting_up import Stage
from cloudheal.model.control import Hold
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.settings.schema import Settings
from tests.drills.rehearsals import shown, simulated_left
from tests.sim.simulator import RunningSimulator

HANDLED = scenario_named("maintenance-reboot-handled")


def real(ground: Ground) -> Ground:
    """Return the ground as it is on a real account, with somebody else's handler."""
    return replace(ground, cloud=None, handler=None)


def like(scenario: Scenario, **changes: Any) -> Scenario:
    """Return a scenario with other contents."""
    return Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True, exclude_unset=True) | changes)


def test_the_scope_is_told_before_anything_is_created(ground: Ground, simulator: RunningSimulator) -> None:
    """Account, region, servers, who answers in which mode, dry or real, and what it costs of the cloud's limits."""
    ready = preflight(ground, HANDLED, allow_real=False)
    assert ready.scope.account == "alibaba/1000000000000001"
    assert ready.scope.region == "cn-hangzhou"
    assert ready.scope.servers == ("i-bp1web01",)
    assert ready.scope.rules == (
        "planned-reboots (reboot_in_window, auto)",
        "ask-about-the-rest (ask_about_event, auto)",
    )
    assert (ready.scope.real, ready.scope.calls, ready.scope.scheduled) == (False, 1, 0)
    assert ready.scope.notes == ()
    assert simulated_left(simulator) == []


def test_targets_of_one_group_are_those_of_the_largest() -> None:
    """Who comes first by id does not matter: four of one group are four of one group."""
    at = datetime.fromisoformat("2026-03-06T10:00:00+00:00")

    def server(id_: str, group: str) -> Resource:
        named = ResourceId(Cloud.ALIBABA, "1", "cn-hangzhou", "instance", id_)
        return Resource(named, at, "Running", id_, "z", group, {})

    among = [server("i-1", "db"), server("i-2", "web"), server("i-3", "web"), server("i-4", "db"), server("i-5", "web")]
    assert [one.id.id for one in of_one_group(among)] == ["i-2", "i-3", "i-5"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stop-restarted", r"step 1 \(chaos do=power_off\) can be done to a simulated cloud only"),
        ("lost-messages", r"step 1 \(faults lost-event\) can be done to a simulated cloud only"),
        ("handler-killed", r"step 4 \(handler kill\) is for a handler of the drill's own"),
        ("maintenance-reboot-real", r"lets the handler act for real on its targets, and nobody has said so"),
    ],
)
def test_a_real_account_refuses_by_name_what_is_not_for_it(ground: Ground, name: str, said: str) -> None:
    """Nothing is created, and the step that must not be is named."""
    with pytest.raises(PreflightError, match=said):
        run_drill(real(ground), scenario_named(name), Watcher())


def test_what_only_a_simulator_shows_is_skipped_on_a_real_account(ground: Ground) -> None:
    """One file serves both: the drill passes, and says that nobody knows which calls the cloud took."""
    report = run_drill(real(ground), HANDLED, Watcher())
    assert report.passed, shown(report)
    skipped = [(one.title, one.why) for one in report.steps if one.result is Result.SKIPPED]
    assert skipped == [("never call action=RebootInstance", Why.NO_JOURNAL)]


def test_real_actions_are_refused_where_the_scenario_expects_dry_ones(ground: Ground) -> None:
    """It could only fail, and something would have been rebooted for it."""
    with pytest.raises(PreflightError, match="expects dry actions"):
        preflight(real(ground), HANDLED, allow_real=True)
    assert preflight(real(ground), scenario_named("maintenance-reboot-real"), allow_real=True).scope.real


def test_an_account_without_an_endpoint_is_never_taken_for_a_simulator(staging: tuple[Stage, Settings]) -> None:
    """Nobody is even asked; one account of several is enough to make the ground real."""
    stage, settings = staging
    assert simulator_of(settings) == stage.cloud
    (account,) = settings.accounts
    elsewhere = account.model_copy(update={"endpoint": None, "id": "1000000000000002", "name": "real"})
    assert simulator_of(settings.model_copy(update={"accounts": [elsewhere]})) is None
    assert simulator_of(settings.model_copy(update={"accounts": [account, elsewhere]})) is None


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"tags": {"env": ["nowhere"]}}, "select no server"),
        ({}, "select no server"),
        ({"ids": ["i-bp1web01", "i-none"]}, "no such server is known: i-none"),
    ],
)
def test_a_drill_without_servers_is_refused(ground: Ground, targets: Mapping[str, Any], said: str) -> None:
    """An empty selector selects nothing, and a misspelt id is told."""
    with pytest.raises(PreflightError, match=said):
        preflight(ground, like(HANDLED, targets=targets), allow_real=False)


def test_a_pause_and_a_hold_are_told(ground: Ground) -> None:
    """The drill may begin, and whoever reads knows why it comes out otherwise."""
    now = ground.clock.now()
    with ground.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "kim", "deploying", now, None))
        add_hold(connection, Hold("i-bp1web01", "lee", "surgery", now, None))
    try:
        notes = preflight(ground, HANDLED, allow_real=False).scope.notes
    finally:
        with ground.database.transaction() as connection:
            lift_holds(connection, EVERYTHING, now)
            lift_holds(connection, "i-bp1web01", now)
    assert notes == (
        Note("paused", {"scope": EVERYTHING, "who": "kim", "reason": "deploying"}),
        Note("held", {"scope": "i-bp1web01", "who": "lee", "reason": "surgery"}),
    )


def test_a_drill_that_nobody_answers_says_so(ground: Ground) -> None:
    """Without a rule the events are recorded only, which may be what somebody wants to see."""
    alone = replace(ground, rules=replace(ground.rules, rules={}))
    scope = preflight(alone, HANDLED, allow_real=False).scope
    assert scope.rules == ()
    assert scope.notes == (Note("no_rule"),)


def test_a_queue_that_does_not_answer_refuses_the_drill(ground: Ground) -> None:
    """What could only fail does not begin."""
    deaf = replace(ground, queues=lambda: {"prod/ecs-cms-event": "QueueNotExist"})
    with pytest.raises(PreflightError, match="queue prod/ecs-cms-event does not answer: QueueNotExist"):
        preflight(deaf, HANDLED, allow_real=False)


class CrowdedDrills:
    """An account in which many simulated events wait already."""

    def __init__(self, waiting: int, at: datetime) -> None:
        self._waiting, self._at = waiting, at

    def simulated(self, region: str) -> list[SystemEvent]:
        """List them."""
        server = ResourceId(Cloud.ALIBABA, "1000000000000001", region, "instance", "i-other")
        type_ = "Instance:SystemMaintenance.Reboot"
        return [
            SystemEvent(f"e-{number}", type_, server, "Scheduled", not_before=self._at, simulated=True)
            for number in range(self._waiting)
        ]


def test_the_limits_are_known_before_the_drill_hits_them(ground: Ground) -> None:
    """A thousand simulated events may wait; one too many is refused before the first call, with both numbers."""

    def crowded(waiting: int) -> Ground:
        drills: Any = CrowdedDrills(waiting, ground.clock.now())
        return replace(ground, desk=replace(ground.desk, drills_of=lambda _cloud, _account: drills))

    assert preflight(crowded(999), HANDLED, allow_real=False).scope.scheduled == 999
    with pytest.raises(PreflightError, match="1000 are there, 1 are wanted"):
        preflight(crowded(1000), HANDLED, allow_real=False)


def test_without_a_worker_nothing_begins(ground: Ground, staging: tuple[Stage, Settings]) -> None:
    """A drill that nobody handles would prove nothing about the handler."""
    stage, _ = staging
    stage.handler.stop()
    try:
        with pytest.raises(PreflightError, match="nobody handles events: no worker is alive"):
            preflight(ground, HANDLED, allow_real=False)
    finally:
        stage.handler.start()
