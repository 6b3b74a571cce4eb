"""Alarms as events, which meet the same rules as every other event.

What an alarm is called stands in the settings and nowhere else; series come out of logs and are values in the event's
data, never part of its type, of the trouble's name or of a key that could be guessed into another's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cloudheal.logs.alarm_rounds import Turn
from cloudheal.logs.alarms import Alarm, Rule, change_of, counted
from cloudheal.model.alarm import EASED, FIRING, RECOVERED, SOURCE, TYPE, Level
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import ResourceId

#: Characters of one value of a series that an event carries.
MOST_KEPT = 500


def alarm_event(turn: Turn, subject: ResourceId, now: datetime) -> Event:
    """Return the event of a turn. What lasts is news of now; what has passed within the round keeps its time."""
    alarm, line, level = turn.alarm, turn.line, turn.after
    rule = rule_of(alarm, level if level.is_firing else turn.before)
    data = {
        **_named(alarm.definition, alarm.name, level, turn.before),
        "metric": alarm.metric,
        "alias": alarm.alias,
        "series": {field: _kept(value) for field, value in zip(alarm.by, line.key, strict=False)},
        "value": line.seen.value,
        "minutes": alarm.minutes,
        "period": datetime.fromtimestamp(line.period, UTC).isoformat(),
        "others": turn.others,
        "text": alarm.text,
        **({"corrected": True} if turn.corrected else {}),
        **(_measured(turn, rule) if rule else {"periods": alarm.no_data_times, "missing": line.standing.missing}),
    }
    time = now if turn.lasts else datetime.fromtimestamp(turn.end, UTC)
    status = FIRING if level.is_firing else EASED if turn.others else RECOVERED
    again = "again" if level is turn.before else ""
    return _event(data, subject, status, (time, now), (series_id(line.key), str(turn.end), level.word, again))


def ended_event(
    named: tuple[str, str], key: Sequence[str], before: Level, subject: ResourceId, now: datetime, *, others: int
) -> Event:
    """Return the event of an alarm that fires and that the settings do not name any more, or not so."""
    data = {**_named(*named, Level.OK, before), "why": "changed"}
    status = EASED if others else RECOVERED
    parts = (series_id(key), str(int(now.timestamp())), "changed")
    return _event(data, subject, status, (now, now), parts)


def rule_of(alarm: Alarm, level: Level) -> Rule | None:
    """Return the rule of a level; None for those that no rule has."""
    return next((one for one in alarm.rules if one.level is level), None)


def series_id(key: Sequence[str]) -> str:
    """Return a name of a series that nothing in its values can make another's."""
    return hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:32]


def _named(definition: str, name: str, level: Level, before: Level) -> dict[str, Any]:
    return {"alarm": name, "definition": definition, "level": level.word, "before": before.word}


def _kept(value: str) -> str:
    """Return a value of a series as databases take it: cut, and without halves of characters."""
    return value[:MOST_KEPT].encode("utf-8", "backslashreplace").decode()


def _measured(turn: Turn, rule: Rule) -> dict[str, Any]:
    """Return the numbers of a rule that has a threshold."""
    line = turn.line
    reference = line.seen.references.get(rule.than) if rule.than else None
    change = None if line.seen.value is None else change_of(line.seen.value, reference)
    past = line.standing.history[turn.alarm.rules.index(rule)]
    return {
        "threshold": rule.text,
        "reference": reference,
        "change": change,
        "periods": rule.times,
        "of": rule.of,
        "bad": counted(rule, past),
    }


def _event(
    data: Mapping[str, Any],
    subject: ResourceId,
    status: str,
    times: tuple[datetime, datetime],
    parts: Sequence[str],
) -> Event:
    """Return an event; `times` are when it happened and now, `parts` tell it from the alarm's other ones."""
    return Event(
        key="|".join(("log", data["definition"], data["alarm"], *parts)).rstrip("|"),
        id="",
        source=SOURCE,
        type=TYPE,
        subject=subject,
        time=times[0],
        received=times[1],
        status=status,
        data=data,
        channel=Channel.LOG,
        simulated=False,
        raw=json.dumps(data, ensure_ascii=False).encode(),
    )
