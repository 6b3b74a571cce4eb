"""The calls about application groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.errors import RESOURCE_NOT_FOUND
from cloudheal_sim.alibaba.cms.model.groups import MOST_RULES, DynamicRule, Filter, Group, Member, NotifyPolicy, joined
from cloudheal_sim.alibaba.cms.replies import groups as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, done_number, page
from cloudheal_sim.alibaba.cms.requests import groups as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

_USUAL_PAGE = 30


@SERVICE.action(wire.CreateMonitorGroup)
def create_monitor_group(cms: Cms, request: wire.CreateMonitorGroup, _exchange: Exchange) -> Reply:
    """Create a group; names may repeat, as they may there."""
    group = cms.monitoring.groups.create(Group(name=request.group_name, contact_groups=request.contact_groups))
    return done_number(GroupId=group.number)


@SERVICE.action(wire.ModifyMonitorGroup)
def modify_monitor_group(cms: Cms, request: wire.ModifyMonitorGroup, _exchange: Exchange) -> Reply:
    """Change name and contact groups; what is not given stays."""
    group = group_of(cms, request.group_id)
    cms.monitoring.groups.change(
        group,
        name=request.group_name or group.name,
        contact_groups=group.contact_groups if request.contact_groups is None else request.contact_groups,
    )
    return done_number()


@SERVICE.action(wire.DeleteMonitorGroup)
def delete_monitor_group(cms: Cms, request: wire.DeleteMonitorGroup, _exchange: Exchange) -> Reply:
    """Delete a group with the rules that act on it."""
    group = group_of(cms, request.group_id)
    cms.monitoring.delete_group(group)
    return replies.deleted(group)


@SERVICE.action(wire.DescribeMonitorGroups)
def describe_monitor_groups(cms: Cms, request: wire.DescribeMonitorGroups, exchange: Exchange) -> Reply:
    """List the groups that meet every filter."""
    cms.monitoring.group_by_tags()
    holding = None if request.instance_id is None else cms.monitoring.groups_of(request.instance_id)
    rows = [
        group
        for group in cms.monitoring.groups.store.all(exchange.as_of)
        if _is_meant(group, request) and (holding is None or str(group.number) in holding)
    ]
    number, size = request.page_number or 1, request.page_size or _USUAL_PAGE
    shown = [(group, cms.monitoring.templates.applied_to(group.number)) for group in page(rows, number, size)]
    return replies.groups(
        shown,
        (number, size, len(rows)),
        contacts=bool(request.select_contact_groups),
        templates=bool(request.include_template_history),
    )


@SERVICE.action(wire.CreateMonitorGroupInstances)
def create_monitor_group_instances(cms: Cms, request: wire.CreateMonitorGroupInstances, _exchange: Exchange) -> Reply:
    """Put resources into a group."""
    group = group_of(cms, request.group_id)
    cms.monitoring.groups.change(group, instances=joined(group.instances, _members(request.instances)))
    return done_number()


@SERVICE.action(wire.ModifyMonitorGroupInstances)
def modify_monitor_group_instances(cms: Cms, request: wire.ModifyMonitorGroupInstances, _exchange: Exchange) -> Reply:
    """Replace the named members."""
    group = group_of(cms, request.group_id)
    cms.monitoring.groups.change(group, instances=joined((), _members(request.instances)))
    return done_number()


@SERVICE.action(wire.DeleteMonitorGroupInstances)
def delete_monitor_group_instances(cms: Cms, request: wire.DeleteMonitorGroupInstances, _exchange: Exchange) -> Reply:
    """Take named members out; what is not there is not missed."""
    group = group_of(cms, request.group_id)
    gone = {(request.category.upper(), id_) for id_ in request.instance_id_list}
    left = tuple(one for one in group.instances if (one.category.upper(), one.instance_id) not in gone)
    cms.monitoring.groups.change(group, instances=left)
    return done_number()


@SERVICE.action(wire.DescribeMonitorGroupInstances)
def describe_monitor_group_instances(
    cms: Cms, request: wire.DescribeMonitorGroupInstances, exchange: Exchange
) -> Reply:
    """List members, named ones first, then those that match a rule now."""
    rows = _members_meant(cms, request, exchange)
    number, size = request.page_number or 1, request.page_size or _USUAL_PAGE
    return replies.members(page(rows, number, size), (number - 1) * size + 1, (number, size, len(rows)))


@SERVICE.action(wire.DescribeMonitorGroupInstanceAttribute)
def describe_monitor_group_instance_attribute(
    cms: Cms, request: wire.DescribeMonitorGroupInstanceAttribute, exchange: Exchange
) -> Reply:
    """List members with what is known of them."""
    rows = _members_meant(cms, request, exchange)
    number, size = request.page_number or 1, request.page_size or _USUAL_PAGE
    directory = cms.monitoring.groups.directory
    shown = [(one, directory.facts(one.instance_id)) for one in page(rows, number, size)]
    return replies.attributes(shown, (number, size, len(rows) if request.total else None))


@SERVICE.action(wire.DescribeMonitorGroupCategories)
def describe_monitor_group_categories(
    cms: Cms, request: wire.DescribeMonitorGroupCategories, exchange: Exchange
) -> Reply:
    """Count members by category."""
    group = group_of(cms, request.group_id, exchange.as_of)
    return replies.categories(group, cms.monitoring.groups.members(group, exchange.as_of))


@SERVICE.action(wire.PutMonitorGroupDynamicRule)
def put_monitor_group_dynamic_rule(cms: Cms, request: wire.PutMonitorGroupDynamicRule, _exchange: Exchange) -> Reply:
    """Set the rules of the categories named; rules of other categories stay."""
    group = group_of(cms, request.group_id)
    named = {rule.category.upper() for rule in request.group_rules}
    rules = tuple(
        DynamicRule(
            category=rule.category,
            relation=rule.filter_relation,
            filters=tuple(Filter(function=one.function, name=one.name, value=one.value) for one in rule.filters),
        )
        for rule in request.group_rules
    )
    kept = tuple(rule for rule in group.dynamic_rules if rule.category.upper() not in named)
    if len(kept) + len(rules) > MOST_RULES:
        raise invalid("GroupRules")
    cms.monitoring.groups.change(group, dynamic_rules=(*kept, *rules))
    return done_number()


@SERVICE.action(wire.DescribeMonitorGroupDynamicRules)
def describe_monitor_group_dynamic_rules(
    cms: Cms, request: wire.DescribeMonitorGroupDynamicRules, exchange: Exchange
) -> Reply:
    """Show the rules."""
    return replies.dynamic_rules(group_of(cms, request.group_id, exchange.as_of))


@SERVICE.action(wire.DeleteMonitorGroupDynamicRule)
def delete_monitor_group_dynamic_rule(
    cms: Cms, request: wire.DeleteMonitorGroupDynamicRule, _exchange: Exchange
) -> Reply:
    """Delete the rules of one category, or all; members by rule leave at once."""
    group = group_of(cms, request.group_id)
    gone = request.category and request.category.upper()
    left = tuple(rule for rule in group.dynamic_rules if gone and rule.category.upper() != gone)
    cms.monitoring.groups.change(group, dynamic_rules=left)
    return done_number()


@SERVICE.action(wire.CreateMonitorGroupNotifyPolicy)
def create_monitor_group_notify_policy(
    cms: Cms, request: wire.CreateMonitorGroupNotifyPolicy, _exchange: Exchange
) -> Reply:
    """Hold the group's alarms back from start to end."""
    group = group_of(cms, request.group_id)
    if request.start_time is None or request.end_time is None or request.end_time <= request.start_time:
        raise invalid("EndTime")
    policy = NotifyPolicy(type=request.policy_type, start=request.start_time, end=request.end_time)
    cms.monitoring.groups.change(group, notify_policy=policy)
    return done(Success="true", Result=1)


@SERVICE.action(wire.DescribeMonitorGroupNotifyPolicyList)
def describe_monitor_group_notify_policy_list(
    cms: Cms, request: wire.DescribeMonitorGroupNotifyPolicyList, exchange: Exchange
) -> Reply:
    """List the policies that are in force or to come."""
    now = cms.kernel.clock.now()
    rows = [
        group
        for group in cms.monitoring.groups.store.all(exchange.as_of)
        if request.group_id in {None, group.number} and group.notify_policy and group.notify_policy.end > now
    ]
    return replies.policies(page(rows, request.page_number, request.page_size), len(rows))


@SERVICE.action(wire.DeleteMonitorGroupNotifyPolicy)
def delete_monitor_group_notify_policy(
    cms: Cms, request: wire.DeleteMonitorGroupNotifyPolicy, _exchange: Exchange
) -> Reply:
    """Let the group's alarms through again."""
    group = group_of(cms, request.group_id)
    had = group.notify_policy is not None
    cms.monitoring.groups.change(group, notify_policy=None)
    return done(Success="true", Result=int(had))


def group_of(cms: Cms, number: int, as_of: int | None = None) -> Group:
    """Return a group by its id. Raises Refused when there is none."""
    found = cms.monitoring.groups.store.get(number, as_of)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def _members(instances: Iterable[wire.Instance]) -> list[Member]:
    return [
        Member(
            category=one.category,
            instance_id=one.instance_id,
            instance_name=one.instance_name,
            region=one.region_id,
        )
        for one in instances
    ]


def _members_meant(
    cms: Cms,
    request: wire.DescribeMonitorGroupInstances | wire.DescribeMonitorGroupInstanceAttribute,
    exchange: Exchange,
) -> list[Member]:
    group = group_of(cms, request.group_id, exchange.as_of)
    return [
        member
        for member in cms.monitoring.groups.members(group, exchange.as_of)
        if (request.category is None or request.category.upper() == member.category.upper())
        and (not request.instance_ids or member.instance_id in request.instance_ids)
        and (request.keyword is None or request.keyword in member.instance_id + "\n" + member.instance_name)
    ]


def _is_meant(group: Group, request: wire.DescribeMonitorGroups) -> bool:
    types = {*request.types, *([request.type] if request.type else [])}
    founder = request.group_founder_tag_key
    return (
        request.group_id in {None, group.number}
        and (request.group_name is None or request.group_name in group.name)
        and (request.keyword is None or request.keyword in group.name)
        and (not types or group.type in types)
        and request.dynamic_tag_rule_id in {None, group.tag_rule}
        and (founder is None or (bool(group.tag_rule) and founder in group.tags))
        and request.group_founder_tag_value in {None, group.tags.get(founder or "")}
        and all(tag.key in group.tags and tag.value in {None, group.tags[tag.key]} for tag in request.tag)
    )
