"""The rules in force, compiled: which of them an event matches, and whether they select its resource."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from cloudheal.decide.facts import Bounds
from cloudheal.decide.index import PatternIndex
from cloudheal.decide.levels import graded, levels_of
from cloudheal.decide.pattern import Pattern, compiled
from cloudheal.decide.wishes import WishTags
from cloudheal.errors import SettingsError
from cloudheal.model.event import Event
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.model.window import HORIZON, is_in_any, next_opening
from cloudheal.settings.part import meant
from cloudheal.settings.rules import Limits, Rule, Selector

_USUAL_WISHES = WishTags()
#: What a pattern may name, as `fields_of` returns it.
FIELDS = (
    *("source", "type", "status", "level", "subject", "kind"),
    *("cloud", "account", "region", "channel", "simulated", "data"),
)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Rules in the order of the file, indexed by their patterns."""

    rules: Mapping[str, Rule]
    index: PatternIndex[str]
    wishes: Mapping[tuple[Cloud, str], WishTags] = field(default_factory=dict)
    """By which tags the people of an account say what they want, whatever the rules say."""

    looking: frozenset[str] = frozenset()
    """The rules whose playbooks only look."""

    planned: frozenset[str] = frozenset()
    """The rules whose playbooks wait for a slot."""

    approvers: tuple[str, ...] = ()
    """Who may answer what rules ask; empty: whoever can run the commands."""

    bounds: Mapping[str, Bounds] = field(init=False)
    """The limits of each rule, as the walk compares with them."""

    def __post_init__(self) -> None:
        """Read every limit once, and not for every decision."""
        object.__setattr__(self, "bounds", {name: bounds_of(rule.limits) for name, rule in self.rules.items()})

    def wishes_of(self, subject: ResourceId) -> WishTags:
        """Return the tags of a resource's account."""
        return self.wishes.get((subject.cloud, subject.account), _USUAL_WISHES)

    def matching(self, event: Event) -> list[Rule]:
        """Return the rules whose pattern the event matches, in the order of the file."""
        return [self.rules[name] for name in self.index.matching(fields_of(event))]


def rule_book(
    rules: Sequence[Rule],
    wishes: Mapping[tuple[Cloud, str], WishTags] | None = None,
    looking: Collection[str] = (),
    planned: Collection[str] = (),
) -> RuleBook:
    """Compile rules. Raises SettingsError naming the rule and the field.

    `looking` names the playbooks that only look, `planned` those whose runs wait for a slot.
    """
    patterns = [(rule.name, when_of(rule)) for rule in rules]
    only_look = frozenset(rule.name for rule in rules if rule.playbook in looking)
    later = frozenset(rule.name for rule in rules if rule.playbook in planned)
    return RuleBook({rule.name: rule for rule in rules}, PatternIndex(patterns), wishes or {}, only_look, later)


def when_of(rule: Rule) -> Pattern:
    """Return the pattern of a rule. Raises SettingsError naming the rule and the field."""
    where = f"rules.{rule.name}.when"
    unknown = next((name for name in rule.when if name not in FIELDS), None)
    if unknown is not None:
        raise SettingsError(f"{where}.{unknown}: no event has this field{meant(str(unknown), FIELDS)}")
    return compiled(graded(rule.when, where), where)


def fields_of(event: Event) -> Mapping[str, Any]:
    """Return what a pattern may name."""
    return {
        "source": event.source,
        "type": event.type,
        "status": event.status,
        "level": levels_of(event),
        "subject": event.subject.id,
        "kind": event.subject.kind,
        "cloud": str(event.subject.cloud),
        "account": event.subject.account,
        "region": event.subject.region,
        "channel": str(event.channel),
        "simulated": event.simulated,
        "data": event.data,
    }


def selects(selector: Selector, subject: ResourceId, known: Resource | None) -> bool:
    """Say whether a rule may touch a resource; names, tags and groups of an unknown resource match nothing."""
    if selector.selects_nothing:
        return False
    return (
        (not selector.ids or subject.id in selector.ids)
        and (not selector.regions or subject.region in selector.regions)
        and (not selector.groups or (known.group if known else "") in selector.groups)
        and (not selector.names or any(fnmatchcase(known.name if known else "", one) for one in selector.names))
        and (not selector.tags or (known is not None and _has_one_of(known.tags, selector.tags)))
    )


def off_hours_until(rule: Rule, now: datetime) -> datetime | None:
    """Return when a rule may act again that may not act now; None when it may."""
    windows = [one.window for one in rule.hours]
    if not windows or is_in_any(windows, now):
        return None
    return next_opening(windows, now) or now + HORIZON


def bounds_of(limits: Limits) -> Bounds:
    """Return a rule's limits as the walk compares with them."""
    return Bounds(
        attempts=limits.attempts,
        within=limits.within,
        cool_down=limits.cool_down,
        flaps=limits.flaps,
        flap_window=limits.flap_window,
        at_once=limits.at_once,
        share=limits.share,
        per_hour=limits.per_hour,
        storm_share=limits.storm_share,
        storm_members=limits.storm_members,
    )


def _has_one_of(tags: Mapping[str, str], wanted: Mapping[str, Collection[str]]) -> bool:
    for key, values in wanted.items():  # noqa: SIM110 - asked in every decision: a third of the time of `all`
        if tags.get(key) not in values:
            return False
    return True
