"""The monitoring half of CloudMonitor in one object: metrics, groups, contacts, rules, templates, tasks.

What crosses from one store to another is here; each store knows only itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.alarms import Alarms
from cloudheal_sim.alibaba.cms.model.contacts import Contacts
from cloudheal_sim.alibaba.cms.model.groups import Groups
from cloudheal_sim.alibaba.cms.model.log_monitors import LogMonitors
from cloudheal_sim.alibaba.cms.model.metric_catalogue import SLB, namespace_named
from cloudheal_sim.alibaba.cms.model.metric_lines import Override
from cloudheal_sim.alibaba.cms.model.metric_rules import MetricRules
from cloudheal_sim.alibaba.cms.model.metrics import Metrics
from cloudheal_sim.alibaba.cms.model.probes import Probes
from cloudheal_sim.alibaba.cms.model.tag_rules import TagRules
from cloudheal_sim.alibaba.cms.model.templates import How, Templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudheal_sim.alibaba.cms.model.delivery import Mailboxes
    from cloudheal_sim.alibaba.cms.model.groups import Group
    from cloudheal_sim.alibaba.cms.model.metrics import Directory
    from cloudheal_sim.alibaba.events import InstanceFacts
    from cloudheal_sim.kernel.core import Kernel


class Monitoring:
    """Every store of the monitoring half."""

    def __init__(self, kernel: Kernel, account: str, mailboxes: Mailboxes) -> None:
        self._kernel = kernel
        self.metrics = Metrics(kernel, account)
        self.groups = Groups(kernel)
        self.contacts = Contacts(kernel)
        self.rules = MetricRules(kernel)
        self.tag_rules = TagRules(kernel)
        self.templates = Templates(kernel)
        self.probes = Probes(kernel)
        self.log_monitors = LogMonitors(kernel)
        self.alarms = Alarms(kernel, account, mailboxes, self.rules, self.groups)

    def know(self, directory: Directory) -> Directory:
        """Learn who exists: from now on instances have metrics and belong to groups."""
        self.metrics.directory = directory
        self.groups.directory = directory
        return directory

    def know_listeners(self, told: Callable[[], Iterable[Mapping[str, str]]]) -> None:
        """Learn which listeners load balancers have: from now on they have metrics, by instanceId, port and vip."""
        self.metrics.elsewhere[SLB] = told

    def groups_of(self, instance_id: str) -> set[str]:
        """Return the ids of the groups that a resource belongs to, as CloudMonitor writes them."""
        facts = self.groups.directory.facts(instance_id)
        if facts is not None:
            self.group_by_tags([facts])
        return self.groups.groups_of(instance_id)

    def group_by_tags(self, seen: Iterable[InstanceFacts] | None = None) -> list[Group]:
        """Make the groups of tag values not met before, among the instances `seen` or all; return them."""
        every = self.groups.directory.all_facts() if seen is None else seen
        made = []
        for rule, planned in self.tag_rules.due(every):
            group = self.groups.create(planned)
            templates = [one for number in rule.templates if (one := self.templates.store.get(number)) is not None]
            if templates:
                self.templates.apply(templates, group, self.groups, self.rules, How())
            made.append(group)
        return made

    def group(self, number: int | None) -> Group | None:
        """Return a group by its id."""
        return None if number is None else self.groups.store.get(number)

    def product(self, namespace: str) -> str:
        """Return the name of the product that a namespace belongs to."""
        found = namespace_named(namespace)
        return found.product if found else "customMetric"

    def uses_contact_group(self, name: str) -> bool:
        """Say whether a rule or an application group tells a contact group."""
        if any(name in group.contact_groups for group in self.groups.store.all()):
            return True
        return any(name in rule.contact_groups.split(",") for rule in self.rules.store.all())

    def delete_group(self, group: Group) -> Group:
        """Delete a group with the rules and the tasks that act on it."""
        for rule in list(self.rules.of_group(group.number)):
            self.rules.store.remove(rule.id)
        for task in [task for task in self.probes.hosts.all() if task.group == group.number]:
            self.probes.hosts.remove(task.number)
        self.groups.store.remove(group.number)
        return group

    def override(self, override: Override) -> Override:
        """Put chosen values in place of the drawn ones, from now on."""
        self.metrics.overrides = (*self.metrics.overrides, override)
        self._kernel.journal.change("metric_override", override.instance, None, override.shown())
        return override
