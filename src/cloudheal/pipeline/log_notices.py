"""What people are told of alarms on log metrics: a notice for each message, with the numbers that led to it.

Notices of one alarm travel together, so that a hundred series that fire at once are one message. What makes two notices
the same is the alarm, the series and what is told, so that a channel's own quiet time never hides another level.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cloudheal.logs.alarm_events import rule_of, series_id
from cloudheal.logs.alarm_rounds import Line, Turn
from cloudheal.logs.alarm_telling import Message, series_text
from cloudheal.logs.alarms import Rule, counted
from cloudheal.model.alarm import Level
from cloudheal.record.log_alarms import Name
from cloudheal.record.outbox import Notice, Topic

_FIRES: Mapping[Level, Topic] = {
    Level.CRITICAL: Topic.ALARM_CRITICAL,
    Level.WARN: Topic.ALARM_WARN,
    Level.INFO: Topic.ALARM_INFO,
    Level.NO_DATA: Topic.ALARM_NO_DATA,
}


def notice_of(turn: Turn, now: datetime) -> Notice | None:
    """Return what people are told of a turn; None when it is only counted."""
    if turn.telling is None:
        return None
    alarm, line = turn.alarm, turn.line
    again = Topic.ALARM_AGAIN if turn.telling.count else Topic.ALARM_STILL
    messages = {Message.AGAIN: again, Message.RECOVERED: Topic.ALARM_RECOVERED}
    topic = messages.get(turn.telling.message) or _FIRES[turn.after]
    rule = rule_of(alarm, turn.after)
    series = series_text(alarm.by, line.key)
    facts = {
        "alarm": alarm.name,
        "definition": alarm.definition,
        "alias": alarm.alias,
        "series": f" {series}" if series else "",
        "value": shown(line.seen.value),
        "minutes": str(alarm.minutes),
        "level": turn.after.word,
        "threshold": rule.text if rule else "no data",
        "threshold_zh": rule.text_zh if rule else "没有数据",
        **_lasting(turn, rule),
        "missing": str(line.standing.missing * alarm.minutes),
        "count": str(turn.telling.count),
        "times": "once more" if turn.telling.count == 1 else f"{turn.telling.count} more times",
        "times_zh": f"{turn.telling.count} 次",
        "advice": alarm.text,
    }
    return _notice(topic, Name(alarm.definition, alarm.name), line, now, facts)


def _lasting(turn: Turn, rule: Rule | None) -> Mapping[str, str]:
    """Say in how many periods it was bad, in both languages."""
    if rule is None:
        return {"lasting": "", "lasting_zh": ""}
    alarm, line = turn.alarm, turn.line
    bad = counted(rule, line.standing.history[alarm.rules.index(rule)])
    if rule.of == 1:
        return {"lasting": f"in the last {alarm.minutes} min", "lasting_zh": f"最近 {alarm.minutes} 分钟"}
    return {
        "lasting": f"in {bad} of the last {rule.of} periods of {alarm.minutes} min",
        "lasting_zh": f"最近 {rule.of} 个周期（每个 {alarm.minutes} 分钟）中有 {bad} 个异常",
    }


def ended_notice(name: Name, line: Line, now: datetime) -> Notice:
    """Return what people are told of an alarm that fires and is not defined so any more."""
    series = series_text([""] * len(line.key), line.key)
    facts = {"alarm": name.alarm, "definition": name.definition, "series": f" {series}" if series else ""}
    return _notice(Topic.ALARM_CHANGED, name, line, now, facts)


def shown(value: float | None) -> str:
    """Write a value as people read it."""
    return "-" if value is None else f"{value:.6g}"


def _notice(topic: Topic, name: Name, line: Line, now: datetime, facts: Mapping[str, str]) -> Notice:
    bundle = f"log_alarm|{name.definition}|{name.alarm}"
    return Notice(topic, now, f"{topic}|{bundle}|{series_id(line.key)}", bundle, facts)
