"""The calls that make, list, change and delete buses, rules and targets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.clock import iso_seconds
from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.eb import errors
from cloudheal_sim.tencent.eb.actions.events import pattern_of
from cloudheal_sim.tencent.eb.actions.finding import bus_named, rule_named
from cloudheal_sim.tencent.eb.model.records import Bus, Rule, Target
from cloudheal_sim.tencent.eb.requests import (
    CreateEventBus,
    CreateRule,
    CreateTarget,
    DeleteEventBus,
    DeleteRule,
    DeleteTarget,
    GetEventBus,
    GetRule,
    ListEventBuses,
    ListRules,
    ListTargets,
    UpdateRule,
)
from cloudheal_sim.tencent.eb.service import SERVICE

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.eb.state import Eb

MOST_BUSES, MOST_RULES, MOST_SERVICE_RULES, MOST_TARGETS = 10, 10, 200, 10
#: Types of targets that the real service has; `webhook` is this simulator's own and made by its world only.
_TYPES = frozenset({"scf", "cls", "amp", "ckafka", "es"})


@SERVICE.action(CreateEventBus)
def create_event_bus(eb: Eb, request: CreateEventBus, _exchange: Exchange) -> Reply:
    """Make a custom bus."""
    custom = [one for one in eb.bridge.buses.values() if one.type == "Custom"]
    if len(custom) >= MOST_BUSES:
        raise Refused(errors.LIMIT, limit=MOST_BUSES)
    now, id_ = eb.kernel.clock.now(), eb.bridge.new_id("eb")
    made = Bus(id=id_, name=_named(request.event_bus_name), description=request.description, created=now)
    eb.bridge.buses[made.id] = made
    eb.kernel.journal.change("event_bus", made.id, None, made.name)
    return {"EventBusId": made.id}


@SERVICE.action(GetEventBus)
def get_event_bus(eb: Eb, request: GetEventBus, _exchange: Exchange) -> Reply:
    """Show one bus."""
    return _bus_row(bus_named(eb, request.event_bus_id))


@SERVICE.action(ListEventBuses)
def list_event_buses(eb: Eb, request: ListEventBuses, _exchange: Exchange) -> Reply:
    """List all buses."""
    rows = [_bus_row(one) for one in eb.bridge.buses.values()]
    return {"EventBuses": rows[request.offset : request.offset + request.limit], "TotalCount": len(rows)}


@SERVICE.action(DeleteEventBus)
def delete_event_bus(eb: Eb, request: DeleteEventBus, _exchange: Exchange) -> Reply:
    """Delete a custom bus with its rules."""
    bus = bus_named(eb, request.event_bus_id)
    if bus.type != "Custom":
        raise Refused(errors.CLOUD_BUS)
    del eb.bridge.buses[bus.id]
    eb.bridge.rules = {id_: one for id_, one in eb.bridge.rules.items() if one.bus != bus.id}
    eb.kernel.journal.change("event_bus", bus.id, bus.name, None)
    return {}


@SERVICE.action(CreateRule)
def create_rule(eb: Eb, request: CreateRule, _exchange: Exchange) -> Reply:
    """Make a rule; it has no targets yet."""
    bus = bus_named(eb, request.event_bus_id)
    limit = MOST_RULES if bus.type == "Custom" else MOST_SERVICE_RULES
    if sum(one.bus == bus.id for one in eb.bridge.rules.values()) >= limit:
        raise Refused(errors.LIMIT, limit=limit)
    made = eb.bridge.put_rule(
        Rule(
            name=_named(request.rule_name),
            bus=bus.id,
            pattern=pattern_of(request.event_pattern),
            enabled=request.enable,
            description=request.description,
            created=eb.kernel.clock.now(),
        )
    )
    return {"RuleId": made.id}


@SERVICE.action(GetRule)
def get_rule(eb: Eb, request: GetRule, _exchange: Exchange) -> Reply:
    """Show one rule."""
    return _rule_row(rule_named(eb, request.event_bus_id, request.rule_id))


@SERVICE.action(ListRules)
def list_rules(eb: Eb, request: ListRules, _exchange: Exchange) -> Reply:
    """List the rules of a bus."""
    bus = bus_named(eb, request.event_bus_id)
    rows = [_rule_row(one) for one in eb.bridge.rules.values() if one.bus == bus.id]
    return {"Rules": rows[request.offset : request.offset + request.limit], "TotalCount": len(rows)}


@SERVICE.action(UpdateRule)
def update_rule(eb: Eb, request: UpdateRule, _exchange: Exchange) -> Reply:
    """Change what is given of a rule."""
    rule = rule_named(eb, request.event_bus_id, request.rule_id)
    changes: dict[str, Any] = {
        "name": None if request.rule_name is None else _named(request.rule_name),
        "pattern": None if request.event_pattern is None else pattern_of(request.event_pattern),
        "description": request.description,
        "enabled": request.enable,
    }
    eb.bridge.put_rule(rule.model_copy(update={name: one for name, one in changes.items() if one is not None}))
    return {}


@SERVICE.action(DeleteRule)
def delete_rule(eb: Eb, request: DeleteRule, _exchange: Exchange) -> Reply:
    """Delete a rule with its targets; what is under way still arrives."""
    rule = rule_named(eb, request.event_bus_id, request.rule_id)
    del eb.bridge.rules[rule.id]
    eb.kernel.journal.change("event_rule", rule.id, rule.model_dump(), None)
    return {}


@SERVICE.action(CreateTarget)
def create_target(eb: Eb, request: CreateTarget, _exchange: Exchange) -> Reply:
    """Add a target to a rule; only functions that the world knows are called."""
    rule = rule_named(eb, request.event_bus_id, request.rule_id)
    if request.type not in _TYPES:
        raise invalid("Type")
    if len(rule.targets) >= MOST_TARGETS:
        raise Refused(errors.LIMIT, limit=MOST_TARGETS)
    made = _target(request, eb.bridge.new_id("target"))
    eb.bridge.put_rule(rule.model_copy(update={"targets": (*rule.targets, made)}))
    return {"TargetId": made.id}


@SERVICE.action(ListTargets)
def list_targets(eb: Eb, request: ListTargets, _exchange: Exchange) -> Reply:
    """List the targets of a rule."""
    rule = rule_named(eb, request.event_bus_id, request.rule_id)
    rows = [_target_row(rule, one) for one in rule.targets]
    return {"Targets": rows[request.offset : request.offset + request.limit], "TotalCount": len(rows)}


@SERVICE.action(DeleteTarget)
def delete_target(eb: Eb, request: DeleteTarget, _exchange: Exchange) -> Reply:
    """Take a target off a rule."""
    rule = rule_named(eb, request.event_bus_id, request.rule_id)
    kept = tuple(one for one in rule.targets if one.id != request.target_id)
    if len(kept) == len(rule.targets):
        raise Refused(errors.NO_TARGET, id=request.target_id[:40])
    eb.bridge.put_rule(rule.model_copy(update={"targets": kept}))
    return {}


def _named(name: str) -> str:
    if not 2 <= len(name) <= 60:
        raise Refused(errors.BAD_NAME)
    return name


def _target(request: CreateTarget, id_: str) -> Target:
    """Read a target; a function's name is the last part of its resource description."""
    described = request.target_description
    function = str(described.get("ResourceDescription", "")).rpartition("function/")[2].partition("/")[0]
    batches = described.get("SCFParams")
    params = batches if isinstance(batches, dict) else {}
    batched = bool(params.get("EnableBatchDelivery"))
    try:
        return Target.model_validate(
            {
                "id": id_,
                "type": request.type,
                "function": function if request.type == "scf" else "",
                "batch_seconds": params.get("BatchTimeout", 0) if batched else 0,
                "batch_count": params.get("BatchEventCount", 1) if batched else 1,
                "description": described,
            }
        )
    except ValueError as problem:
        raise invalid("TargetDescription") from problem


def _bus_row(bus: Bus) -> dict[str, object]:
    stamp = iso_seconds(bus.created)
    return {
        "EventBusId": bus.id,
        "EventBusName": bus.name,
        "Description": bus.description,
        "Type": bus.type,
        "PayMode": "POSTPAID",
        "AddTime": stamp,
        "ModTime": stamp,
    }


def _rule_row(rule: Rule) -> dict[str, object]:
    stamp = iso_seconds(rule.created)
    return {
        "EventBusId": rule.bus,
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Status": "Active",
        "Enable": rule.enabled,
        "Description": rule.description,
        "EventPattern": json.dumps(rule.pattern, ensure_ascii=False),
        "Type": "Cloud",
        "AddTime": stamp,
        "ModTime": stamp,
    }


def _target_row(rule: Rule, target: Target) -> dict[str, object]:
    return {
        "EventBusId": rule.bus,
        "RuleId": rule.id,
        "TargetId": target.id,
        "TargetName": target.id,
        "Type": target.type,
        "TargetDescription": dict(target.description),
        "EnableBatchDelivery": target.in_batches,
        "BatchTimeout": int(target.batch_seconds),
        "BatchEventCount": target.batch_count,
    }
