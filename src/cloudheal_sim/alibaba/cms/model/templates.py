"""Alert templates: rules written once, applied to many groups. Applying one twice does not double its rules."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.metric_rules import Escalations, MetricRule
from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.model.groups import Group, Groups
    from cloudheal_sim.alibaba.cms.model.metric_rules import MetricRules
    from cloudheal_sim.kernel.core import Kernel

#: Applications remembered of one template; by feel.
_MOST_NOTES = 1000
Mode = Literal["GROUP_INSTANCE_FIRST", "ALARM_TEMPLATE_FIRST"]


class AlertTemplate(Record):
    """One rule of a template."""

    category: str
    namespace: str
    metric: str
    rule_name: str
    period: int | None = None
    selector: str = ""
    webhook: str = ""
    escalations: Escalations = Escalations()


class Application(Record):
    """A template was applied to a group."""

    group: int
    at: int
    version: int = 0


class Template(Record):
    """One template; `rest_version` counts its changes, so that nobody overwrites another's."""

    id: int | None = Field(None, ge=1)
    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    rest_version: int = 0
    rules: Annotated[tuple[AlertTemplate, ...], Field(max_length=200)] = ()
    applied: tuple[Application, ...] = ()
    created: Instant = None
    modified: Instant = None

    @property
    def number(self) -> int:
        """The id of a template that is in force."""
        if self.id is None:
            raise ValueError(f"template {self.name!r} has no id yet")
        return self.id


class How(Record):
    """What a call adds to every rule that it makes of a template."""

    mode: Mode = "GROUP_INSTANCE_FIRST"
    replace_all: bool = True
    effective_interval: str = "00:00-23:59"
    silence_time: int = 86_400
    webhook: str = ""


class Templates:
    """Every template of one account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.store: Store[int, Template] = Store(kernel, "metric_template")

    def create(self, template: Template) -> Template:
        """Put a template in force, drawing what it does not say."""
        return self.store.put((made := self.completed(template)).number, made)

    def completed(self, template: Template) -> Template:
        """Return the template with an id and times."""
        now = self._kernel.clock.now()
        drawn = {"id": template.id or self._free_id(), "created": template.created or now}
        return template.model_copy(update={**drawn, "modified": template.modified or now})

    def change(self, template: Template, **changes: object) -> Template:
        """Replace a template by one that differs in the fields named; its version grows."""
        told = {"rest_version": template.rest_version + 1, "modified": self._kernel.clock.now()}
        return self.store.put(template.number, template.model_copy(update={**changes, **told}))

    def applied_to(self, group: int) -> list[tuple[int, int, int]]:
        """Return (template id, version, time) of the last application of each template to a group."""
        last = {
            template.number: (template.number, one.version, one.at)
            for template in self.store.all()
            for one in template.applied
            if one.group == group
        }
        return list(last.values())

    def apply(
        self, templates: list[Template], group: Group, groups: Groups, rules: MetricRules, how: How
    ) -> list[MetricRule]:
        """Make rules of templates for a group, in place of those it had from templates; return them.

        `GROUP_INSTANCE_FIRST` leaves out what the group has no resources for.
        """
        numbers = {template.number for template in templates}
        categories = {member.category.casefold() for member in groups.members(group)}
        wanted = {
            made.id: made
            for template in templates
            for one in template.rules
            if how.mode == "ALARM_TEMPLATE_FIRST" or one.category.casefold() in categories
            for made in [_made(template, one, group, how)]
        }
        for rule in rules.of_group(group.number):
            stale = rule.template is not None and (how.replace_all or rule.template in numbers)
            if stale and rule.id not in wanted:
                rules.store.remove(rule.id)
        made = [rules.put(rule) for rule in wanted.values()]
        now = self._kernel.clock.now()
        for template in templates:
            note = Application(group=group.number, at=now, version=template.rest_version)
            self.store.put(
                template.number, template.model_copy(update={"applied": (*template.applied, note)[-_MOST_NOTES:]})
            )
        return made

    def _free_id(self) -> int:
        chance = self._kernel.chance.stream("metric_templates")
        return self.store.free(lambda: chance.randint(100_000, 9_999_999))


def _made(template: Template, one: AlertTemplate, group: Group, how: How) -> MetricRule:
    named = f"{group.number}/{template.number}/{one.category}/{one.namespace}/{one.metric}/{one.rule_name}"
    return MetricRule(
        id=f"{group.number}_{blake2b(named.encode(), digest_size=12).hexdigest()}",
        name=one.rule_name,
        namespace=one.namespace,
        metric=one.metric,
        category=one.category,
        group=group.number,
        template=template.number,
        period=one.period or 60,
        dimensions=one.selector,
        webhook=one.webhook or how.webhook,
        silence_time=how.silence_time,
        effective_interval=how.effective_interval,
        escalations=one.escalations,
    )
