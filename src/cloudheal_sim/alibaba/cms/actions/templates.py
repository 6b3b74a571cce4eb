"""The calls about alert templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.actions.groups import group_of
from cloudheal_sim.alibaba.cms.actions.metric_rules import escalations
from cloudheal_sim.alibaba.cms.errors import NO_ESCALATION, RESOURCE_NOT_FOUND, STALE_TEMPLATE, TEMPLATE_EXISTS
from cloudheal_sim.alibaba.cms.model.templates import AlertTemplate, How, Template
from cloudheal_sim.alibaba.cms.replies import templates as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done_number, page
from cloudheal_sim.alibaba.cms.requests import templates as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid, missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

_USUAL_SILENCE = 86_400
_LAST_HOUR = 23


@SERVICE.action(wire.CreateMetricRuleTemplate)
def create_metric_rule_template(cms: Cms, request: wire.CreateMetricRuleTemplate, _exchange: Exchange) -> Reply:
    """Create a template; its name is its own."""
    _check_name(cms, request.name)
    made = Template(name=request.name, description=request.description or "", rules=_rules(request.alert_templates))
    return done_number(Id=cms.monitoring.templates.create(made).number)


@SERVICE.action(wire.ModifyMetricRuleTemplate)
def modify_metric_rule_template(cms: Cms, request: wire.ModifyMetricRuleTemplate, _exchange: Exchange) -> Reply:
    """Change a template, unless someone else did since it was read; what is not given stays."""
    template = _template(cms, request.template_id)
    if request.rest_version != template.rest_version:
        raise Refused(STALE_TEMPLATE)
    if request.name and request.name != template.name:
        _check_name(cms, request.name)
    cms.monitoring.templates.change(
        template,
        name=request.name or template.name,
        description=template.description if request.description is None else request.description,
        rules=template.rules if request.alert_templates is None else _rules(request.alert_templates),
    )
    return done_number()


@SERVICE.action(wire.DeleteMetricRuleTemplate)
def delete_metric_rule_template(cms: Cms, request: wire.DeleteMetricRuleTemplate, _exchange: Exchange) -> Reply:
    """Delete a template."""
    cms.monitoring.templates.store.remove(_template(cms, request.template_id).number)
    return done_number(Resource={"TemplateId": str(request.template_id)})


@SERVICE.action(wire.DescribeMetricRuleTemplateList)
def describe_metric_rule_template_list(
    cms: Cms, request: wire.DescribeMetricRuleTemplateList, exchange: Exchange
) -> Reply:
    """List templates without their rules."""
    rows = [
        template
        for template in cms.monitoring.templates.store.all(exchange.as_of)
        if request.template_id in {None, template.number}
        and request.name in {None, template.name}
        and (request.keyword is None or request.keyword in template.name)
    ]
    created = request.order_by == "gmtCreate"
    rows.sort(key=lambda one: (one.created if created else one.modified) or 0, reverse=not request.order)
    names = {group.number: group.name for group in cms.monitoring.groups.store.all()} if request.history else None
    return replies.listed(page(rows, request.page_number, request.page_size), len(rows), names)


@SERVICE.action(wire.DescribeMetricRuleTemplateAttribute)
def describe_metric_rule_template_attribute(
    cms: Cms, request: wire.DescribeMetricRuleTemplateAttribute, exchange: Exchange
) -> Reply:
    """Show one template, by id or by name."""
    if request.template_id is not None:
        return replies.attribute(_template(cms, request.template_id, exchange.as_of))
    if request.name is None:
        raise missing("TemplateId")
    named = (one for one in cms.monitoring.templates.store.all(exchange.as_of) if one.name == request.name)
    found = next(named, None)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return replies.attribute(found)


@SERVICE.action(wire.ApplyMetricRuleTemplate)
def apply_metric_rule_template(cms: Cms, request: wire.ApplyMetricRuleTemplate, _exchange: Exchange) -> Reply:
    """Make rules of templates for one group."""
    if not all(one.isascii() and one.isdigit() for one in request.template_ids):
        raise invalid("TemplateIds")
    monitoring = cms.monitoring
    group = group_of(cms, request.group_id)
    templates = [_template(cms, int(one)) for one in request.template_ids]
    last = _LAST_HOUR if request.enable_end_time is None else request.enable_end_time
    how = How(
        mode=request.apply_mode or "GROUP_INSTANCE_FIRST",
        replace_all=request.append_mode != "append",
        effective_interval=f"{request.enable_start_time or 0:02}:00-{last:02}:59",
        silence_time=_USUAL_SILENCE if request.silence_time is None else request.silence_time,
        webhook=request.webhook or "",
    )
    rules = monitoring.templates.apply(templates, group, monitoring.groups, monitoring.rules, how)
    return replies.applied(group.number, rules)


def _template(cms: Cms, number: int, as_of: int | None = None) -> Template:
    found = cms.monitoring.templates.store.get(number, as_of)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def _check_name(cms: Cms, name: str) -> str:
    if any(template.name == name for template in cms.monitoring.templates.store.all()):
        raise Refused(TEMPLATE_EXISTS)
    return name


def _rules(given: Iterable[wire.AlertTemplate]) -> tuple[AlertTemplate, ...]:
    rules = tuple(
        AlertTemplate(
            category=one.category,
            namespace=one.namespace,
            metric=one.metric_name,
            rule_name=one.rule_name,
            period=one.period,
            selector=one.selector or "",
            webhook=one.webhook or "",
            escalations=escalations(one.escalations),
        )
        for one in given
    )
    if not all(rule.escalations.levels() for rule in rules):
        raise Refused(NO_ESCALATION)
    return rules
