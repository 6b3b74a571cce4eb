"""Tells why an alarm on a log metric fires or does not, series by series, in English or Chinese.

A pure function from how an alarm stands to lines; words stand in `explain_alarm_texts`. Names of series come out of
logs and are quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from cloudheal.logs.alarm_reasons import Reasoned, Why, reasons
from cloudheal.logs.alarm_rounds import Line
from cloudheal.logs.alarm_telling import quoted, series_text
from cloudheal.logs.alarms import Alarm, Rule
from cloudheal.model.alarm import Level
from cloudheal.model.window import next_opening
from cloudheal.model.words import told
from cloudheal.record.explain_alarm_texts import ALARM_TEXTS
from cloudheal.record.log_alarms import Standings
from cloudheal.record.log_escalation import Spell
from cloudheal.settings.durations import written

#: Series that are told of; the others are counted.
MOST_SERIES = 10


def explain_alarm(
    alarm: Alarm, stands: Standings | None, now: datetime, language: str, zone: tzinfo, spell: Spell | None = None
) -> list[str]:
    """Return what is to be said of an alarm, as lines; indented ones belong to the one before."""
    return list(_Teller(ALARM_TEXTS[language], zone, alarm, language).tell(stands, now, spell))


def alarm_said(data: Mapping[str, Any], language: str) -> str:
    """Return what an event of an alarm says: of which series, which level, and the value that made it so."""
    facts = {name: str(data.get(name, "-")) for name in ("alarm", "definition", "before", "level", "alias")}
    named = data.get("series") or {}
    series = series_text(list(named), [str(one) for one in named.values()])
    value = number(data.get("value"))
    text = "event.changed" if data.get("why") == "changed" else "event"
    return ALARM_TEXTS[language][text].format_map({**facts, "series": f" {series}" if series else "", "value": value})


def number(value: float | None) -> str:
    """Write a number as people read it."""
    return "-" if value is None else f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class _Teller:
    texts: dict[str, str]
    zone: tzinfo
    alarm: Alarm
    language: str

    def tell(self, stands: Standings | None, now: datetime, spell: Spell | None) -> Iterator[str]:
        """Tell what the alarm is, how it stands, and why."""
        yield from self._defined(now)
        if stands is None:
            yield self._say("never")
            return
        lines = sorted(stands.lines.values(), key=_by_gravity)
        firing = sum(one.level.is_firing for one in lines)
        upto = datetime.fromtimestamp(stands.mark.upto, UTC)
        yield self._say("evaluated", upto=self._at(upto), firing=str(firing), series=str(len(lines)))
        yield from self._seen_to(spell)
        if not lines:
            yield self._say("nothing")
        for line in lines[:MOST_SERIES]:
            yield from self._series(line)
        if len(lines) > MOST_SERIES:
            yield self._say("more", count=str(len(lines) - MOST_SERIES))

    def _defined(self, now: datetime) -> Iterator[str]:
        alarm = self.alarm
        yield self._say(
            "alarm",
            alarm=alarm.name,
            definition=alarm.definition,
            alias=alarm.alias,
            metric=alarm.metric,
            minutes=str(alarm.minutes),
        )
        for rule in alarm.rules:
            text = "rule" if rule.times == rule.of else "rule.of"
            numbers = {"times": str(rule.times), "of": str(rule.of)}
            yield self._count(text, rule.of, level=rule.level.word, threshold=self._threshold(rule), **numbers)
        yield self._count(f"no_data.{alarm.no_data}", alarm.no_data_times, times=str(alarm.no_data_times))
        if alarm.escalate_after is not None:
            yield self._say("escalates", limit=written(alarm.escalate_after))
        if alarm.series:
            wanted = (
                f"{field}={self.texts['or'].join(quoted(one) for one in many)}" for field, many in alarm.series.items()
            )
            yield self._say("only", series=self.texts["and"].join(wanted))
        until = None if alarm.is_in_hours(now) else next_opening(alarm.hours, now)
        if until is not None:
            yield self._say("hours", until=self._at(until))

    def _series(self, line: Line) -> Iterator[str]:
        named = series_text(self.alarm.by, line.key)
        yield self._say(
            "stands.none" if line.seen.value is None else "stands",
            series=self._say("series", series=named) if named else self._say("whole"),
            level=self.texts[f"level.{line.level.word}"],
            since=self._epoch(line.since),
            period=self._epoch(line.period),
            value=number(line.seen.value),
        )
        for one in reasons(self.alarm, line):
            yield self._reason(line, one)
        if line.fired:
            yield self._count("fired", line.fired, count=str(line.fired))
        yield from self._told(line)

    def _reason(self, line: Line, one: Reasoned) -> str:
        rule = one.rule
        facts = {"missing": str(line.standing.missing), "value": number(line.seen.value)}
        if rule is None:
            text = f"why.{one.why}.no_data"
            return self._count(text, line.standing.missing, wanted=str(self.alarm.no_data_times), **facts)
        return self._count(
            f"why.{one.why}",
            line.standing.missing if one.why is Why.NO_DATA else rule.of,
            level=one.level.word,
            threshold=self._threshold(rule),
            compared=self._compared(one),
            than=self.texts[f"than.{rule.than}"] if rule.than else "",
            bad=str(one.bad),
            of=str(rule.of),
            now=line.level.word,
            times=str(rule.times),
            quiet=str(line.standing.quiet),
            wanted=str(self.alarm.recovers_after),
            **facts,
        )

    def _compared(self, one: Reasoned) -> str:
        """Say what was compared with what, where there was something to compare with."""
        if one.rule is None or one.rule.than is None or one.change is None or one.why is Why.NO_REFERENCE:
            return ""
        change = self._say("percent", change=f"{one.change:+.4g}")
        than = self.texts[f"than.{one.rule.than}"]
        return self._say("compared", change=change, reference=number(one.reference), than=than)

    def _told(self, line: Line) -> Iterator[str]:
        told, until = line.told, line.told.muted_until(self.alarm.mute)
        if told.at is not None and until is not None:
            levels = ", ".join(one.word for one in told.levels)
            facts = {"levels": levels, "at": self._at(told.at), "until": self._at(until)}
            yield self._say("told.muted", count=str(told.untold), **facts)
        elif line.fired:
            yield self._say("told.never")

    def _seen_to(self, spell: Spell | None) -> Iterator[str]:
        """Say who sees to it, and whether a second group was told."""
        if spell is not None and spell.acknowledged is not None:
            yield self._say("acknowledged", who=spell.acknowledged.who, at=self._at(spell.acknowledged.at))
        if spell is not None and spell.escalated is not None:
            yield self._say("escalated", at=self._at(spell.escalated))

    def _threshold(self, rule: Rule) -> str:
        return rule.text_zh if self.language == "zh" else rule.text

    def _count(self, text: str, number: int, **facts: str) -> str:
        """Say a text in the form that it has for one of what it counts, or for several."""
        one = f"{text}.one"
        return self._say(one if number == 1 and one in self.texts else text, **facts)

    def _say(self, text: str, **facts: str) -> str:
        return self.texts[text].format_map(told(facts))

    def _at(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    def _epoch(self, seconds: int) -> str:
        return self._at(datetime.fromtimestamp(seconds, UTC))


def _by_gravity(line: Line) -> tuple[bool, int, int, tuple[str, ...]]:
    """Order series: what fires, then what came nearest, then by name."""
    level = line.level
    grave = 2 if level is Level.NO_DATA else int(level)
    nearest = max((one.bit_count() for one in line.standing.history), default=0)
    return not level.is_firing, -grave, -nearest, line.key
