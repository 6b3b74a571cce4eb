"""Outages of named servers: each is compared like a scenario, and all of them are told in one table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloudheal.cli.drill_run_texts import DRILL_RUN_EN, DRILL_RUN_ZH
from cloudheal.drills.ground import Ground
from cloudheal.drills.outages import Outage, OutageError, known_server, round_of, rounds_of, scenario_of
from cloudheal.drills.runner import Watcher, run_drill
from cloudheal.model.resource import Cloud
from tests.drills.rehearsals import shown

NAMES = {name.removeprefix("drill.chaos."): text for name, text in DRILL_RUN_EN.items() if "drill.chaos." in name}
QUARTER = timedelta(minutes=15)


def test_servers_that_go_down_come_back_and_are_told_in_one_table(ground: Ground) -> None:
    """Two outages of one server and one of another, hours apart: two alarms, one incident and a heal each."""
    outages = [
        Outage("i-bp1web01", "power_off", QUARTER),
        Outage("i-bp1web02", "power_off", QUARTER),
        Outage("i-bp1web01", "power-off", QUARTER, apart=timedelta(hours=1)),
    ]
    rounds = []
    for one in outages:
        cloud = known_server(ground, one.server).resource.id.cloud
        report = run_drill(ground, scenario_of(one, cloud, NAMES), Watcher())
        assert report.passed, shown(report)
        rounds.append(round_of(ground, one, report))
    found = rounds_of(rounds)
    assert (found.passed, found.healed, found.rate) == (True, 3, 1.0)
    assert [one.verdict for one in rounds] == ["healed"] * 3
    assert all(one.times and one.times.to_act is not None for one in rounds)
    assert found.to_heal.count == 3
    titles = [step.title for step in rounds[0].report.steps]
    assert titles == [NAMES[name] for name in ("down", "alarm.down", "alarm.back", "healed", "back", "one")]


def test_an_outage_that_cannot_be_judged_is_refused_with_what_can(ground: Ground) -> None:
    """A server that nobody knows, and a deed of which it is not known what the cloud says of it."""
    with pytest.raises(OutageError, match="i-nobody is not in the inventory"):
        known_server(ground, "i-nobody")
    with pytest.raises(OutageError, match="known are power_off"):
        scenario_of(Outage("i-bp1web01", "reclaim", QUARTER), Cloud.ALIBABA, NAMES)


def test_no_round_at_all_is_no_success_rate() -> None:
    """Nothing healed of nothing."""
    assert (rounds_of([]).rate, rounds_of([]).to_heal.median) == (0.0, None)


def test_both_languages_say_all_of_it() -> None:
    """Every text of outages stands in both."""
    mine = {name for name in DRILL_RUN_EN if name.startswith("drill.chaos.")}
    assert mine
    assert mine == {name for name in DRILL_RUN_ZH if name.startswith("drill.chaos.")}
