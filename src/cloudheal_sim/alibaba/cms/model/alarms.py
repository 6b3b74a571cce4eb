"""From an alarm to whoever is told: the rule's MNS targets (form 6.2 of aliyun.md) and its callback (form 6.4).

An alarm is raised by hand. It is silent when its rule is told to be: in the mute period after the same level about the
same resource, outside the effective hours, while the rule's group is paused. Contacts are named in the log; nobody is
written to. What is on its way is data, a callback until it is answered, so that a world that is read and put back
continues the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlencode

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.delivery import RETRIES, RETRY_SECONDS
from cloudheal_sim.alibaba.cms.model.metric_rules import LEVEL_NUMBERS, Alarm, Escalation, MetricRule, Target
from cloudheal_sim.alibaba.cms.model.store import Record
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime
from cloudheal_sim.kernel.courier import Courier
from cloudheal_sim.kernel.outbound import Push

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.alibaba.cms.model.delivery import Mailboxes
    from cloudheal_sim.alibaba.cms.model.groups import Groups
    from cloudheal_sim.alibaba.cms.model.metric_rules import MetricRules
    from cloudheal_sim.kernel.core import Kernel

ACTION = "metric_alarm"
_MNS_ARN = re.compile(r"acs:mns:(?P<region>[^:]*):[^:]*:/?(?P<kind>queues|topics)/(?P<name>[^/]+)(/messages?)?")
_CALLBACK_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
#: The words of the callback's alertState.
_STATES = {"OK": "OK", "INSUFFICIENT_DATA": "INSUFFICIENT_DATA"}


class Letter(Record):
    """One alarm on its way to one place; `due` is epoch milliseconds, `place` an ARN or a URL, `attempt` from 1."""

    due: int
    kind: Literal["mns", "webhook"]
    place: str
    body: str
    rule: str
    attempt: Annotated[int, Field(ge=1, le=RETRIES + 1)] = 1


@dataclass(slots=True)
class Alarms:
    """Raises alarms and delivers them."""

    kernel: Kernel
    account: str
    mailboxes: Mailboxes
    rules: MetricRules
    groups: Groups
    courier: Courier[Letter] = field(init=False)

    def __post_init__(self) -> None:
        self.courier = Courier(self.kernel, self._hand_over, _again, (RETRY_SECONDS,) * RETRIES)

    def raised(self, rule: MetricRule, level: str, dimensions: Mapping[str, str], value: float | None) -> Alarm:
        """Let a rule say something about a resource; returns what went into the log."""
        now = self.kernel.clock.now()
        last = self.rules.latest(rule).get(tuple(sorted(dimensions.items())))
        alarm = Alarm.model_validate(
            {
                "id": self.kernel.chance.uuid("alarms"),
                "rule": rule.id,
                "at": now,
                "level": level,
                "previous": last.level if last else "OK",
                "instance": dimensions.get("instanceId", ""),
                "dimensions": dict(dimensions),
                "value": value,
                "sent": self._may_speak(rule, level, last, now),
            }
        )
        self.rules.note(alarm)
        state = level if level in _STATES else "ALARM"
        self.rules.change(rule, state=state)
        if alarm.sent:
            for letter in self._letters(rule, alarm):
                self.courier.plan(letter)
        return alarm

    def _may_speak(self, rule: MetricRule, level: str, last: Alarm | None, now: int) -> bool:
        if rule.group is not None and self.groups.paused(rule.group, now):
            return False
        if not within_hours(rule.effective_interval, now):
            return False
        muted = rule.silence_time * MILLIS_PER_SECOND
        return last is None or last.level != level or not last.sent or now - last.at >= muted

    def _letters(self, rule: MetricRule, alarm: Alarm) -> Iterable[Letter]:
        places: list[tuple[Literal["mns", "webhook"], str, str]] = []
        document = json.dumps(alarm_document(rule, alarm, self.account), ensure_ascii=False)
        places += [("mns", one.arn, document) for one in rule.targets if _is_told(one, alarm)]
        url = callback_url(rule.webhook)
        if url:
            places.append(("webhook", url, urlencode(callback_fields(rule, alarm, self.account))))
        for kind, place, body in places:
            for due in self.kernel.faults.arrivals("cms", ACTION, "", (rule.id, alarm.instance)):
                yield Letter(due=due, kind=kind, place=place, body=body, rule=rule.id)

    def _hand_over(self, letter: Letter) -> Push | None:
        """Deliver a letter, or return the call that has to be answered."""
        if letter.kind == "webhook":
            body = letter.body.encode()
            return Push(letter.place, body, _CALLBACK_TYPE, service="cms", name=ACTION, resources=(letter.rule,))
        arrived, reason = self._mailed(letter)
        self.kernel.journal.append(
            "delivery",
            service="cms",
            action=ACTION,
            resources=(letter.rule,),
            status=201 if arrived else 404,
            code=reason,
            details={"target": letter.place},
        )
        return None

    def _mailed(self, letter: Letter) -> tuple[bool, str]:
        found = _MNS_ARN.fullmatch(letter.place)
        if found is None:
            return False, "recorded, not sent"
        body = letter.body.encode()
        if found["kind"] == "queues":
            arrived = self.mailboxes.enqueue(found["region"], found["name"], body)
            return arrived, "" if arrived else "QueueNotExist"
        arrived = self.mailboxes.publish(found["region"], found["name"], body)
        return arrived, "" if arrived else "TopicNotExist"


def _again(letter: Letter, due: int) -> Letter:
    return letter.model_copy(update={"due": due, "attempt": letter.attempt + 1})


def within_hours(interval: str, now: int) -> bool:
    """Say whether the time of day in China is within `hh:mm-hh:mm`, ends included; several are separated by commas."""
    clock = (to_datetime(now) + timedelta(hours=8)).strftime("%H:%M")
    spans = [span.partition("-") for span in interval.split(",") if "-" in span]
    if not spans:
        return True
    return any(a <= clock <= b if a <= b else clock >= a or clock <= b for a, _, b in spans)


def alarm_document(rule: MetricRule, alarm: Alarm, account: str) -> dict[str, object]:
    """Return the message that MNS targets get."""
    level, condition = _condition(rule, alarm)
    value = 0.0 if alarm.value is None else alarm.value
    data = {"timestamp": alarm.at, "userId": account, **alarm.dimensions}
    return {
        "ruleId": rule.id,
        "ruleName": rule.name,
        "curLevel": alarm.level,
        "preLevel": alarm.previous,
        "resources": json.dumps(alarm.dimensions),
        "escalation": {
            "comparisonOperator": condition.operator if condition else "",
            "level": LEVEL_NUMBERS[level],
            "statistics": condition.statistics if condition else "",
            "tag": level,
            "threshold": condition.threshold if condition else "",
            "times": condition.times if condition else 0,
        },
        "metricData": {**data, "Average": value, "Maximum": value, "Minimum": value},
    }


def callback_fields(rule: MetricRule, alarm: Alarm, account: str) -> dict[str, str]:
    """Return the form fields that a callback gets; `dimensions` is in braces but is not JSON."""
    _level, condition = _condition(rule, alarm)
    named = {"userId": account, **alarm.dimensions}
    return {
        "alertName": rule.name,
        "alertState": _STATES.get(alarm.level, "ALERT"),
        "curValue": "" if alarm.value is None else f"{alarm.value:g}",
        "dimensions": "{" + ", ".join(f"{name}={value}" for name, value in named.items()) + "}",
        "expression": condition.expression if condition else "",
        "instanceName": alarm.instance,
        "metricName": rule.metric,
        "metricProject": rule.namespace,
        "namespace": rule.namespace,
        "preTriggerLevel": alarm.previous,
        "triggerLevel": alarm.level,
        "ruleId": rule.id,
        "timestamp": str(alarm.at),
        "userId": account,
        "signature": "",
    }


def callback_url(webhook: str) -> str:
    """Return the URL of a rule's callback, which is given plainly or as `{"method": "post", "url": ...}`."""
    if not webhook.lstrip().startswith("{"):
        return webhook
    try:
        given = json.loads(webhook)
    except ValueError:
        return ""
    return str(given.get("url", ""))


def _condition(rule: MetricRule, alarm: Alarm) -> tuple[str, Escalation | None]:
    """Return the level an alarm is about, which for an all-clear is the level before, and its condition."""
    levels = rule.escalations.levels()
    named = next((one for one in (alarm.level, alarm.previous, *levels) if one in LEVEL_NUMBERS), "WARN")
    return named, levels.get(named)


def _is_told(target: Target, alarm: Alarm) -> bool:
    return not target.level or alarm.level in {"OK", "INSUFFICIENT_DATA"} or alarm.level in target.level.upper()
