"""The EventBridge rule by which events of servers reach the function, as its API and its console take it.

Events are chosen here by source and type only, in every documented spelling, because the vendor compares them letter
by letter: what else a rule asks for is decided by cloudheal, not by a filter that nobody sees. Repair tasks are always
among them. Batch delivery is off, so that no event waits for another. Nothing is sent to the cloud: whoever sets an
account up makes the rule from this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from cloudheal.clouds.deployments import NAME
from cloudheal.clouds.tencent.names import (
    ALARM,
    BEGINNINGS,
    PRODUCT,
    SITUATIONS,
    TASKS,
    normal_type,
    spellings_of,
)
from cloudheal.decide.pattern import Clause
from cloudheal.decide.rulebook import when_of
from cloudheal.errors import SettingsError
from cloudheal.model.resource import Cloud
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.rules import Rule

#: Events of every region come to the bus of the vendor's own services, which stands here; so does the function.
REGION = "ap-guangzhou"
RULE = "cloudheal-cvm"
#: What the operator puts in place of these.
BUS_ID, RULE_ID = "EVENT-BUS-ID", "RULE-ID"
SOURCE, EVENT_SOURCE = "cvm.cloud.tencent", "tencent.cvm"
_ALARMS = f"{PRODUCT}:{ALARM}:"
_OF_SERVERS = re.compile(rf"{PRODUCT}:(ErrorEvent|CloudEvent|OperationEvent):.+")
#: Operators that the vendor documents and that a type may be asked with here.
_OPERATORS = ("prefix", "suffix", "anything-but")

#: What a field may hold: a value, or an object with one operator.
Alternative: TypeAlias = str | Mapping[str, str]


def document_of(account: AccountSettings, rules: Sequence[Rule]) -> dict[str, Any]:
    """Return what to make for one account: the bodies of both calls, and the pattern as one reads it.

    Raises SettingsError naming the rule whose pattern the vendor does not understand.
    """
    pattern = pattern_of(rules)
    function = f"qcs::scf:{REGION}:uin/{account.id}:namespace/default/function/{NAME}/$LATEST"
    target = {"ResourceDescription": function, "SCFParams": {"EnableBatchDelivery": False}}
    return {
        "CreateRule": {
            "EventBusId": BUS_ID,
            "RuleName": RULE,
            "Description": "Events of servers, to cloudheal",
            "Enable": True,
            "EventPattern": json.dumps(pattern),
        },
        "CreateTarget": {"EventBusId": BUS_ID, "RuleId": RULE_ID, "Type": "scf", "TargetDescription": target},
        "pattern": pattern,
    }


def pattern_of(rules: Sequence[Rule]) -> dict[str, list[Alternative]]:
    """Return the pattern of the events that rules use, and of repair tasks; of every alarm when one asks for any."""
    asked = [types for number, rule in enumerate(rules) if (types := _asked(number, rule)) is not None]
    every = not asked or any(not types for types in asked)
    named = [*([{"prefix": _ALARMS}] if every else []), *(one for types in asked for one in types), *_tasks()]
    return {"source": [SOURCE], "type": list(_without_doubles(named))}


def _asked(number: int, rule: Rule) -> list[Alternative] | None:
    """Return the types that a rule names, none when it takes any; None when it is not about this cloud's servers."""
    clauses = {one.path: one for one in when_of(rule).clauses}
    about = {("source",): EVENT_SOURCE, ("cloud",): str(Cloud.TENCENT)}
    if any(path in clauses and not clauses[path].accepts(value) for path, value in about.items()):
        return None
    if ("type",) not in clauses:
        return []
    _check(number, rule)
    return list(_alternatives(clauses["type",], rule.when["type"])) or None


def _alternatives(clause: Clause, written: Iterable[Any]) -> Iterator[Alternative]:
    """Return what of a rule's types can come from here: the known ones in every spelling, others as they stand."""
    known = [f"{_ALARMS}{one}" for one in (*SITUATIONS, *TASKS.values())]
    exact = [normal_type(one) for one in clause.exact if isinstance(one, str) and _OF_SERVERS.fullmatch(one)]
    for type_ in dict.fromkeys([*exact, *(one for one in known if clause.accepts(one))]):
        yield from _spelled(type_)
    for one in written:
        if isinstance(one, Mapping) and ("suffix" in one or str(one.get("prefix", "")).startswith(f"{PRODUCT}:")):
            yield dict(one)


def _spelled(type_: str) -> Iterator[Alternative]:
    head, _, name = type_.rpartition(":")
    yield from (f"{head}:{one}" for one in spellings_of(name))
    if name in BEGINNINGS:
        yield {"prefix": f"{head}:{BEGINNINGS[name]}"}


def _tasks() -> Iterator[Alternative]:
    """Return repair tasks, whatever phase of theirs an event tells."""
    return ({"prefix": f"{_ALARMS}{one}"} for task in TASKS.values() for one in spellings_of(task))


def _without_doubles(alternatives: Sequence[Alternative]) -> Iterator[Alternative]:
    """Return alternatives once each, without those that begin as another asks."""
    beginnings = [one["prefix"] for one in alternatives if isinstance(one, Mapping) and "prefix" in one]
    seen: list[Alternative] = []
    for one in alternatives:
        text = one if isinstance(one, str) else one.get("prefix", "")
        covered = any(text.startswith(begin) and one != {"prefix": begin} for begin in beginnings)
        if one not in seen and not covered:
            seen.append(one)
    yield from seen


def _check(number: int, rule: Rule) -> None:
    """Refuse an operator for the type that the vendor does not document: its rule might match nothing."""
    for one in rule.when["type"]:
        unknown = [name for name in one if name not in _OPERATORS] if isinstance(one, Mapping) else []
        if unknown:
            raise SettingsError(
                f"rules.{rule.name}.when.type: Tencent Cloud's EventBridge documents no {unknown[0]}, so that this "
                "rule cannot be told to it",
                what_to_do=f"Name the types, or use one of {', '.join(_OPERATORS)}.",
                field=("rules", number, "when", "type"),
            )
