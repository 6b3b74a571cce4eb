"""A drill that cannot fail proves nothing: each of these handlers is broken in one way, and the right step says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudheal.drills.files import library, scenario_named
from cloudheal.drills.outcome import Result
from cloudheal.drills.scenario import Step
from tests.drills.rehearsals import rehearsed, shown, simulated_left
from tests.sim.simulator import RunningSimulator

Break = Callable[[dict[str, Any]], object]

#: Playbooks that somebody may have written: one says that it healed and did nothing, one heals and is not sure.
CARELESS = """
from dataclasses import replace
from cloudheal.extend import Playbook
from cloudheal.act.playbook import End
from cloudheal.model.incident import Healed
from cloudheal.playbooks.restart_stopped import RESTART_STOPPED, restart_stopped

def say_so(case, hands):
    return End(Healed.HEALED, "running", {})

def be_unsure(case, hands):
    ended = restart_stopped(case, hands)
    return replace(ended, healed=Healed.UNKNOWN) if isinstance(ended, End) else ended

SAYS_SO = replace(RESTART_STOPPED, name="says_so", run=say_so)
IS_UNSURE = replace(RESTART_STOPPED, name="is_unsure", run=be_unsure)
"""


def rule(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a rule of the settings, to be changed where it stands."""
    number = next(number for number, one in enumerate(document["rules"]) if one["name"] == name)
    document["rules"][number] = {**document["rules"][number]}
    found: dict[str, Any] = document["rules"][number]
    return found


def without(name: str) -> Break:
    """Leave a rule out."""
    return lambda document: document.update(rules=[one for one in document["rules"] if one["name"] != name])


def in_shadow(name: str) -> Break:
    """Let a rule only record."""
    return lambda document: rule(document, name).update(mode="shadow")


def never_looks(document: dict[str, Any]) -> None:
    """Look at the cloud once a month."""
    document["poll"] = {"sweep": "30d", "system_events": None}


def reads_no_holds(document: dict[str, Any]) -> None:
    """Look for holds under a tag that nobody uses."""
    document["accounts"] = [{**document["accounts"][0], "hold_tag": "something:else"}]


def careless(playbook: str) -> Break:
    """Answer stops with a playbook of somebody's own."""

    def change(document: dict[str, Any]) -> None:
        folder = Path(document["database"].removeprefix("sqlite:///")).parent / "playbooks"
        folder.mkdir()
        (folder / "careless.py").write_text(CARELESS, encoding="utf-8")
        document["extensions"] = {"folders": [str(folder)]}
        document["rules"] = [{**document["rules"][0], "playbook": playbook}]

    return change


def all_at_once(document: dict[str, Any]) -> None:
    """Let every member of a group be rebooted at the same time."""
    document["maintenance"] = {"at_once": 4}


def told_otherwise(name: str, **changes: Any) -> Break:
    """Change a rule."""
    return lambda document: rule(document, name).update(changes)


def hardly_any_margin(document: dict[str, Any]) -> None:
    """Take five minutes for the work and leave one until the cloud's own time."""
    document["maintenance"] = {"margin": "1m"}
    rule(document, "planned-reboots").update({"with": {"lasts": "5m"}})


FREE = {"storm_share": 1.0, "storm_members": 1000}
MUTATIONS = {
    "a rule that nobody trusts": (
        *("maintenance-reboot-handled", in_shadow("planned-reboots")),
        *("decision reason=plan", "planned-reboots: shadow"),
    ),
    "a rule that is missing": (
        "spot-reclaim",
        without("leave-the-balancer-before-spot-release"),
        "decision reason=act",
        "",
    ),
    "a handler that never looks": ("lost-messages", never_looks, "event type=Instance:StateChange", ""),
    "a hold that is not read": (
        "hold-respected",
        reads_no_holds,
        "decision reason=held",
        "restart-unexpected-stop: act",
    ),
    "a plan that takes a group down at once": ("mass-maintenance", all_at_once, "plan policy=handle", "handle at"),
    "a called-off plan that nobody made": (
        *("maintenance-cancelled-midway", without("planned-reboots")),
        *("plan policy=handle", ""),
    ),
    "a rule that does what it was to leave": (
        *("maintenance-left-alone", told_otherwise("watch-planned-reboots", **{"with": {}})),
        *("plan policy=leave", "handle at"),
    ),
    "a plan that is made however late": (
        *("maintenance-too-late", hardly_any_margin),
        *("plan binding=too_late", "handle at"),
    ),
    "a preparation that fails": (
        *(
            "maintenance-reboot-real",
            told_otherwise("planned-reboots", **{"with": {"drain": "1s", "command": "false"}}),
        ),
        *("action step=reboot * outcome=ok", ""),
    ),
    "a question that nobody asks": ("redeploy-asked-about", without("ask-about-the-rest"), "run playbook=ask", ""),
    "a failure that nobody looks after": (
        "system-failure-survived",
        without("after-failures"),
        "run playbook=check",
        "",
    ),
    "a storm that nobody sees": (
        *("stop-storm", told_otherwise("restart-unexpected-stop", limits=FREE)),
        *("decision reason=storm", "restart-unexpected-stop: "),
    ),
    "a server that may flap for ever": (
        *("flapping", told_otherwise("restart-unexpected-stop", limits={"flaps": 100, "attempts": 100})),
        *("decision reason=flapping", "restart-unexpected-stop: act"),
    ),
    "a verdict that is unsure": ("doubled-messages", careless("is_unsure"), "verdict healed=healed", "unknown"),
    "a second handler that only records": (
        *("handler-restarted", in_shadow("restart-unexpected-stop")),
        *("decision reason=act", "restart-unexpected-stop: shadow"),
    ),
    "a playbook that only says so": ("stop-restarted", careless("says_so"), "action step=start *", ""),
    "a wrong verdict": ("stop-restarted", careless("is_unsure"), "verdict healed=healed", "stopped: unknown (running)"),
}


#: Those that every run of the tests makes, one for each kind of thing that a step is about; `make soak` makes all.
OFTEN = {
    "a rule that nobody trusts",
    "a handler that never looks",
    "a plan that takes a group down at once",
    "a preparation that fails",
    "a wrong verdict",
}


def test_every_scenario_is_tried_on_a_handler_that_it_must_fail() -> None:
    """A scenario that is added without one may be unable to fail."""
    proof = {one.name for one in library() if one.fails_at}
    assert {scenario for scenario, _, _, _ in MUTATIONS.values()} | proof == {one.name for one in library()}


@pytest.mark.parametrize(
    "name", [one if one in OFTEN else pytest.param(one, marks=pytest.mark.soak) for one in MUTATIONS]
)
def test_a_broken_handler_fails_at_the_right_step(name: str, simulator: RunningSimulator, tmp_path: Path) -> None:
    """The step that the mistake is about is named, with what there was instead, and nothing is left behind."""
    scenario, change, step, instead = MUTATIONS[name]
    report = rehearsed(simulator, scenario_named(scenario), tmp_path, change)
    failed = report.failed
    assert failed is not None, shown(report)
    assert failed.title.startswith(step), shown(report)
    assert failed.result is Result.FAIL
    assert instead in "\n".join(failed.seen), shown(report)
    assert failed.missing
    assert simulated_left(simulator) == []


def test_a_rule_that_selects_too_few_fails_for_the_others(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Of four servers one is handled; the report names the three that are not."""
    scenario = scenario_named("mass-maintenance")

    def only_one(document: dict[str, Any]) -> None:
        document["rules"] = [{**rule(document, "planned-reboots"), "resources": {"ids": ["i-bp1web01"]}}]

    report = rehearsed(simulator, scenario, tmp_path, only_one)
    assert report.failed is not None, shown(report)
    assert report.failed.title == "decision reason=plan"
    assert report.failed.missing == ("i-bp1web02", "i-bp1web03", "i-bp1web04")
    assert report.cancelled == 4


def test_what_must_never_be_fails_also_when_it_comes_late(simulator: RunningSimulator, tmp_path: Path) -> None:
    """A step that passed when it was come to fails at the end, when it happened after all."""
    scenario = scenario_named("stop-restarted")
    never = next(one for one in scenario_named("hold-respected").steps if one.never is not None)
    first = scenario.model_copy(update={"steps": [never, *scenario.steps]})
    report = rehearsed(simulator, first, tmp_path)
    assert report.failed is not None, shown(report)
    assert report.failed.number == 1
    assert report.failed.seen == ("start 1",)


def test_faults_of_a_scenario_do_not_keep_its_events_from_being_taken_back(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    """What the scenario broke is mended first: the cloud that refuses every cancelling is that of the steps only."""
    fault = {"kind": "error", "status": 403, "code": "Forbidden", "message": "no"}
    handled = scenario_named("maintenance-reboot-handled")
    refusing = Step.model_validate({"faults": [{"action": "CancelSimulatedSystemEvents", "fault": fault}]})
    scenario = handled.model_copy(update={"steps": [*handled.steps[:2], refusing]})
    report = rehearsed(simulator, scenario, tmp_path)
    assert (report.passed, report.left) == (True, ()), shown(report)
    assert simulated_left(simulator) == []
    assert simulator.control("GET", "faults")["rules"] == []
