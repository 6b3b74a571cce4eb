"""An alarm that fires on without anybody having acknowledged it is told to a second group of people, once.

They are told too when no series of it fires any more: whoever was woken wants to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa

from cloudheal.logs.alarms import Alarm
from cloudheal.record.log_alarms import Name
from cloudheal.record.log_escalation import Spell, end_spell, note_escalated, spells
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.settings.durations import written


def escalations(connection: sa.Connection, alarms: Mapping[Name, Alarm], now: datetime) -> list[tuple[Spell, Alarm]]:
    """Return the alarms of which the second group is to be told something, and those that are over."""
    found = ((one, alarms[one.name]) for one in spells(connection) if one.name in alarms)
    return [(one, alarm) for one, alarm in found if not one.series or _is_due(one, alarm, now)]


def escalate(connection: sa.Connection, due: Iterable[tuple[Spell, Alarm]], now: datetime) -> int:
    """Tell it in the caller's transaction; returns how many notices that makes."""
    count = 0
    for spell, alarm in due:
        name = spell.name
        if spell.series and note_escalated(connection, name, now):
            facts = {
                "alarm": name.alarm,
                "definition": name.definition,
                "level": spell.level.word,
                "count": str(spell.series),
                "limit": written(alarm.escalate_after) if alarm.escalate_after else "",
                "advice": alarm.text,
            }
            count += tell(connection, _notice(Topic.ALARM_ESCALATED, name, now, facts)) > 0
        elif not spell.series and end_spell(connection, name) and spell.escalated:
            count += tell(connection, _calmed(name, now)) > 0
    return count


def ended_escalation(connection: sa.Connection, name: Name, now: datetime) -> Iterator[Notice]:
    """Yield what the second group is told of an alarm that is not defined so any more."""
    if any(one.name == name and one.escalated for one in spells(connection)):
        yield _calmed(name, now)


def _is_due(spell: Spell, alarm: Alarm, now: datetime) -> bool:
    if alarm.escalate_after is None or spell.acknowledged or spell.escalated or spell.since is None:
        return False
    return now - spell.since >= alarm.escalate_after


def _calmed(name: Name, now: datetime) -> Notice:
    return _notice(Topic.ALARM_CALMED, name, now, {"alarm": name.alarm, "definition": name.definition})


def _notice(topic: Topic, name: Name, now: datetime, facts: Mapping[str, str]) -> Notice:
    bundle = f"log_alarm|{name.definition}|{name.alarm}"
    return Notice(topic, now, f"{topic}|{bundle}", bundle, facts)
