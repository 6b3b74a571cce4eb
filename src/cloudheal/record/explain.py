"""Tells the whole story of one event in full sentences, in English or Chinese.

What arrived and how, which rules matched or failed and on which clause, every station of the walk with its numbers,
what was done step by step with the vendor's request ids, the verdict, and what happens next and when. A pure function
from read models to lines; whoever prints them knows nothing else. Words stand in `explain_texts`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType

from cloudheal.model.alarm import SOURCE
from cloudheal.model.decision import OUTCOMES, Outcome, Reason, RuleCheck
from cloudheal.model.deed import CLAIM
from cloudheal.model.evidence import Sign, unlisted
from cloudheal.model.incident import RunState, StepKind
from cloudheal.model.instant import INSTANT, localised
from cloudheal.record.explain_alarm import alarm_said
from cloudheal.record.explain_texts import TEXTS
from cloudheal.record.ledger import Kind, Written
from cloudheal.record.stories import Affair, Attempt, Made, Passed, Story

#: Told by other sentences already, or of no use to who asks why.
_TOLD_ELSEWHERE = frozenset({Kind.EVENT, Kind.DECISION, Kind.INCIDENT_ENDED, Kind.INCIDENT_ACTED})
#: A word on a plan whose detail is a code or an instant.
_ON_PLAN = re.compile(r"(no slot|missed|asked for)(?:: | )(.+)")
_OF = re.compile(r"(\d+) of (\d+)(?: fell)?")
_SHARE = re.compile(r"(?P<acting>\d+)\+(?P<down>\d+) of (?P<limit>\d+)")
_AT = re.compile(rf"(?:newest observation|deadline|off until|last attempt) ({INSTANT.pattern})")


def explain(
    story: Story,
    checks: Sequence[RuleCheck],
    language: str,
    zone: tzinfo,
    promoted: Mapping[str, datetime] = MappingProxyType({}),
) -> list[str]:
    """Return the story as lines; `checks` are the rules as they are now, `promoted` is since when each may act.

    Indented lines belong to the one before.
    """
    return list(_Teller(TEXTS[language], zone, language, promoted).tell(story, checks))


def signs_told(text: str, language: str, zone: tzinfo) -> str:
    """Return signs of evidence, as they stand in tables, in words."""
    return _Teller(TEXTS[language], zone, language).signs(text)


def station_told(station: Passed, language: str, zone: tzinfo) -> str:
    """Return one station of a walk as a sentence."""
    return _Teller(TEXTS[language], zone, language).station(station)


@dataclass(frozen=True, slots=True)
class _Teller:
    texts: dict[str, str]
    zone: tzinfo
    language: str
    promoted: Mapping[str, datetime] = field(default_factory=dict)

    def tell(self, story: Story, checks: Sequence[RuleCheck]) -> Iterator[str]:
        """Tell the parts of the story in the order in which they happened."""
        yield from self._arrival(story)
        yield from self._rules(story, checks)
        for made in story.decisions:
            yield from self._decision(made, {one.rule: one.digest for one in checks})
        for affair in story.affairs:
            yield from self._affair(affair)
        if not story.affairs:
            yield self._next_without(story.decisions)

    def _arrival(self, story: Story) -> Iterator[str]:
        event = story.event
        yield self._say(
            "arrived" if event.subject.region else "arrived.nowhere",
            number=str(story.number),
            type=event.type,
            status=event.status or "-",
            kind=event.subject.kind,
            resource=event.subject.id,
            region=event.subject.region,
            account=event.subject.account,
            occurred=self._at(event.time),
            received=self._at(event.received),
            late=self._span(event.received - event.time),
            channel=self._word("channel", event.channel.value),
        )
        if event.source == SOURCE:
            yield alarm_said(event.data, self.language)
        if event.simulated:
            yield self._say("drill")

    def _rules(self, story: Story, checks: Sequence[RuleCheck]) -> Iterator[str]:
        if not checks:
            yield self._say("rules.none")
        for check in checks:
            if not check.failures:
                yield self._say("rule.matched", rule=check.rule)
            for failed in check.failures:
                wanted = self.texts["or"].join(failed.wanted)
                yield self._say(
                    "rule.failed", rule=check.rule, field=failed.field, found=self._found(failed.found), wanted=wanted
                )
        if not story.decisions:
            matched = any(not check.failures for check in checks)
            yield self._say("decided.follows" if matched else "decided.none")

    def _decision(self, made: Made, digests: dict[str, str]) -> Iterator[str]:
        code = f"{made.reason}.{made.detail}" if made.detail else made.reason
        why = self._word("reason", made.reason)
        yield self._say("decided", rule=made.rule, at=self._at(made.at), reason=why, code=code)
        if made.rule in digests and digests[made.rule] != made.digest:
            yield self._say("rule.changed", rule=made.rule)
        for number, station in enumerate(made.stations, start=1):
            yield f"  {number}. {self.station(station)}"

    def station(self, station: Passed) -> str:
        """Put a question and its answer into the language."""
        answer = "no" if refuses(station.reason) else "yes"
        signs = station.question in _OF_SIGNS
        text = self.texts.get(f"station.{station.question}.{answer}", self.texts[f"station.{answer}"])
        numbers = self.signs(station.numbers) if signs else self._numbers(station.numbers)
        said = text.format_map({"question": station.question, "reason": station.reason, "numbers": numbers})
        return said if not numbers or "{numbers}" in text else self._say("station.numbers", said=said, numbers=numbers)

    def signs(self, text: str) -> str:
        """Put the signs of a piece of evidence into the language, with what exactly was found."""
        return self.texts["sign.and"].join(self._sign(one) for one in unlisted(text))

    def _sign(self, sign: Sign) -> str:
        said = self._word("sign", sign.code)
        detail = INSTANT.sub(lambda found: self._at(datetime.fromisoformat(found[0])), sign.detail)
        return self._say("sign.detail", sign=said, detail=detail) if detail else said

    def _numbers(self, numbers: str) -> str:
        """Put the numbers of a station into the language: instants in the zone, counts as words, nothing as nothing."""
        if not numbers or numbers.endswith("None"):
            return ""
        instant, counts, share = (form.fullmatch(numbers) for form in (_AT, _OF, _SHARE))
        if instant:
            return self._at(datetime.fromisoformat(instant[1]))
        if share:
            return self._say("share", **share.groupdict())
        if counts:
            return self._say("of", used=counts[1], limit=counts[2])
        return localised(numbers.removeprefix("open incident "), self.zone)

    def _affair(self, affair: Affair) -> Iterator[str]:
        yield self._say("incident", incident=affair.id, trouble=affair.trouble)
        uncalled = {_step(one) for one in affair.timeline.entries if _calls_nothing(one)}
        for entry in affair.timeline.entries:
            is_told = entry.kind in _TOLD_ELSEWHERE or (entry.result == "ok" and _step(entry) in uncalled)
            if not is_told:
                yield f"  {self._at(entry.at)}  {self._entry(entry)}"
        if affair.ended is not None:
            yield from self._end(affair, affair.ended)
        else:
            for run in affair.runs:
                yield self._next_planned(run) if run.state is RunState.PLANNED else self._next(run)

    def _entry(self, entry: Written) -> str:
        """Say one row of the ledger; a kind without words of its own is named as it is."""
        body = {key: str(value) for key, value in entry.body.items() if value is not None}
        facts = {
            **dict.fromkeys(("worker", "heir", "from", "look", "code", "request_id", "question", "recoveries"), "-"),
            **{key: localised(value, self.zone) for key, value in body.items() if value},
            "kind": entry.kind,
            "name": entry.name or "-",
            "why": self._word("parked", entry.name),
            "type": entry.type or "-",
            "result": self._word("reason" if entry.kind == Kind.RUN_WAITS else "result", entry.result or "-"),
        }
        if entry.kind == Kind.RUN_PLANNED:
            return self._on_plan(entry, body)
        said = _calls_nothing(entry) or f"entry.{entry.kind}"
        if said == "entry.step.concluded" and not body.get("code"):
            said = "entry.step.concluded.plainly"
        may = entry.body.get("may_answer")
        names = self._say("may_answer", names=self.texts["list"].join(may)) if isinstance(may, list) else ""
        return self.texts.get(said, self.texts["entry"]).format_map(facts) + names + self._seen(entry)

    def _seen(self, entry: Written) -> str:
        """Say what a look saw that ended in waiting or in a question; empty where nothing was kept."""
        seen = entry.body.get("evidence")
        if not isinstance(seen, Mapping):
            return ""
        return self._say("seen", evidence=self._facts({str(name): str(text) for name, text in seen.items()}))

    def _on_plan(self, entry: Written, body: Mapping[str, str]) -> str:
        """Say a word on the plan: a slot that was given, that there is none, or what an operator asked for."""
        if INSTANT.fullmatch(entry.result):
            given = self._say("plan.slot", at=self._at(datetime.fromisoformat(entry.result)))
            kept_out = body.get("unkept", "")
            return self._say("plan.unkept", said=given, code=kept_out) if kept_out else given
        found = _ON_PLAN.fullmatch(entry.result)
        word, detail = found.groups() if found else (entry.result, "")
        if INSTANT.fullmatch(detail):
            return self._say("plan.asked", name=entry.name or "-", at=self._at(datetime.fromisoformat(detail)))
        said = self.texts.get(f"plan.{word} {detail}", self.texts.get(f"plan.{word}", self.texts["entry.run.planned"]))
        why = self._word("plan.missed", detail) if detail == "late" else self._word("reason", detail)
        return said.format_map({"name": entry.name or "-", "code": detail, "why": why, "result": entry.result})

    def _end(self, affair: Affair, ended: datetime) -> Iterator[str]:
        code = affair.evidence.get("code", "-")
        facts = self._facts({key: value for key, value in affair.evidence.items() if key != "code"})
        verdict = self._word("verdict", affair.verdict)
        yield self._say("ended", at=self._at(ended), verdict=verdict, code=code, evidence=facts or "-")
        times = affair.timeline.times
        if times is not None:
            spans = {"detect": times.to_detect, "act": times.to_act, "heal": times.to_heal}
            yield self._say("times", **{name: self._span(span) if span else "-" for name, span in spans.items()})
        yield self._say("next.over")

    def _facts(self, evidence: Mapping[str, str]) -> str:
        return self.texts["list"].join(self._fact(key, value) for key, value in evidence.items() if value)

    def _fact(self, key: str, value: str) -> str:
        return f"{self._word('evidence', key)} {self.signs(value) if key in _SIGNS else value}"

    def _next(self, run: Attempt) -> str:
        """Say what happens next with a run that has not ended, and when."""
        when = self._say("when.time", at=self._at(run.next_eligible)) if run.next_eligible else self._say("when.cause")
        if run.waits_for == Reason.ATTEMPTS_USED and run.next_eligible and run.question:
            return self._say("next.gave_up", until=self._at(run.next_eligible), question=run.question)
        if run.state is RunState.ASKING and run.waits_for == Reason.ASK_EXPIRED and run.question:
            return self._say("next.late", question=run.question)
        if run.state is RunState.ASKING and run.question and run.expires:
            return self._say("next.asking", question=run.question, expires=self._at(run.expires))
        if run.state is RunState.WAITING:
            told = self._say("next.waiting", reason=self._word("reason", run.waits_for), when=when)
            return told + self._ends_by(run)
        if run.state is RunState.PARKED:
            return self._say("next.parked", run=run.id, why=self._word("parked", run.waits_for))
        return self._say("next.working", run=run.id, worker=run.owner or "-")

    def _ends_by(self, run: Attempt) -> str:
        """Say which command ends what a person began: a pause, or holds."""
        paused = ["cloudheal resume"] if run.waits_for == Reason.PAUSED else []
        commands = [*paused, *(f"cloudheal unhold {shlex.quote(scope)}" for scope in run.holds)]
        return self._say("next.ends_by", commands=self.texts["list"].join(commands)) if commands else ""

    def _next_planned(self, run: Attempt) -> str:
        """Say what happens next with a run that waits for its slot."""
        question, expires = run.question, run.expires
        if run.next_eligible is None and question and expires:
            return self._say("next.asking", question=question, expires=self._at(expires))
        if run.next_eligible is None:
            return self._say("next.no_slot")
        if run.waits_for != Reason.PLAN:
            return self._say("next.in_slot", reason=self._word("reason", run.waits_for))
        return self._say(
            "next.slot_asks" if question else "next.slot", at=self._at(run.next_eligible), question=question
        )

    def _next_without(self, decisions: Sequence[Made]) -> str:
        last = decisions[-1] if decisions else None
        outcome = OUTCOMES.get(Reason(last.reason)) if last and last.reason in set(Reason) else Outcome.CLOSE
        if last and last.next_eligible and outcome in {Outcome.WAIT, Outcome.TELL}:
            return self._say("next.eligible", when=self._at(last.next_eligible))
        if last and outcome is Outcome.RECORD:
            since = self.promoted.get(last.rule)
            if since is not None and since > last.at:
                return self._say("next.promoted", rule=last.rule, at=self._at(since))
            return self._say("next.shadow", rule=last.rule)
        return self._say("next.nothing")

    def _say(self, text: str, **facts: str) -> str:
        return self.texts[text].format_map(facts)

    def _word(self, family: str, value: str) -> str:
        """Say one word of a family; a code with a kind after the dot is said by its own words or its family's."""
        general = self.texts.get(f"{family}.{value.partition('.')[0]}", value)
        return self.texts.get(f"{family}.{value}", general)

    def _found(self, found: str) -> str:
        return self.texts["absent"] if found == "absent" else found

    def _at(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    def _span(self, span: timedelta) -> str:
        seconds = span.total_seconds()
        if abs(seconds) < 60:
            return self._say("span.seconds", seconds=f"{seconds:.1f}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self._say("span.minutes", minutes=str(minutes), seconds=str(rest))
        return self._say("span.hours", hours=str(minutes // 60), minutes=str(minutes % 60))


def refuses(reason: str) -> bool:
    """Say whether a station with this reason kept the event from going on."""
    return bool(reason) and reason not in _GOES_ON


def _step(entry: Written) -> tuple[str, object]:
    """Return which step of which run an entry is about."""
    return entry.run, entry.body.get("number")


def _calls_nothing(entry: Written) -> str:
    """Return the text for an intent that calls nothing of the cloud; empty for every other entry."""
    if entry.kind != Kind.STEP_INTENDED:
        return ""
    if entry.body.get("kind") == StepKind.READ.value:
        return "entry.step.kept"
    if entry.type == CLAIM:
        return "entry.step.taken_on"
    before = entry.body.get("before")
    return "entry.step.dry" if isinstance(before, Mapping) and before.get("dry") else ""


#: Stations and facts whose numbers are signs of evidence.
_OF_SIGNS = frozenset({"not on purpose", "by accident"})
_SIGNS = frozenset({"on_purpose", "by_accident", "could_not_say"})
#: What the last station says when it lets the event through: not a refusal.
_GOES_ON = frozenset({Reason.ACT.value, Reason.PLAN.value})
