"""What an account needs so that its events reach its queues: the queues, CloudMonitor's rules, and the rules' targets.

A plan is made by reading; each item says what would change and why. Carrying it out changes only what differs, so that
a second time changes nothing. What somebody made larger than needed is left as it is.

A queue of urgent messages has a rule of its own beside those that bring everything: what it brings comes twice and is
one event, so that neither queue alone can lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from mns.account import Account
from mns.mns_exception import MNSExceptionBase, MNSServerException
from mns.queue import Queue, QueueMeta

from cloudheal.clouds.alibaba.client import CMS, Client
from cloudheal.clouds.alibaba.events import INTERRUPTION
from cloudheal.clouds.alibaba.sources import Provider, translated
from cloudheal.clouds.keys import KeyRing
from cloudheal.errors import CloudPermanentError
from cloudheal.settings.accounts import AccountSettings

#: Everything of a product: which events matter is decided by rules here, not by a filter that nobody sees.
EVERYTHING: Mapping[str, Any] = {"NameList": ["*"], "LevelList": ["*"], "EventTypeList": ["*"]}
#: What is wanted, by the rule that brings it: the servers' own events, and those of the monitor's agent inside the
#: servers, which tell that a server is not heard of any more.
ORDINARY: Mapping[str, Mapping[str, Any]] = {
    "cloudheal-ecs": {"Product": "ECS", **EVERYTHING},
    "cloudheal-monitor": {"Product": "CloudMonitor", **EVERYTHING},
}
#: What cannot wait is what has a deadline of minutes. Failures of hosts come by the thousand: they are the crowd.
URGENT: Mapping[str, Mapping[str, Any]] = {
    "cloudheal-urgent": {"Product": "ECS", **EVERYTHING, "NameList": [INTERRUPTION]}
}
OURS, TARGET = "cloudheal-", "cloudheal"
SECONDS = 10.0
#: Messages wait for a healer that is down over a long week-end; one in hand is hidden for a minute.
AT_LEAST: Mapping[str, int] = {"message_retention_period": 345_600, "visibility_timeout": 60}


class Deed(StrEnum):
    """What is done to an item of the plan."""

    KEEP = "keep"
    CREATE = "create"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the account: what it is, what will be done, and the differences, `name: now -> wanted`."""

    what: str
    name: str
    deed: Deed
    differences: tuple[str, ...] = ()
    carry_out: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where some of an account's events are to go, and the rules that bring them there, with their patterns."""

    endpoint: str
    queue: str
    region: str
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: ORDINARY)


def places_of(account: AccountSettings) -> tuple[Place, ...]:
    """Return where an account's events are to go: everything to one queue, what cannot wait to another one, too."""
    if account.queue is None:
        return ()
    endpoint, urgent = account.queue.endpoint, account.queue.for_urgent
    region = region_of(endpoint, account.regions[0])
    ordinary = Place(endpoint, account.queue.name, region)
    return (ordinary, Place(endpoint, urgent.name, region, URGENT)) if urgent else (ordinary,)


def region_of(endpoint: str, default: str) -> str:
    """Read the region from a queue endpoint such as http://UID.mns.cn-hangzhou.aliyuncs.com."""
    parts = (urlsplit(endpoint).hostname or "").split(".")
    region = parts[2] if len(parts) >= 5 and parts[1] == "mns" else default
    return region.removesuffix("-internal").removesuffix("-vpc")


def plan(client: Client, keys: KeyRing, places: Sequence[Place]) -> list[Item]:
    """Read what is there and say what must be done. Raises Cloud*Error."""
    items = []
    for place in places:
        there = _rules(client, place.region)
        items.append(_queue(keys, place))
        for name, pattern in place.rules.items():
            items += [
                _rule(client, place.region, name, pattern, there.get(name)),
                _target(client, place, name, exists=name in there),
            ]
    return items


def _queue(keys: KeyRing, place: Place) -> Item:
    name = f"{place.queue} ({place.region})"
    with _opened(keys, place) as queue:
        try:
            found = queue.get_attributes()
        except MNSServerException as problem:
            if problem.type != "QueueNotExist":
                raise
            return Item("queue", name, Deed.CREATE, (), lambda: _create(keys, place))
    lower = {key: least for key, least in AT_LEAST.items() if int(getattr(found, key)) < least}
    differences = tuple(f"{key}: {getattr(found, key)} -> {least}" for key, least in lower.items())
    deed = Deed.CHANGE if lower else Deed.KEEP
    return Item("queue", name, deed, differences, lambda: _raise(keys, place, lower))


def _create(keys: KeyRing, place: Place) -> object:
    meta = QueueMeta(vis_timeout=AT_LEAST["visibility_timeout"], msg_ttl=AT_LEAST["message_retention_period"])
    with _opened(keys, place) as queue:
        return queue.create(meta)


def _raise(keys: KeyRing, place: Place, lower: Mapping[str, int]) -> object:
    with _opened(keys, place) as queue:
        meta = queue.get_attributes()
        for name, least in lower.items():
            setattr(meta, name, least)
        return queue.set_attributes(meta)


@contextmanager
def _opened(keys: KeyRing, place: Place) -> Iterator[Queue]:
    account = Account(place.endpoint, credentials_provider=Provider(keys))
    try:
        yield account.get_queue(place.queue)
    except MNSExceptionBase as problem:
        if isinstance(problem, MNSServerException) and problem.type == "QueueNotExist":
            raise
        raise translated(place.queue, problem) from problem
    finally:
        account.mns_client.close_connection()


def _rules(client: Client, region: str) -> Mapping[str, Mapping[str, Any]]:
    reply = _cms(client, "DescribeEventRuleList", region, {"NamePrefix": OURS, "PageSize": "100"})
    listed = _inner(_inner(reply, "EventRules"), "EventRule") or _inner(_inner(reply, "Datapoints"), "EventRule") or []
    return {one["Name"]: one for one in listed if one.get("Name")}


def _rule(client: Client, region: str, rule: str, pattern: Mapping[str, Any], found: Mapping[str, Any] | None) -> Item:
    query = {"RuleName": rule, "EventType": "SYSTEM", "State": "ENABLED", "Description": "to cloudheal"}
    for key, value in pattern.items():
        for name, text in [(key, value)] if isinstance(value, str) else _numbered(key, value):
            query[f"EventPattern.1.{name}"] = text

    def put() -> object:
        return _cms(client, "PutEventRule", region, query)

    if found is None:
        return Item("event_rule", rule, Deed.CREATE, (), put)
    differences = tuple(_rule_differences(found, pattern))
    return Item("event_rule", rule, Deed.CHANGE if differences else Deed.KEEP, differences, put)


def _rule_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    if found.get("State") != "ENABLED":
        yield f"State: {found.get('State')} -> ENABLED"
    shown = found.get("EventPattern") or {}
    patterns = _inner(shown, "EventPattern") or ([shown] if shown.get("Product") else [])
    pattern = patterns[0] if len(patterns) == 1 else {}
    for key, wanted in expected.items():
        value = pattern.get(key)
        value = value.get(key) if isinstance(value, Mapping) else value
        if value != wanted:
            yield f"{key}: {value or '-'} -> {wanted}"


def _target(client: Client, place: Place, rule: str, *, exists: bool) -> Item:
    name = f"{rule} > {place.queue}"
    wanted = {"Id": TARGET, "Region": place.region, "Queue": place.queue}

    def put() -> object:
        query = {f"MnsParameters.1.{key}": value for key, value in wanted.items()}
        reply = _cms(client, "PutEventRuleTargets", place.region, {"RuleName": rule, **query})
        if str(reply.get("FailedParameterCount") or "0") != "0":
            raise CloudPermanentError(f"PutEventRuleTargets did not take queue {place.queue}", vendor_code="Failed")
        return reply

    reply = _cms(client, "DescribeEventRuleTargetList", place.region, {"RuleName": rule}) if exists else {}
    listed = _inner(_inner(reply, "MnsParameters"), "MnsParameter") or []
    if any((one.get("Region"), one.get("Queue")) == (place.region, place.queue) for one in listed):
        return Item("target", name, Deed.KEEP)
    mine = next((one for one in listed if one.get("Id") == TARGET), None)
    if mine is None:
        return Item("target", name, Deed.CREATE, (), put)
    differences = tuple(f"{key}: {mine.get(key)} -> {value}" for key, value in wanted.items() if mine.get(key) != value)
    return Item("target", name, Deed.CHANGE, differences, put)


def _cms(client: Client, action: str, region: str, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Call CloudMonitor, which may answer with HTTP 200 and no success."""
    reply = client.call(CMS, action, region, query, SECONDS)
    code = str(reply.get("Code", "200"))
    if code != "200" or str(reply.get("Success", "true")).lower() != "true":
        raise CloudPermanentError(
            f"{action} was refused: {code}", vendor_code=code, request_id=str(reply.get("RequestId"))
        )
    return reply


def _numbered(key: str, values: list[str]) -> Iterator[tuple[str, str]]:
    return ((f"{key}.{number}", value) for number, value in enumerate(values, 1))


def _inner(value: object, name: str) -> Any:
    """Return a member of an object at the wire; None when there is none, or it is no object."""
    return value.get(name) if isinstance(value, Mapping) else None
