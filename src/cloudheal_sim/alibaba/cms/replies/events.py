"""Wire out: event rules, targets, events.

The official SDK's form is answered (`EventRules.EventRule[].EventPattern.EventPattern[]`), capital letters included as
they are there. Event lists carry the older form, a JSON string in `Data`, beside the newer one.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.catalogue import LIFE_CYCLE, full_name
from cloudheal_sim.alibaba.cms.model.envelope import arn, group_ids
from cloudheal_sim.alibaba.cms.model.event_log import content_text
from cloudheal_sim.alibaba.cms.model.event_target import (
    ContactTarget,
    FcTarget,
    MnsTarget,
    OpenApiTarget,
    SlsTarget,
    WebhookTarget,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.alibaba.cms.model.catalogue import Kind
    from cloudheal_sim.alibaba.cms.model.event_log import Published
    from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, Pattern
    from cloudheal_sim.alibaba.cms.model.event_target import Target

#: The head of most replies; some APIs answer `Success` as text.
DONE: dict[str, object] = {"Code": "200", "Message": "success", "Success": True}
DONE_TEXT: dict[str, object] = {"Code": "200", "Message": "success", "Success": "true"}


def rule_list(rules: Sequence[EventRule], total: int) -> dict[str, object]:
    """Answer DescribeEventRuleList."""
    return {**DONE, "Total": total, "EventRules": {"EventRule": [_rule(rule) for rule in rules]}}


def rule_attribute(rule: EventRule) -> dict[str, object]:
    """Answer DescribeEventRuleAttribute, which knows one pattern only: the first."""
    pattern = {
        **_pattern(rule.patterns[0]),
        "StatusList": {"StatusList": rule.patterns[0].statuses},
        "KeywordFilterObj": {
            "Relation": rule.patterns[0].relation,
            "Keywords": {"keyword": rule.patterns[0].keywords},
        },
    }
    return {**DONE, "Result": {**_rule_head(rule), "EventPattern": pattern}}


def target_list(targets: Iterable[Target], account: str) -> dict[str, object]:
    """Answer DescribeEventRuleTargetList."""
    found: dict[str, list[dict[str, object]]] = {name: [] for name in _PLACES.values()}
    for target in targets:
        found[_PLACES[target.kind]].append(_described(target, account))
    singular = {"FcParameters": "FCParameter", "OpenApiParameters": "OpenApiParameters"}
    return {**DONE, **{name: {singular.get(name, name[:-1]): items} for name, items in found.items()}}


def targets_put(failed: Sequence[Target]) -> dict[str, object]:
    """Answer PutEventRuleTargets; targets of three kinds are named when they failed, the others only counted."""
    reply: dict[str, object] = {**DONE, "FailedParameterCount": str(len(failed))}
    for kind, name in (("mns", "Mns"), ("fc", "Fc"), ("contact", "Contact")):
        items = [_parameters(target) for target in failed if target.kind == kind]
        reply[f"Failed{name}Parameters"] = {f"{name}Parameter": items}
    return reply


def meta_list(kinds: Iterable[Kind]) -> dict[str, object]:
    """Answer DescribeSystemEventMetaList: one row for each state of each kind; `Code` is a number here."""
    rows = [_meta(kind, status) for kind in kinds for status in kind.statuses]
    return {"Code": 200, "Message": "success", "Success": True, "Data": {"Resource": rows}}


def system_events(events: Iterable[Published], account: str) -> dict[str, object]:
    """Answer DescribeSystemEventAttribute in its two forms."""
    rows = [_system_event(one, account) for one in events]
    return {**DONE_TEXT, "SystemEvents": {"SystemEvent": rows}, "Data": json.dumps(rows, ensure_ascii=False)}


def system_event_counts(events: Iterable[Published], account: str) -> dict[str, object]:
    """Answer DescribeSystemEventCount: one row for each name and level, with the facts of its newest event."""
    newest: dict[tuple[str, ...], Published] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for one in events:
        key: tuple[str, ...] = (one.event.product, one.name, one.event.level, one.event.status)
        newest.setdefault(key, one)
        counts[key] += 1
    rows = []
    for key, one in newest.items():
        facts = {name: value for name, value in _system_event(one, account).items() if name != "Id"}
        rows.append({**facts, "Num": counts[key]})
    return {**DONE_TEXT, "SystemEventCounts": {"SystemEventCount": rows}}


def custom_events(events: Iterable[Published]) -> dict[str, object]:
    """Answer DescribeCustomEventAttribute; times are text here."""
    rows = [
        {
            "Id": one.id,
            "Name": one.event.name,
            "GroupId": group_ids(one),
            "Content": str(one.event.content.get("content", "")),
            "Time": str(one.event.at),
        }
        for one in events
    ]
    return {**DONE_TEXT, "CustomEvents": {"CustomEvent": rows}}


def custom_event_counts(events: Iterable[Published]) -> dict[str, object]:
    """Answer DescribeCustomEventCount: one row for each name."""
    newest: dict[str, Published] = {}
    counts: Counter[str] = Counter()
    for one in events:
        newest.setdefault(one.event.name, one)
        counts[one.event.name] += 1
    rows = [{"Name": name, "Num": counts[name], "Time": one.event.at} for name, one in newest.items()]
    return {**DONE, "CustomEventCounts": {"CustomEventCount": rows}}


_PLACES = {
    "mns": "MnsParameters",
    "fc": "FcParameters",
    "contact": "ContactParameters",
    "sls": "SlsParameters",
    "webhook": "WebhookParameters",
    "open_api": "OpenApiParameters",
}


def _rule_head(rule: EventRule) -> dict[str, object]:
    return {
        "Name": rule.name,
        "Description": rule.description,
        "EventType": rule.sort,
        "GroupId": rule.group,
        "State": "ENABLED" if rule.enabled else "DISABLED",
    }


def _rule(rule: EventRule) -> dict[str, object]:
    patterns = [_listed_pattern(pattern) for pattern in rule.patterns]
    return {**_rule_head(rule), "SilenceTime": rule.silence_time, "EventPattern": {"EventPattern": patterns}}


def _listed_pattern(pattern: Pattern) -> dict[str, object]:
    keywords = {"Relation": pattern.relation, "Keywords": {"Keywords": pattern.keywords}}
    return {**_pattern(pattern), "CustomFilters": pattern.custom_filters, "KeywordFilter": keywords}


def _pattern(pattern: Pattern) -> dict[str, object]:
    return {
        "Product": pattern.product,
        "NameList": {"NameList": pattern.names},
        "LevelList": {"LevelList": pattern.levels},
        "EventTypeList": {"EventTypeList": pattern.event_types},
        "SQLFilter": pattern.sql_filter,
    }


def _described(target: Target, account: str) -> dict[str, object]:
    match target:
        case MnsTarget() | FcTarget() | SlsTarget():
            return {**_parameters(target), "Arn": target.arn(account)}
        case OpenApiTarget():
            return {**_parameters(target), "Arn": target.arn}
    return _parameters(target)


def _parameters(target: Target) -> dict[str, object]:
    match target:
        case MnsTarget(region=region, queue=queue, topic=topic):
            place: dict[str, object] = {"Region": region, "Queue": queue, "Topic": topic}
            return {"Id": target.id, **{name: value for name, value in place.items() if value}}
        case FcTarget():
            place = {"Region": target.region, "ServiceName": target.service_name, "FunctionName": target.function_name}
        case SlsTarget():
            place = {"Region": target.region, "Project": target.project, "LogStore": target.log_store}
        case ContactTarget():
            place = {"ContactGroupName": target.contact_group_name, "Level": target.level}
        case WebhookTarget():
            place = {"Protocol": target.protocol, "Method": target.method, "Url": target.url}
        case OpenApiTarget():
            api = {"Product": target.product, "Action": target.action, "Version": target.version}
            place = {**api, "Region": target.region, "Role": target.role, "JsonParams": target.json_params}
    return {"Id": target.id, **place}


def _meta(kind: Kind, status: str) -> dict[str, object]:
    return {
        "Product": kind.product,
        "Name": full_name(kind.name, status),
        "NameDesc": kind.zh,
        "NameDesc.En": kind.en,
        "EventType": kind.event_type,
        "Level": kind.level_at(status),
        "Status": status,
        "StatusDesc": LIFE_CYCLE.get(status, status),
    }


def _system_event(one: Published, account: str) -> dict[str, object]:
    event = one.event
    return {
        "Id": one.id,
        "Product": event.product,
        "Name": one.name,
        "Level": event.level,
        "Status": event.status,
        "RegionId": event.region,
        "ResourceId": arn(event, account),
        "InstanceName": event.instance_name,
        "GroupId": group_ids(one),
        "Time": event.at,
        "Content": content_text(event.content),
    }
