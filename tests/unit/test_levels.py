"""Rules may ask how grave an event is, whichever way it came, and no interruption is missed by that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudheal.decide.checking import rule_checks
from cloudheal.decide.rulebook import RuleBook, rule_book
from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel, Event
from cloudheal.model.inventory import Change, Description, Known
from cloudheal.model.resource import Resource
from cloudheal.sense.inventory import found_by
from cloudheal.settings.rules import Rule
from tests.unit.test_alibaba_events import CLOUD_EVENT, INSTANCE, NOW, STATE, envelope, maintenance, read
from tests.unit.test_rules import RULE
from tests.unit.test_tencent_events import METRIC_ALARM
from tests.unit.test_tencent_events import read as read_tencent

INTERRUPTION = {"instanceId": INSTANCE, "action": "delete"}


def book(*levels: list[Any], **when: Any) -> RuleBook:
    """Return a rule for each list of levels, named by its place."""
    return rule_book(
        [
            Rule.model_validate({**RULE, "name": f"rule-{number}", "when": {"level": level, **when}})
            for number, level in enumerate(levels)
        ]
    )


def found(rules: RuleBook, event: Event) -> list[str]:
    """Return the rules that an event matches."""
    return [rule.name for rule in rules.matching(event)]


@pytest.mark.parametrize(
    ("document", "level"),
    [
        (STATE, "INFO"),
        ({**STATE, "level": "Critical"}, "CRITICAL"),
        (CLOUD_EVENT, "INFO"),
        ({**CLOUD_EVENT, "type": "ecs:Instance:SystemFailure.Reboot:Executing"}, "CRITICAL"),
        ({**maintenance("Scheduled", "Scheduled"), "level": ""}, "CRITICAL"),
        (envelope("Instance:SystemMaintenance.PerformanceImpact:Executing", STATE["content"], level=""), "WARN"),
        (envelope("Instance:SystemMaintenance.Reboot:Executing", STATE["content"], level="WARN"), "WARN"),
        (envelope("Instance:SomethingNew", STATE["content"], level=""), ""),
        ({**STATE, "level": "Odd"}, ""),
    ],
)
def test_a_level_is_what_the_message_says_or_else_the_vendors_list(document: dict[str, Any], level: str) -> None:
    """So that a rule means the same for CloudMonitor, EventBridge and what a poll read."""
    assert read(document).level == level


def test_rules_find_events_by_level_without_trying_all_of_them() -> None:
    """Levels are written in any case, are one clause among others, and are found through the index."""
    rules = book(["critical"], ["WARN", "Info"], ["INFO"], *([["CRITICAL"]] * 100))
    assert found(rules, read(STATE)) == ["rule-1", "rule-2"]
    assert len(found(rules, read({**STATE, "level": "CRITICAL"}))) == 101
    assert found(rules, read({**STATE, "level": "Odd"})) == []
    both = book(["INFO"], data={"state": ["Running"]})
    assert found(both, read(STATE)) == []


def test_an_interruption_counts_as_every_level() -> None:
    """The vendor's pages disagree about its level, and nobody shall lose five minutes by a word."""
    rules = book(["CRITICAL"], ["WARN"], ["INFO"])
    for level in ("INFO", "WARN"):
        event = read(envelope("Instance:PreemptibleInstanceInterruption", INTERRUPTION, level=level))
        assert event.level == level
        assert found(rules, event) == ["rule-0", "rule-1", "rule-2"]


def test_a_rule_that_does_not_match_says_so_of_the_level() -> None:
    """As it does of every other field."""
    (check,) = rule_checks(book(["critical"]).rules.values(), read(STATE))
    (clause,) = check.failures
    assert (clause.field, clause.found, clause.wanted) == ("level", "'INFO'", ("'CRITICAL'",))


@pytest.mark.parametrize("wrong", [["FATAL"], [], "CRITICAL", [{"anything-but": "INFO"}], ["*"]])
def test_what_is_no_level_is_refused_with_those_that_are(wrong: Any) -> None:
    """A misspelt level would be a rule that never acts."""
    with pytest.raises(SettingsError, match=r"rule-0\.when\.level: expected a list with some of CRITICAL, WARN, INFO"):
        book(wrong)


def test_a_change_that_a_look_found_has_the_level_of_its_message() -> None:
    """A message that was lost is healed by the same rules."""
    told = read(STATE)
    then = NOW - timedelta(minutes=5)
    before = Known(Resource(told.subject, then, "Running", "", "", "", {}), then, then)
    now = Description(told.subject, NOW, "Stopped")
    (event,) = found_by([Change(before, now)], NOW)
    assert (event.channel, event.level) == (Channel.POLL, told.level)


def test_an_alarm_of_tencent_cloud_has_a_level_where_it_names_one() -> None:
    """In the words of the vendor's own API; other messages of that cloud name none."""
    assert read_tencent(METRIC_ALARM, alarmLevel="Serious").level == "CRITICAL"
    assert read_tencent(METRIC_ALARM, alarmLevel="Remind").level == "INFO"
    assert read_tencent(METRIC_ALARM).level == ""
