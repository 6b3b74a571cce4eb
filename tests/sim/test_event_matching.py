"""Which rules want which event: the index against asking every rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal_sim.alibaba.cms.model.content_query import QueryError, compiled
from cloudheal_sim.alibaba.cms.model.event_log import Published
from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, EventRules, Pattern
from cloudheal_sim.alibaba.events import SystemEvent
from cloudheal_sim.kernel.clock import Clock, Mode
from cloudheal_sim.kernel.journal import Journal

PRODUCTS = ("ECS", "ecs", "SLB", "*")
NAMES = (
    "Instance:StateChange",
    "Instance:SystemMaintenance.Reboot",
    "Instance:SystemMaintenance.Reboot:Executing",
    "*",
)
LEVELS = ("INFO", "info", "Critical", "*")
TYPES = ("StatusNotification", "Maintenance", "*")
STATUSES = ("Normal", "Executing", "executing", "*")
GROUPS = ("", "0", "1", "2")

words = st.sampled_from
patterns = st.builds(
    Pattern,
    product=words(PRODUCTS),
    names=st.lists(words(NAMES), max_size=2).map(tuple),
    levels=st.lists(words(LEVELS), max_size=2).map(tuple),
    event_types=st.lists(words(TYPES), max_size=2).map(tuple),
    statuses=st.lists(words(STATUSES), max_size=2).map(tuple),
    custom_filters=words(("", "i-1", "absent")),
    sql_filter=words(("", "instanceId: i-1", "not i-2")),
)
rules = st.builds(
    EventRule,
    name=st.uuids().map(str),
    patterns=st.lists(patterns, min_size=1, max_size=3).map(tuple),
    sort=words(("SYSTEM", "CUSTOM")),
    enabled=st.booleans(),
    group=words(GROUPS),
)
events = st.builds(
    Published,
    id=st.just("E"),
    event=st.builds(
        SystemEvent,
        product=words(("ECS", "SLB")),
        name=words(NAMES[:-1]),
        level=words(("INFO", "CRITICAL")),
        event_type=words(TYPES[:-1]),
        status=words(("Normal", "Executing")),
        region=st.just("cn-hangzhou"),
        resource=st.just("instance/i-1"),
        resource_id=st.just("i-1"),
        at=st.just(0),
        content=words(({"instanceId": "i-1"}, {"instanceId": "i-2"}, {})),
    ),
    groups=words(((), ("1",), ("1", "2"))),
    sort=words(("SYSTEM", "CUSTOM")),
)


def rule_table(*given_rules: EventRule) -> EventRules:
    """Make a table with these rules."""
    clock = Clock(0, Mode.STEPPED)
    table = EventRules(clock, Journal(clock))
    table.put(given_rules)
    return table


def plainly_wants(rule: EventRule, published: Published) -> bool:
    """Say what the documentation says, word by word, without an index."""
    event = published.event
    base = event.name.removesuffix(":Executing")
    names = {"*", event.name, base, f"{base}:Executing" if event.status == "Executing" else event.name}

    def listed(value: str, wanted: tuple[str, ...]) -> bool:
        return not wanted or "*" in wanted or value.casefold() in [one.casefold() for one in wanted]

    def fits(pattern: Pattern) -> bool:
        instance = event.content.get("instanceId")
        filters = {"": True, "instanceId: i-1": instance == "i-1", "not i-2": instance != "i-2"}
        return (
            listed(event.product, (pattern.product,))
            and (not pattern.names or bool(names & set(pattern.names)))
            and listed(event.level, pattern.levels)
            and listed(event.event_type, pattern.event_types)
            and listed(event.status, pattern.statuses)
            and (pattern.custom_filters in str(event.content))
            and filters[pattern.sql_filter]
        )

    in_group = rule.group in {"", "0"} or rule.group in published.groups
    return rule.enabled and rule.sort == published.sort and in_group and any(map(fits, rule.patterns))


@given(st.lists(rules, max_size=12, unique_by=lambda rule: rule.name), events)
def test_the_index_finds_exactly_the_rules_that_want_an_event(table: list[EventRule], published: Published) -> None:
    """Looking an event up gives the same rules, in the same order, as asking each one."""
    expected = [rule.name for rule in table if plainly_wants(rule, published)]
    assert [rule.name for rule in rule_table(*table).wanting(published)] == expected


@given(st.lists(rules, min_size=2, max_size=6, unique_by=lambda rule: rule.name), events)
def test_a_changed_or_deleted_rule_is_changed_in_the_index(table: list[EventRule], published: Published) -> None:
    """After a change and a deletion the index answers for the new rules, not the old."""
    found = rule_table(*table)
    found.wanting(published)
    changed = replace(table[0], enabled=not table[0].enabled)
    found.put([changed])
    found.remove([table[1].name])
    expected = [rule.name for rule in (changed, *table[2:]) if plainly_wants(rule, published)]
    assert [rule.name for rule in found.wanting(published)] == expected


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("Stopped", True),
        ("stop*ed", True),
        ("Running", False),
        ("state: Stopped", True),
        ("content.state: stop*", True),
        ("state: Running or instanceId: i-1", True),
        ("state: Stopped and instanceId: i-2", False),
        ("state: Stopped instanceId: i-1", True),
        ("not (state: Running or absent: x)", True),
        ('"i-1" and not "i-2"', True),
        ("disk.size: 40", True),
    ],
)
def test_a_content_query_means_what_it_says(query: str, fits: bool) -> None:  # noqa: FBT001
    """Words, fields, and, or, not and parentheses decide as in the log service."""
    content = {"state": "Stopped", "instanceId": "i-1", "disk": {"size": 40}}
    assert compiled(query)(str(content).lower(), content) is fits


@pytest.mark.parametrize(
    "query", ["(a", "a)", "a:", ": a", "a and", "* | select 1", "state = 'Stopped'", "not", "(" * 99]
)
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    """Nothing unreadable is taken for a filter that matches everything."""
    with pytest.raises(QueryError):
        compiled(query)
