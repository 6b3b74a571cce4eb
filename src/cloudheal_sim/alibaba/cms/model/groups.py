"""Application groups: resources managed by business. Members are named, or match a rule.

Whether an instance matches is asked anew each time, so an instance belongs to a group from the moment it exists and
no longer than it exists; nothing is synchronised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from cloudheal_sim.alibaba.cms.model.metrics import Nobody
from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cloudheal_sim.alibaba.cms.model.metrics import Directory
    from cloudheal_sim.alibaba.events import InstanceFacts
    from cloudheal_sim.kernel.core import Kernel

ECS = "ECS"
MOST_RULES = 3
#: What a filter may be named to look at an instance's name; a tag is named `tag:<key>`.
NAME_FIELDS = frozenset({"hostname", "instancename", "name"})
TAG_PREFIX = "tag:"
Function = Literal["contains", "notContains", "startWith", "endWith", "equals", "notEquals", "all"]


class Filter(Record):
    """One condition on an instance's name or on one of its tags."""

    function: Function
    name: str
    value: str = ""

    def accepts(self, facts: InstanceFacts) -> bool:
        """Say whether the instance meets the condition; one without the tag does not, whatever the function."""
        if self.name.startswith(TAG_PREFIX):
            text = facts.tags.get(self.name.removeprefix(TAG_PREFIX))
            return text is not None and fits(self.function, text, self.value)
        return fits(self.function, facts.name, self.value)


class DynamicRule(Record):
    """Instances that meet `and` all or `or` one of the filters belong to the group."""

    category: str = ECS
    relation: Literal["and", "or"] = "and"
    filters: Annotated[tuple[Filter, ...], Field(min_length=1, max_length=MOST_RULES)]

    def accepts(self, facts: InstanceFacts) -> bool:
        """Say whether the instance belongs; only instances are known well enough to be asked about."""
        if self.category.upper() != ECS:
            return False
        answers = (one.accepts(facts) for one in self.filters)
        return all(answers) if self.relation == "and" else any(answers)


class Member(Record):
    """A resource that was put into the group by name."""

    category: str = ECS
    instance_id: str
    instance_name: str = ""
    region: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"instance_id": data} if isinstance(data, str) else data


class NotifyPolicy(Record):
    """While it lasts, the group's alarms reach nobody."""

    type: Literal["PauseNotify"] = "PauseNotify"
    start: int
    end: int


class Group(Record):
    """One application group; `id` is drawn when a world does not name it."""

    id: int | None = Field(None, ge=1)
    name: Annotated[str, Field(min_length=1, max_length=256)]
    type: str = "custom"
    contact_groups: tuple[str, ...] = ()
    service_id: str = ""
    bind_url: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    tag_rule: str = ""
    instances: tuple[Member, ...] = ()
    dynamic_rules: Annotated[tuple[DynamicRule, ...], Field(max_length=MOST_RULES)] = ()
    notify_policy: NotifyPolicy | None = None
    created: Instant = None
    modified: Instant = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @property
    def number(self) -> int:
        """The id of a group that is in force."""
        if self.id is None:
            raise ValueError(f"group {self.name!r} has no id yet")
        return self.id

    def takes(self, facts: InstanceFacts) -> bool:
        """Say whether a dynamic rule accepts the instance."""
        return any(rule.accepts(facts) for rule in self.dynamic_rules)


class Groups:
    """Every application group of one account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.store: Store[int, Group] = Store(kernel, "monitor_group")
        self.directory: Directory = Nobody()
        self._named: dict[str, set[int]] = {}
        self._by_rule: list[Group] = []
        self._named_at = -1

    def create(self, group: Group) -> Group:
        """Put a group in force, drawing what it does not say."""
        return self.store.put((made := self.completed(group)).number, made)

    def completed(self, group: Group) -> Group:
        """Return the group with an id and times."""
        now = self._kernel.clock.now()
        drawn = {"id": group.id or self._free_id(), "created": group.created or now, "modified": group.modified or now}
        return group.model_copy(update=drawn)

    def change(self, group: Group, **changes: object) -> Group:
        """Replace a group by one that differs in the fields named."""
        changed = group.model_copy(update={**changes, "modified": self._kernel.clock.now()})
        return self.store.put(changed.number, changed)

    def members(self, group: Group, as_of: int | None = None) -> Iterator[Member]:
        """Iterate over named members, then over those that match a rule."""
        yield from group.instances
        if not group.dynamic_rules:
            return
        named = {member.instance_id for member in group.instances}
        for facts in self.directory.all_facts():
            if facts.id not in named and _was_there(facts, as_of) and group.takes(facts):
                yield member_of(facts)

    def groups_of(self, instance_id: str) -> set[str]:
        """Return the ids of the groups that a resource belongs to, as CloudMonitor writes them."""
        found = set(self._by_name().get(instance_id, ()))
        facts = self.directory.facts(instance_id)
        if facts is not None:
            found |= {group.number for group in self._by_rule if group.takes(facts)}
        return {str(number) for number in found}

    def paused(self, group_id: int, now: int) -> bool:
        """Say whether the group's alarms are held back."""
        group = self.store.get(group_id)
        policy = group.notify_policy if group else None
        return policy is not None and policy.start <= now < policy.end

    def _by_name(self) -> dict[str, set[int]]:
        if self._named_at != self.store.version:
            self._named = {}
            self._by_rule = [group for group in self.store.all() if group.dynamic_rules]
            for group in self.store.all():
                for member in group.instances:
                    self._named.setdefault(member.instance_id, set()).add(group.number)
            self._named_at = self.store.version
        return self._named

    def _free_id(self) -> int:
        chance = self._kernel.chance.stream("monitor_groups")
        return self.store.free(lambda: chance.randint(1_000_000, 9_999_999))


def fits(function: Function, text: str, value: str) -> bool:
    """Say whether `text` meets the condition."""
    return _TESTS[function](text, value)


_TESTS: Mapping[Function, Callable[[str, str], bool]] = {
    "contains": lambda text, value: value in text,
    "notContains": lambda text, value: value not in text,
    "startWith": str.startswith,
    "endWith": str.endswith,
    "equals": str.__eq__,
    "notEquals": str.__ne__,
    "all": lambda _text, _value: True,
}


def member_of(facts: InstanceFacts) -> Member:
    """Return an instance as a member."""
    return Member(instance_id=facts.id, instance_name=facts.name, region=facts.region)


def joined(present: Iterable[Member], added: Iterable[Member]) -> tuple[Member, ...]:
    """Return the members with others added; one that is there already is replaced."""
    return tuple({(member.category, member.instance_id): member for member in (*present, *added)}.values())


def _was_there(facts: InstanceFacts, as_of: int | None) -> bool:
    return as_of is None or not facts.history or facts.history[0][0] <= as_of
