"""Rule files: safe defaults, strict fields, and a digest that tells a changed rule from a promoted one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cloudheal.decide.checking import never_matches
from cloudheal.decide.rulebook import FIELDS, fields_of, selects, when_of
from cloudheal.errors import SettingsError
from cloudheal.model.incident import Mode
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.model.trigger import Trigger
from cloudheal.sense.triggers import examples
from cloudheal.settings.durations import duration_of, written
from cloudheal.settings.rules import Rule, RuleFile, Selector
from tests.contract.test_inbox import an_event

RULE: dict[str, Any] = {
    "name": "restart-unexpected-stop",
    "when": {"source": ["alibaba.ecs"], "type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "with": {"start_timeout": "5m"},
}


def test_a_rule_without_a_mode_only_watches() -> None:
    """Trust is given, never assumed; limits are there without being named."""
    rule = Rule.model_validate(RULE)
    assert rule.mode is Mode.SHADOW
    assert rule.limits.attempts == 3


def test_the_digest_changes_with_everything_but_the_mode() -> None:
    """Promoting a rule does not make it a new one; changing a limit does."""
    rule = Rule.model_validate(RULE)
    assert Rule.model_validate({**RULE, "mode": "auto"}).digest == rule.digest
    assert Rule.model_validate({**RULE, "limits": {"attempts": 4}}).digest != rule.digest
    assert rule.model_copy(update={"playbook": "another"}).digest != rule.digest
    assert rule == Rule.model_validate(RULE)


def test_an_empty_selector_selects_nothing() -> None:
    """Nobody touches everything by leaving a line out."""
    assert Selector().selects_nothing
    assert not Selector(all=True).selects_nothing


WEB = ResourceId(Cloud.ALIBABA, "1", "cn-hangzhou", "instance", "i-web")
KNOWN = Resource(WEB, datetime(2026, 3, 2, tzinfo=UTC), "Running", "web-01", "z", "tag:app=shop", {"env": "prod"})


@pytest.mark.parametrize(
    ("selector", "selected", "unseen"),
    [
        ({"all": True}, True, True),
        ({"ids": ["i-web", "i-x"]}, True, True),
        ({"ids": ["i-x"]}, False, False),
        ({"regions": ["cn-hangzhou"]}, True, True),
        ({"regions": ["cn-beijing"]}, False, False),
        ({"names": ["web-*"]}, True, False),
        ({"names": ["WEB-*", "db-*"]}, False, False),
        ({"groups": ["tag:app=shop"]}, True, False),
        ({"groups": ["tag:app=desk"]}, False, False),
        ({"tags": {"env": ["prod", "test"]}}, True, False),
        ({"tags": {"env": ["prod"], "tier": ["web"]}}, False, False),
        ({"regions": ["cn-hangzhou"], "names": ["db-*"]}, False, False),
    ],
)
def test_resources_are_selected_by_every_field_that_is_named(
    selector: dict[str, Any], *, selected: bool, unseen: bool
) -> None:
    """Id, region, name, group and tags: all that are named must hold; of an unseen server nothing but id and region."""
    wanted = Selector.model_validate(selector)
    assert selects(wanted, WEB, KNOWN) is selected
    assert selects(wanted, WEB, None) is unseen


@pytest.mark.parametrize(
    "change",
    [
        {"resources": {"all": True, "ids": ["i-1"]}},
        {"resources": {"all": False}},
        {"name": "with space"},
        {"mode": "yolo"},
        {"limits": {"share": 0}},
        {"limits": {"within": "30"}},
        {"wen": {}},
    ],
)
def test_a_mistake_in_a_rule_is_refused(change: dict[str, Any]) -> None:
    """Misspelt keys, missing units and limits of nothing are errors."""
    with pytest.raises(ValidationError):
        Rule.model_validate({**RULE, **change})


def test_two_rules_of_one_name_are_refused() -> None:
    """Decisions cite rules by name; a name is one rule."""
    with pytest.raises(ValidationError, match="two rules are named restart-unexpected-stop"):
        RuleFile.model_validate({"rules": [RULE, RULE]})


@pytest.mark.parametrize("text", ["90s", "5m", "2h30m", "1d", "1d1h1m1s"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    """A duration survives a round trip in its short form."""
    assert written(duration_of(text)) == ("1m30s" if text == "90s" else text)


@pytest.mark.parametrize("value", ["", "5", 5, "m", "-5m", "5m5d", None])
def test_a_duration_without_a_unit_is_refused(value: object) -> None:
    """Nobody has to guess whether 30 means seconds or minutes."""
    with pytest.raises(ValueError, match="expected a duration"):
        duration_of(value)


def test_a_duration_is_handed_through() -> None:
    """Defaults are durations already."""
    assert duration_of(timedelta(hours=1)) == timedelta(hours=1)


def test_a_field_that_no_event_has_is_refused_with_what_was_meant() -> None:
    """A misspelt field would never match, and nobody would know."""
    misspelt = Rule.model_validate(RULE | {"when": {"typ": ["Instance:StateChange"]}})
    with pytest.raises(SettingsError, match=r"when\.typ: no event has this field; did you mean type\?"):
        when_of(misspelt)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ({"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}}, ""),
        ({"type": [{"prefix": "Instance:"}]}, ""),
        ({"data": {"instanceName": ["web"]}}, ""),
        ({"region": ["cn-nowhere"]}, ""),
        ({"type": ["Instance:StateChanged"]}, "type is 'Instance:StateChange', wanted 'Instance:StateChanged'"),
        ({"source": ["alibaba.esc"]}, "source is 'alibaba.ecs', wanted 'alibaba.esc'"),
        ({"data": {"state": ["Stoped"]}}, "data.state is 'Stopped', wanted 'Stoped'"),
        ({"type": ["Instance:SystemFailure.Reboot"]}, "type is 'Instance:StateChange', wanted"),
    ],
)
def test_a_rule_that_no_event_of_its_playbook_can_match_is_found(when: dict[str, Any], reason: str) -> None:
    """By what is known beforehand: type, status, source, state. What only an event can say is not judged."""
    rule = Rule.model_validate(RULE | {"when": when})
    assert never_matches(rule, examples({"stopped"})).startswith(reason)
    assert bool(never_matches(rule, examples({"stopped"}))) is bool(reason)


def test_a_playbook_of_several_troubles_needs_one_that_matches() -> None:
    """Also one whose trigger its author brought, whatever the status."""
    rule = Rule.model_validate(RULE | {"when": {"type": ["mine:Event"], "status": ["anything"]}})
    mine = Trigger("trouble-of-mine", "mine:Event")
    assert never_matches(rule, examples({"stopped", "trouble-of-mine"}, [mine])) == ""
    assert never_matches(rule, examples({"stopped"}, [mine]))


def test_every_field_that_a_pattern_may_name_is_one_of_an_event() -> None:
    """And the other way round."""
    assert set(FIELDS) == set(fields_of(an_event()))
