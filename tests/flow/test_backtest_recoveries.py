"""Faults and recoveries that the pipeline recorded, before the same rules: a backtest joins them as it did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cloudheal.act.library import library_of
from cloudheal.act.playbook import End, Playbook
from cloudheal.decide.rulebook import rule_book
from cloudheal.model.incident import Healed
from cloudheal.model.inventory import Description
from cloudheal.model.resource import ResourceId
from cloudheal.pipeline.backtest import Report, Terms, World, against_record, against_rules
from cloudheal.plugins import Found
from cloudheal.record.history import recorded
from cloudheal.record.inventory import describe, everything
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.rules import RuleFile
from cloudheal.testing import FakeCloud, Scene
from cloudheal.testing.stage import stage
from tests.flow.tencent import called, pushed

#: One thing that is told: what, of which server, after how many seconds, and how long before that it happened.
Told = tuple[str, int, int, int]
WAYS = ("event fault", "event recovery", "callback fault", "callback recovery", "agent fault", "agent recovery")


class Nothing(BaseModel):
    """No parameters."""


def _looks_for_two_minutes(case: Any, _hands: object) -> End:
    case.wait(120, lambda: False)
    return End(Healed.HEALED, "looked")


LOOKED = Playbook(
    "looked", ("unreachable",), Nothing, ("servers", "start"), reversible=True, run=_looks_for_two_minutes
)
REPAIR: dict[str, Any] = {
    "name": "repair",
    "when": {"type": ["cvm:ErrorEvent:PingUnreachable", "Agent_Status_Stopped"]},
    "resources": {"all": True},
    "playbook": "looked",
    "mode": "auto",
}


class Outages:
    """Servers that are lost and found again, as several sources tell; what they tell may come in any order."""

    def __init__(self, told: list[Told], rule: dict[str, Any]) -> None:
        self.cloud = FakeCloud()
        self.rule = rule
        self._told = sorted(told, key=lambda one: one[2])
        self._servers = [self.cloud.server(f"i-{number}") for number in range(2)]

    def replayed(self) -> tuple[Report, Report]:
        """Let the real pipeline record it; returns what a backtest makes of the record, and of two equal files."""
        scene = Scene(self.cloud, rules=[self.rule], playbooks=[LOOKED])
        for one in self._told:
            scene.later(timedelta(seconds=one[2]), lambda one=one: self._message(*one))  # type: ignore[misc]
        rules = rule_book(RuleFile.model_validate({"rules": [self.rule]}).rules)
        playbooks = library_of([Found("looked", "the test", LOOKED)], TRIGGERS).playbooks
        with stage() as database:
            with database.transaction() as connection:
                describe(connection, [Description(one, self.cloud.clock.now(), "Running") for one in self._servers])
            scene.play_on(database)
            with database.snapshot() as connection:
                place = World(playbooks, trouble_of, tuple(everything(connection)), as_promoted=True)
                ours = against_record(recorded(connection), rules, place, Terms())
                return ours, against_rules(recorded(connection), rules, rules, place, Terms())

    def _message(self, what: str, number: int, _after: int, ago: int) -> bytes:
        at, server = self.cloud.clock.now() - timedelta(seconds=ago), self._servers[number]
        way, told = what.split()
        if way == "agent":
            return self._of_agent(server, told)
        status = {"fault": "1", "recovery": "0"}[told]
        name = f"ins-heal000{number}"
        if way == "event":
            return pushed(name, status, at)
        return called(name, status, at - timedelta(minutes=1), at if told == "recovery" else None)

    def _of_agent(self, server: ResourceId, told: str) -> bytes:
        return self.cloud.loses_contact(server) if told == "fault" else self.cloud.is_heard_again(server)


told = st.lists(
    st.tuples(st.sampled_from(WAYS), st.integers(0, 1), st.integers(1, 600), st.sampled_from([0, 2, 90])),
    min_size=2,
    max_size=12,
)
limits = st.sampled_from([{}, {"at_once": 1}, {"cool_down": "3m", "flaps": 9}, {"attempts": 1, "flaps": 1}])


@given(told=told, limits=limits, mode=st.sampled_from(["auto", "auto", "ask"]))
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_recoveries_join_in_a_backtest_as_they_did(told: list[Told], limits: dict[str, Any], mode: str) -> None:
    """Whoever tells what when: every event is decided as the record says, joined recoveries among them."""
    ours, alike = Outages(told, REPAIR | {"limits": limits, "mode": mode}).replayed()
    assert ours.differences == ()
    assert (ours.held_against, ours.differing) == ("record", 0)
    assert (alike.differing, alike.compared) == (0, alike.events)


@pytest.mark.soak
@given(told=told, limits=limits, mode=st.sampled_from(["auto", "auto", "ask"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_recoveries_join_in_a_backtest_as_they_did_hundreds_of_times(
    told: list[Told], limits: dict[str, Any], mode: str
) -> None:
    """The same with fresh chance."""
    ours, _ = Outages(told, REPAIR | {"limits": limits, "mode": mode}).replayed()
    assert ours.differences == ()


def test_a_recovery_that_overtook_its_fault_joins_it() -> None:
    """Both are told of, the recovery first: the backtest says of it, too, that it belongs to the incident."""
    ours, _ = Outages([("event recovery", 0, 5, 0), ("event fault", 0, 10, 30)], REPAIR).replayed()
    assert ours.differing == 0
    assert {(one.reason, one.would, one.other) for one in ours.counts} == {("act", 1, 1), ("joined", 1, 1)}
