"""Event rules: which events are wanted, and where they are to go.

A rule holds patterns and targets; an event that fits any pattern of an enabled rule goes to all its targets. Finding
the rules of an event costs a look into an index by sort, product, name and level, so hundreds of rules that do not
want it cost nothing. Lists that are empty or hold `*` restrict nothing; names fit with or without their life-cycle
state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias

from cloudheal_sim.alibaba.cms.model.catalogue import base_name
from cloudheal_sim.alibaba.cms.model.content_query import compiled
from cloudheal_sim.alibaba.cms.model.event_log import NO_GROUP, Published, Sort, content_text
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.model.event_target import Target
    from cloudheal_sim.kernel.clock import Clock
    from cloudheal_sim.kernel.journal import Journal

ANY = "*"
#: Sort, product, name, level; the last three may be `*`.
Key: TypeAlias = tuple[str, str, str, str]
Relation = Literal["OR", "NOT"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one pattern of a rule wants. `sql_filter` must have been checked to be readable."""

    product: str = ANY
    names: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    custom_filters: str = ""
    sql_filter: str = ""
    keywords: tuple[str, ...] = ()
    relation: Relation = "OR"

    def wants(self, published: Published) -> bool:
        """Say whether an event fits; the group of the rule is not asked."""
        event = published.event
        return (
            _allows((self.product,), event.product)
            and self._names(published)
            and _allows(self.levels, event.level)
            and _allows(self.event_types, event.event_type)
            and _allows(self.statuses, event.status)
            and self._content(event.content)
        )

    def _names(self, published: Published) -> bool:
        return not self.names or not {ANY, published.name, base_name(published.event.name)}.isdisjoint(self.names)

    def _content(self, content: Mapping[str, object]) -> bool:
        if not (self.custom_filters or self.sql_filter or self.keywords):
            return True
        text = content_text(content)
        if self.custom_filters not in text:
            return False
        if self.keywords and any(word in text for word in self.keywords) is (self.relation == "NOT"):
            return False
        return not self.sql_filter or compiled(self.sql_filter)(text.lower(), content)

    def keys(self, sort: Sort) -> Iterator[Key]:
        """Name the index entries under which an event that fits will look."""
        for name in self.names if self.names and ANY not in self.names else (ANY,):
            for level in self.levels if self.levels and ANY not in self.levels else (ANY,):
                yield (sort, self.product.upper(), name, level.upper())


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event rule; `group` (an application group's id) narrows it to the group's resources."""

    name: str
    patterns: tuple[Pattern, ...]
    sort: Sort = "SYSTEM"
    enabled: bool = True
    group: str = ""
    silence_time: int = 86400
    description: str = ""
    targets: tuple[Target, ...] = ()

    def wants(self, published: Published) -> bool:
        """Say whether the event goes to the targets of this rule."""
        return (
            self.enabled
            and self.sort == published.sort
            and (self.group in {"", NO_GROUP} or self.group in published.groups)
            and any(pattern.wants(published) for pattern in self.patterns)
        )

    def with_targets(self, targets: Iterable[Target]) -> EventRule:
        """Return the rule with these targets added; one of the same kind and id is replaced in its place."""
        merged = {(target.kind, target.id): target for target in self.targets}
        merged.update({(target.kind, target.id): target for target in targets})
        return replace(self, targets=tuple(merged.values()))


def _allows(wanted: tuple[str, ...], given: str) -> bool:
    return not wanted or ANY in wanted or given.lower() in (one.lower() for one in wanted)


class EventRules:
    """All rules by name, their past, and the index."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._table: Timeline[Mapping[str, EventRule]] = Timeline({}, clock.now())
        self._index: dict[Key, tuple[EventRule, ...]] | None = None
        self._rank: dict[str, int] = {}

    def find(self, name: str, as_of: int | None = None) -> EventRule | None:
        """Return the rule of that name, as of an instant (None is now)."""
        return (self._table.at(as_of) or {}).get(name)

    def all(self, as_of: int | None = None) -> tuple[EventRule, ...]:
        """Return every rule, in order of creation, as of an instant (None is now)."""
        return tuple((self._table.at(as_of) or {}).values())

    def put(self, rules: Iterable[EventRule]) -> int:
        """Create or change rules, addressed by name; return how many changed."""
        changed = {rule.name: rule for rule in rules if self.find(rule.name) != rule}
        for name, rule in changed.items():
            self._journal.change("event_rule", name, self.find(name), rule)
        if changed:
            self._now({**self._table.value, **changed})
        return len(changed)

    def remove(self, names: Iterable[str]) -> int:
        """Delete rules by name; return how many there were."""
        gone = {name: rule for name in names if (rule := self.find(name)) is not None}
        for name, rule in gone.items():
            self._journal.change("event_rule", name, rule, None)
        self._now({name: rule for name, rule in self._table.value.items() if name not in gone})
        return len(gone)

    def restart(self, rules: Iterable[EventRule]) -> int:
        """Begin with these rules and no past."""
        self._table = Timeline({rule.name: rule for rule in rules}, self._clock.now())
        self._index = None
        return len(self._table.value)

    def wanting(self, published: Published) -> list[EventRule]:
        """Return the rules that an event goes to, in order of creation."""
        index = self._index = self._index if self._index is not None else self._indexed()
        event = published.event
        keys = product(
            (published.sort,),
            (event.product.upper(), ANY),
            dict.fromkeys((published.name, base_name(event.name), ANY)),
            (event.level.upper(), ANY),
        )
        found = {rule.name: rule for key in keys for rule in index.get(key, ()) if rule.wants(published)}
        return sorted(found.values(), key=lambda rule: self._rank[rule.name])

    def _indexed(self) -> dict[Key, tuple[EventRule, ...]]:
        index: dict[Key, list[EventRule]] = defaultdict(list)
        self._rank = {name: rank for rank, name in enumerate(self._table.value)}
        for rule in self._table.value.values():
            for key in dict.fromkeys(key for pattern in rule.patterns for key in pattern.keys(rule.sort)):
                index[key].append(rule)
        return {key: tuple(rules) for key, rules in index.items()}

    def _now(self, table: Mapping[str, EventRule]) -> int:
        self._table.set(table, self._clock.now())
        self._index = None
        return len(table)
