"""Groups by tag: a rule makes one application group for each value of a tag that instances carry.

A group is made when its value is first seen, once: one that is deleted does not come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.groups import TAG_PREFIX, DynamicRule, Filter, Function, Group, fits
from cloudheal_sim.alibaba.cms.model.store import Record, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudheal_sim.alibaba.events import InstanceFacts
    from cloudheal_sim.kernel.core import Kernel

#: The type of groups that such a rule makes.
TYPE = "tag"
_ID_LENGTH = 20


class Expression(Record):
    """One condition on a tag; an empty name means the rule's own tag."""

    name: str = ""
    value: str = ""
    function: Function = "all"


class TagRule(Record):
    """One rule; `made` are the values for which it has made a group."""

    id: str
    tag_key: Annotated[str, Field(min_length=1)]
    region: str = ""
    expressions: Annotated[tuple[Expression, ...], Field(min_length=1, max_length=3)] = (Expression(),)
    relation: Literal["and", "or"] = "or"
    contact_groups: tuple[str, ...] = ()
    templates: tuple[int, ...] = ()
    made: tuple[str, ...] = ()

    def value_of(self, facts: InstanceFacts) -> str | None:
        """Return the value by which the instance is grouped; None when the rule leaves it alone."""
        value = facts.tags.get(self.tag_key)
        if value is None or self.region not in {"", facts.region}:
            return None
        answers = (self._meets(one, facts) for one in self.expressions)
        return value if (all(answers) if self.relation == "and" else any(answers)) else None

    def _meets(self, expression: Expression, facts: InstanceFacts) -> bool:
        text = facts.tags.get(expression.name or self.tag_key)
        return text is not None and fits(expression.function, text, expression.value)

    def group(self, value: str) -> Group:
        """Return the group of one value, without an id yet."""
        same = Filter(function="equals", name=TAG_PREFIX + self.tag_key, value=value)
        return Group(
            name=f"{self.tag_key}-{value}"[:256],
            type=TYPE,
            contact_groups=self.contact_groups,
            tags={self.tag_key: value},
            tag_rule=self.id,
            dynamic_rules=(DynamicRule(filters=(same,)),),
        )


class TagRules:
    """Every such rule of one account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.store: Store[str, TagRule] = Store(kernel, "tag_rule")

    def new_id(self) -> str:
        """Draw the id of a rule."""
        return self._kernel.chance.token(_ID_LENGTH, "tag_rules")

    def due(self, every: Iterable[InstanceFacts]) -> Iterator[tuple[TagRule, Group]]:
        """Note the values not seen before and iterate over the groups to be made for them."""
        rules = list(self.store.all())
        if not rules:
            return
        listed = list(every)
        for rule in rules:
            values = dict.fromkeys(value for facts in listed if (value := rule.value_of(facts)) is not None)
            new = [value for value in values if value not in rule.made]
            if new:
                self.store.put(rule.id, rule.model_copy(update={"made": (*rule.made, *new)}))
            for value in new:
                yield rule, rule.group(value)
