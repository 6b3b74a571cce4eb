"""The calls about rules that make a group for each value of a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.errors import RESOURCE_NOT_FOUND
from cloudheal_sim.alibaba.cms.model.tag_rules import Expression, TagRule
from cloudheal_sim.alibaba.cms.replies import tag_rules as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, page
from cloudheal_sim.alibaba.cms.requests import tag_rules as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(wire.CreateDynamicTagGroup)
def create_dynamic_tag_group(cms: Cms, request: wire.CreateDynamicTagGroup, _exchange: Exchange) -> Reply:
    """Create a rule; the groups of the values that instances carry already are there at once."""
    monitoring = cms.monitoring
    if not all(one.isascii() and one.isdigit() for one in request.template_id_list):
        raise invalid("TemplateIdList")
    if any(monitoring.templates.store.get(int(one)) is None for one in request.template_id_list):
        raise Refused(RESOURCE_NOT_FOUND)
    rule = TagRule(
        id=monitoring.tag_rules.new_id(),
        tag_key=request.tag_key,
        region=request.tag_region_id or "",
        expressions=tuple(
            Expression(name=one.tag_name or "", value=one.tag_value, function=one.tag_value_match_function)
            for one in request.match_express
        ),
        relation=request.match_express_filter_relation or "or",
        contact_groups=request.contact_group_list,
        templates=tuple(int(one) for one in request.template_id_list),
    )
    monitoring.tag_rules.store.put(rule.id, rule)
    monitoring.group_by_tags()
    return done(Id=rule.id)


@SERVICE.action(wire.DescribeDynamicTagRuleList)
def describe_dynamic_tag_rule_list(cms: Cms, request: wire.DescribeDynamicTagRuleList, exchange: Exchange) -> Reply:
    """List rules."""
    rows = [
        rule
        for rule in cms.monitoring.tag_rules.store.all(exchange.as_of)
        if request.dynamic_tag_rule_id in {None, rule.id}
        and request.tag_key in {None, rule.tag_key}
        and request.tag_region_id in {None, rule.region}
        and (request.tag_value is None or any(request.tag_value == one.value for one in rule.expressions))
    ]
    number, size = request.page_number or 1, request.page_size or 30
    return replies.listed(page(rows, number, size), number, size, len(rows))


@SERVICE.action(wire.DeleteDynamicTagGroup)
def delete_dynamic_tag_group(cms: Cms, request: wire.DeleteDynamicTagGroup, _exchange: Exchange) -> Reply:
    """Delete a rule with the groups that it made."""
    if cms.monitoring.tag_rules.store.remove(request.dynamic_tag_rule_id) is None:
        raise Refused(RESOURCE_NOT_FOUND)
    for group in list(cms.monitoring.groups.store.all()):
        if group.tag_rule == request.dynamic_tag_rule_id:
            cms.monitoring.delete_group(group)
    return done()
