"""The calls about events: rules, targets, what happened, dry runs, custom events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms import errors
from cloudheal_sim.alibaba.cms.model import catalogue
from cloudheal_sim.alibaba.cms.model.content_query import QueryError, compiled
from cloudheal_sim.alibaba.cms.model.custom_alarm import CustomAlarm
from cloudheal_sim.alibaba.cms.model.event_log import NO_GROUP, EventQuery, Published
from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, Pattern
from cloudheal_sim.alibaba.cms.model.event_target import (
    MOST_TARGETS,
    ContactTarget,
    FcTarget,
    MnsTarget,
    OpenApiTarget,
    SlsTarget,
    Target,
    WebhookTarget,
)
from cloudheal_sim.alibaba.cms.model.publication import HOME, dry_run_event
from cloudheal_sim.alibaba.cms.replies import events as replies
from cloudheal_sim.alibaba.cms.replies.envelope import page
from cloudheal_sim.alibaba.cms.requests import events as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.events import SystemEvent
from cloudheal_sim.alibaba.rpc import Refused, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(wire.PutEventRule)
def put_event_rule(cms: Cms, request: wire.PutEventRule, _exchange: Exchange) -> Reply:
    """Create a rule or change one; patterns are replaced as a whole."""
    old = cms.events.rules.find(request.rule_name) or EventRule(request.rule_name, ())
    rule = replace(
        old,
        patterns=tuple(_pattern(pattern) for pattern in request.event_pattern),
        sort=request.event_type or old.sort,
        enabled=old.enabled if request.state is None else request.state == "ENABLED",
        group=old.group if request.group_id is None else request.group_id,
        silence_time=old.silence_time if request.silence_time is None else request.silence_time,
        description=old.description if request.description is None else request.description,
    )
    changed = cms.events.rules.put([rule])
    return {**replies.DONE, "Data": str(changed)}


@SERVICE.action(wire.PutEventRuleTargets)
def put_event_rule_targets(cms: Cms, request: wire.PutEventRuleTargets, exchange: Exchange) -> Reply:
    """Add or replace targets; those that cannot be are named, the others take effect."""
    rule = _rule(cms, request.rule_name)
    asked = list(_targets(request))
    spoilt = exchange.spoilt(len(asked))
    failed = [target for place, target in enumerate(asked) if place in spoilt or not _exists(cms, target)]
    changed = rule.with_targets(target for target in asked if target not in failed)
    if any(sum(one.kind == target.kind for one in changed.targets) > MOST_TARGETS for target in asked):
        raise Refused(errors.TOO_MANY_TARGETS)
    cms.events.rules.put([changed])
    return replies.targets_put(failed)


@SERVICE.action(wire.DescribeEventRuleList)
def describe_event_rule_list(cms: Cms, request: wire.DescribeEventRuleList, exchange: Exchange) -> Reply:
    """Return the rules that fit, in order of creation."""
    found = [
        rule
        for rule in cms.events.rules.all(exchange.as_of)
        if rule.name.startswith(request.name_prefix or "")
        and request.is_enable in {None, rule.enabled}
        and request.group_id in {None, rule.group}
    ]
    return replies.rule_list(page(found, request.page_number, request.page_size), len(found))


@SERVICE.action(wire.DescribeEventRuleAttribute)
def describe_event_rule_attribute(cms: Cms, request: wire.DescribeEventRuleAttribute, exchange: Exchange) -> Reply:
    """Return one rule."""
    return replies.rule_attribute(_rule(cms, request.rule_name, exchange.as_of))


@SERVICE.action(wire.DescribeEventRuleTargetList)
def describe_event_rule_target_list(cms: Cms, request: wire.DescribeEventRuleTargetList, exchange: Exchange) -> Reply:
    """Return the targets of a rule."""
    return replies.target_list(_rule(cms, request.rule_name, exchange.as_of).targets, cms.account)


@SERVICE.action(wire.DeleteEventRules)
def delete_event_rules(cms: Cms, request: wire.DeleteEventRules, _exchange: Exchange) -> Reply:
    """Delete rules, all of those named or none."""
    rules = [_rule(cms, name) for name in request.rule_names]
    cms.events.rules.remove(rule.name for rule in rules)
    return replies.DONE


@SERVICE.action(wire.EnableEventRules)
def enable_event_rules(cms: Cms, request: wire.EnableEventRules, _exchange: Exchange) -> Reply:
    """Switch rules on, all of those named or none."""
    cms.events.rules.put([replace(_rule(cms, name), enabled=True) for name in request.rule_names])
    return replies.DONE


@SERVICE.action(wire.DisableEventRules)
def disable_event_rules(cms: Cms, request: wire.DisableEventRules, _exchange: Exchange) -> Reply:
    """Switch rules off, all of those named or none."""
    cms.events.rules.put([replace(_rule(cms, name), enabled=False) for name in request.rule_names])
    return replies.DONE


@SERVICE.action(wire.DeleteEventRuleTargets)
def delete_event_rule_targets(cms: Cms, request: wire.DeleteEventRuleTargets, _exchange: Exchange) -> Reply:
    """Take targets from a rule; every target with one of the ids goes, whatever its kind."""
    rule = _rule(cms, request.rule_name)
    kept = tuple(target for target in rule.targets if target.id not in request.ids)
    if len(kept) == len(rule.targets):
        raise Refused(errors.RESOURCE_NOT_FOUND)
    cms.events.rules.put([replace(rule, targets=kept)])
    return replies.DONE


@SERVICE.action(wire.DescribeSystemEventMetaList)
def describe_system_event_meta_list(
    _cms: Cms, _request: wire.DescribeSystemEventMetaList, _exchange: Exchange
) -> Reply:
    """Return the catalogue."""
    return replies.meta_list(catalogue.CATALOGUE)


@SERVICE.action(wire.DescribeSystemEventAttribute)
def describe_system_event_attribute(cms: Cms, request: wire.DescribeSystemEventAttribute, exchange: Exchange) -> Reply:
    """Return a page of what happened."""
    found = cms.events.log.newest_first(_query(request, exchange))
    return replies.system_events(page(found, request.page_number, request.page_size), cms.account)


@SERVICE.action(wire.DescribeSystemEventCount)
def describe_system_event_count(cms: Cms, request: wire.DescribeSystemEventCount, exchange: Exchange) -> Reply:
    """Count what happened, by name and level."""
    return replies.system_event_counts(cms.events.log.newest_first(_query(request, exchange)), cms.account)


@SERVICE.action(wire.SendDryRunSystemEvent)
def send_dry_run_system_event(cms: Cms, request: wire.SendDryRunSystemEvent, _exchange: Exchange) -> Reply:
    """Send an event that did not happen through the rules; nothing else in the world hears of it."""
    content = request.event_content
    event = dry_run_event(request.product, request.event_name, content, cms.kernel.clock.now())
    published = cms.events.stamped(event)
    verbatim = content if content.get("name") else None
    groups = (request.group_id,) if request.group_id else published.groups
    cms.events.send(replace(published, groups=groups, dry_run=True, verbatim=verbatim))
    return replies.DONE_TEXT


@SERVICE.action(wire.PutCustomEvent)
def put_custom_event(cms: Cms, request: wire.PutCustomEvent, _exchange: Exchange) -> Reply:
    """Take custom events; rules of type CUSTOM may want them."""
    for info in request.event_info:
        event = SystemEvent(
            product="CUSTOM",
            name=info.event_name,
            level="INFO",
            event_type="",
            status="",
            region=request.region_id or HOME,
            resource="",
            resource_id="",
            at=cms.kernel.clock.now() if info.time is None else info.time,
            content={"content": info.content},
        )
        groups = (info.group_id,) if info.group_id and info.group_id != NO_GROUP else ()
        published = Published(cms.kernel.chance.uuid("events"), event, groups, sort="CUSTOM")
        cms.events.send(published)
        cms.custom_alarms.hear(published)
    return {"Code": "200", "Message": "success"}


@SERVICE.action(wire.PutCustomEventRule)
def put_custom_event_rule(cms: Cms, request: wire.PutCustomEventRule, _exchange: Exchange) -> Reply:
    """Create or change an alarm on custom events."""
    cms.custom_alarms.put(
        CustomAlarm(
            id=request.rule_id,
            name=request.rule_name,
            event_name=request.event_name,
            level=request.level,
            threshold=request.threshold,
            group=request.group_id,
            period=request.period,
            contact_groups=tuple(name.strip() for name in request.contact_groups.split(",") if name.strip()),
            webhook=request.webhook or "",
        )
    )
    return replies.DONE


@SERVICE.action(wire.DescribeCustomEventAttribute)
def describe_custom_event_attribute(cms: Cms, request: wire.DescribeCustomEventAttribute, exchange: Exchange) -> Reply:
    """Return a page of the custom events."""
    found = cms.events.log.newest_first(_custom_query(request, exchange))
    return replies.custom_events(page(found, request.page_number, request.page_size))


@SERVICE.action(wire.DescribeCustomEventCount)
def describe_custom_event_count(cms: Cms, request: wire.DescribeCustomEventCount, exchange: Exchange) -> Reply:
    """Count the custom events, by name."""
    return replies.custom_event_counts(cms.events.log.newest_first(_custom_query(request, exchange)))


def _rule(cms: Cms, name: str, as_of: int | None = None) -> EventRule:
    rule = cms.events.rules.find(name, as_of)
    if rule is None:
        raise Refused(errors.RESOURCE_NOT_FOUND)
    return rule


def _pattern(asked: wire.EventPattern) -> Pattern:
    try:
        compiled(asked.sql_filter or "*")
    except QueryError as problem:
        raise Refused(errors.BAD_SQL_FILTER, f"The specified parameter SQLFilter is not valid: {problem}.") from problem
    return Pattern(
        product=asked.product,
        names=asked.name_list,
        levels=asked.level_list,
        event_types=asked.event_type_list,
        statuses=asked.status_list,
        custom_filters=asked.custom_filters or "",
        sql_filter=asked.sql_filter or "",
        keywords=asked.keyword_filter.keywords,
        relation=asked.keyword_filter.relation or "OR",
    )


def _targets(request: wire.PutEventRuleTargets) -> Iterator[Target]:
    """Read the targets asked for; without an Id a target is known by its position, without a Region it is at home."""
    home = request.region_id or HOME
    for at, mns in enumerate(request.mns_parameters, 1):
        yield MnsTarget(mns.id or str(at), mns.region or home, mns.queue or "", mns.topic or "")
    for at, hook in enumerate(request.webhook_parameters, 1):
        yield WebhookTarget(hook.id or str(at), hook.url, hook.method or "POST", hook.protocol or "http")
    for at, fc in enumerate(request.fc_parameters, 1):
        yield FcTarget(fc.id or str(at), fc.region or home, fc.service_name, fc.function_name)
    for at, sls in enumerate(request.sls_parameters, 1):
        yield SlsTarget(sls.id or str(at), sls.region or home, sls.project, sls.log_store)
    for at, contact in enumerate(request.contact_parameters, 1):
        yield ContactTarget(contact.id or str(at), contact.contact_group_name, contact.level or "3")
    for at, api in enumerate(request.open_api_parameters, 1):
        yield OpenApiTarget(
            api.id or str(at),
            api.product,
            api.action,
            api.version,
            region=api.region or home,
            role=api.role or "",
            arn=api.arn or "",
            json_params=api.json_params or "",
        )


def _exists(cms: Cms, target: Target) -> bool:
    match target:
        case MnsTarget(region=region, queue=queue) if queue:
            return cms.mailboxes.has_queue(region, queue)
        case MnsTarget(region=region, topic=topic):
            return cms.mailboxes.has_topic(region, topic)
    return True


def _query(request: wire.DescribeSystemEventCount, exchange: Exchange) -> EventQuery:
    return EventQuery(
        product=request.product or "",
        name=request.name or "",
        level=request.level or "",
        event_type=request.event_type or "",
        status=request.status or "",
        group=request.group_id or "",
        keywords=request.search_keywords or "",
        start=request.start_time,
        end=request.end_time,
        as_of=exchange.as_of,
    )


def _custom_query(request: wire.DescribeCustomEventCount, exchange: Exchange) -> EventQuery:
    return EventQuery(
        sort="CUSTOM",
        name=request.name or "",
        id=request.event_id or "",
        group=request.group_id or "",
        keywords=request.search_keywords or "",
        start=request.start_time,
        end=request.end_time,
        as_of=exchange.as_of,
    )
