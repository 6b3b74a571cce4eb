"""The second half: one look of one run, from the claim to the verdict, or to the reason why there is none yet.

A look that is not ours ends at once. One that may not go on now ends too: its run waits as a row or asks a person, and
goes on with a fresh look. A playbook that is missing or was changed since the run began is not guessed at: the run is
parked with that reason for a person, as is one whose engine failed. A playbook that raises has a mistake in it; the
incident ends as unknown, with the reason, and is never retried blindly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from cloudheal.act.hands import SETTLE_SECONDS, Hands, Steps
from cloudheal.act.outcome import EngineError, StepRaisedError
from cloudheal.act.playbook import Case, End, Playbook, Refusal
from cloudheal.decide.rulebook import RuleBook, off_hours_until
from cloudheal.model.decision import OUTCOMES, Outcome, Reason, reason_of
from cloudheal.model.drill import Allowance
from cloudheal.model.evidence import Evidence
from cloudheal.model.incident import ALARM, INTERRUPTION, Healed, Parked, RunState, Trouble, Verdict, deadline_of
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.pipeline.courtesy import Courtesy, Orderly
from cloudheal.pipeline.intentions import Stop
from cloudheal.pipeline.memory import TableMemory
from cloudheal.pipeline.patience import PatientIntents, committed
from cloudheal.pipeline.questions import Asked, question_of
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Place, Server, Verbs
from cloudheal.ports.hurry import unhurried
from cloudheal.ports.probes import Probes
from cloudheal.ports.spending import Spent, counting
from cloudheal.ports.store import Store, is_away
from cloudheal.record.approvals import ask
from cloudheal.record.budget import is_granted, lock_budget
from cloudheal.record.deeds import has_begun
from cloudheal.record.holds import EVERYTHING, holds_on
from cloudheal.record.incidents import (
    Decided,
    OpenRun,
    add_decision,
    end_incident,
    event_of,
    first_attempt,
    is_interrupted,
    note_action,
    open_run,
)
from cloudheal.record.log_alarms import alarm_fires
from cloudheal.record.memberships import places_of
from cloudheal.record.parking import bind_playbook
from cloudheal.record.plans import has_lost_slot, put_back
from cloudheal.record.spending import spend
from cloudheal.record.steps import CALL_MILLIS, ClaimedIntents
from cloudheal.record.system_events import is_news
from cloudheal.record.waiting import Rest, is_well_since, rest
from cloudheal.record.workers import Claim, claim, park, release
from cloudheal.settings.discretion import discreet, discreet_facts

log = logging.getLogger("cloudheal.healing")

#: Why a playbook may not act that declares verbs which only look.
UNDECLARED = "undeclared"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Healer:
    """Runs looks for one worker."""

    store: Store
    steps: Steps
    worker: str
    rules: RuleBook
    playbooks: Mapping[str, Playbook]
    verbs: Callable[[ResourceId, bool], Verbs]
    """Finds what a resource's account offers, in a hurry or not; one account's run never gets another's credentials."""
    probes: Probes
    clock: Clock
    wait: Callable[[ResourceId, float, Callable[[], bool]], bool]
    """Waits on the operator's clock until a condition of a resource holds or so many seconds have passed."""
    pause: Callable[[float], object]
    """Waits so many real seconds, for leases and settling."""
    freed: Callable[[sa.Connection, str, datetime], int]
    """Gives room that one of a group has just freed to those that wait for it, in the transaction that freed it."""
    again: Callable[[sa.Connection, ResourceId, str, datetime], object]
    """Decides anew on what an interruption that came to nothing took the place of, in the transaction that ends it."""
    new_id: Callable[[], str]
    intent: Callable[[Stop, Server], Evidence]
    """Says what speaks for a stop on purpose and what for an accident."""
    allowance: Callable[[ResourceId, SystemEvent], Allowance] = lambda _resource, _event: Allowance.NONE
    """Says what drills allow about a system event, which was just read, on a resource."""
    courtesy: Courtesy = field(default_factory=Courtesy)
    settle_seconds: float = SETTLE_SECONDS
    call_millis: int = CALL_MILLIS

    def look(self, run: str, look: int) -> None:
        """Do one look; called again from the start after a crash."""
        held, found = self._committed(lambda connection: self._claim(connection, run, look))
        if held is None or found is None:
            return
        try:
            self._looked(held, look, found)
        except Exception as problem:
            if is_away(problem):
                raise
            # Such as an answer of a playbook that no table takes: nobody goes on with it but a person.
            log.exception("run.answer_failed run=%s playbook=%s", found.run, found.playbook)
            self._park(held, found, Parked.ENGINE_FAILED, _Spell(self.clock.now(), Spent()))

    def _looked(self, held: Claim, look: int, found: OpenRun) -> bool:
        playbook = self.playbooks.get(found.playbook)
        if playbook is not None and not found.playbook_digest:
            found = self._adopted(found, playbook)
        if playbook is None or playbook.digest != found.playbook_digest:
            return self._park(held, found, Parked.PLAYBOOK_CHANGED, _Spell(self.clock.now(), Spent()))
        began = self.clock.now()
        with counting() as spent:
            said = self._heal(held, look, found, playbook)
        return self._end(held, found, said, _Spell(began, spent))

    def _end(self, held: Claim, found: OpenRun, said: End | Refusal | Parked, spell: _Spell) -> bool:
        """End the look as its playbook said, and write what it spent in the same transaction; an end hurries nobody."""
        with unhurried():
            match said:
                case End() as end:
                    return self._close(held, found, end, spell)
                case Refusal() as refusal:
                    return self._rest(held, found, refusal, spell)
                case why:
                    return self._park(held, found, why, spell)

    def _claim(self, connection: sa.Connection, run: str, look: int) -> tuple[Claim | None, OpenRun | None]:
        held = claim(connection, run, self.worker, look, self.clock.now())
        return held, open_run(connection, run) if held else None

    def _adopted(self, found: OpenRun, playbook: Playbook) -> OpenRun:
        """Bind a run that an operator restarted to the playbook as it is now."""
        self._committed(lambda connection: bind_playbook(connection, found.run, playbook.digest))
        return replace(found, playbook_digest=playbook.digest)

    def _heal(self, held: Claim, look: int, found: OpenRun, playbook: Playbook) -> End | Refusal | Parked:
        rule = self.rules.rules.get(found.rule)
        deadline = deadline_of(found.resource, found.trouble, found.occurred)
        asks, acts = partial(self._objection, found), partial(self._acted, found)
        intents = ClaimedIntents(self.store, held, look, asks, acts, self.call_millis, self.clock)
        journal = PatientIntents(intents, self.pause, self.clock, deadline)
        hands = Hands(
            Orderly(self.steps, self.courtesy, deadline is not None), journal, self.pause, self.settle_seconds
        )
        try:
            verbs = self.verbs(found.resource, deadline is not None)
            case = Case(
                run=found.run,
                resource=found.resource,
                trouble=found.trouble,
                occurred=found.occurred,
                deadline=deadline,
                parameters=playbook.parameters.model_validate(rule.parameters if rule else {}),
                compute=verbs.compute,
                balancers=verbs.balancers,
                orders=verbs.orders,
                backups=verbs.backups,
                guests=verbs.guests,
                system_events=verbs.system_events,
                probes=self.probes,
                places=partial(self._places, found.resource),
                desired_on=rule is not None and rule.desired == "on",
                intent=partial(self.intent, Stop(found.resource, found.occurred, found.rule, found.run)),
                now=self.clock.now,
                wait=partial(self.wait, found.resource),
                memory=TableMemory(self.store, found.resource, found.run, look),
                allowance=partial(self.allowance, found.resource),
                fires=partial(self._fires, found.trouble),
                attempts=found.attempts,
                last_attempt=found.last_attempt,
                approved=found.approved,
                slot_passed=playbook.planned and self._has_lost_slot(found.run),
            )
            return _discreet(playbook.run(case, hands))
        except (EngineError, sa.exc.SQLAlchemyError) as problem:
            if is_away(problem):
                raise  # no fault of the playbook's, nor of the engine's, which takes the look up again
            log.exception("run.engine_failed run=%s playbook=%s", found.run, playbook.name)
            return Parked.ENGINE_FAILED
        except (Exception, SystemExit) as problem:
            log.exception("run.failed run=%s playbook=%s", found.run, playbook.name)
            error = problem.what if isinstance(problem, StepRaisedError) else type(problem).__name__
            return End(Healed.UNKNOWN, "playbook_failed", {"error": error})

    def _places(self, resource: ResourceId) -> Sequence[Place]:
        with self.store.snapshot() as connection:
            return places_of(connection, resource)

    def _has_lost_slot(self, run: str) -> bool:
        with self.store.snapshot() as connection:
            return has_lost_slot(connection, run)

    def _fires(self, trouble: Trouble) -> bool | None:
        if trouble.kind != ALARM:
            return None
        with self.store.snapshot() as connection:
            return alarm_fires(connection, trouble.id)

    def _objection(self, found: OpenRun, connection: sa.Connection) -> str:
        """Ask once more, in the intent's own transaction, whether a guard objects; returns its reason code, or none."""
        now = self.clock.now()
        # What is being taken away is held back by a pause of everything only, as in the walk.
        hurried = deadline_of(found.resource, found.trouble, found.occurred) is not None
        if not hurried and is_interrupted(connection, found.resource):
            return Reason.SUPERSEDED.value
        holds = holds_on(connection, [EVERYTHING] if hurried else _scopes(found), now)
        if holds:
            return (Reason.PAUSED if any(one.scope == EVERYTHING for one in holds) else Reason.HELD).value
        rule = self.rules.rules.get(found.rule)
        if rule is not None and not hurried and off_hours_until(rule, now):
            return Reason.OFF_HOURS.value
        playbook = self.playbooks.get(found.playbook)
        if playbook is not None and playbook.only_looks:
            return UNDECLARED
        if not is_granted(connection, found.run):
            return Reason.SUPERSEDED.value
        return ""

    def _acted(self, found: OpenRun, connection: sa.Connection) -> bool:
        """Write when an incident was first acted on."""
        return note_action(connection, found.incident, self.clock.now())

    def _rest(self, held: Claim, found: OpenRun, refusal: Refusal, spell: _Spell) -> bool:
        """End the look without a verdict: the run waits, or asks a person, and people see why and until when."""
        asks = OUTCOMES[refusal.reason] in {Outcome.TELL, Outcome.ASK}
        state = RunState.ASKING if asks else RunState.WAITING

        def write(connection: sa.Connection) -> bool:
            now = self.clock.now()
            lock_budget(connection)
            spell.write(connection, held.run, now)
            if is_well_since(connection, found.resource, spell.began) or is_news(
                connection, found.resource, found.trouble, spell.began
            ):
                return rest(connection, held, Rest(RunState.WAITING, Reason.UNDERWAY.value, now), now)
            until = self._until(connection, found, refusal, now)
            if not rest(connection, held, Rest(state, refusal.code, until, refusal.evidence), now):
                return False
            self._decide(connection, found, refusal.reason, refusal, until)
            if state is RunState.ASKING:
                about = (found.run, found.rule, found.playbook, found.resource, found.trouble, found.group)
                asked = Asked(*about, self.rules.approvers)
                ask(connection, *question_of(asked, refusal.code, self.new_id(), now, refusal.question))
            playbook = self.playbooks.get(found.playbook)
            is_planned = playbook is not None and playbook.planned and state is RunState.WAITING
            # What waits for its own deed to show goes on when it does; another slot would leave it half done till then.
            idle = refusal.reason is not Reason.UNDERWAY and not has_begun(connection, found.run)
            if is_planned and (idle or refusal.reason is Reason.PLAN):
                put_back(connection, found.run, until or now)
            self.freed(connection, found.group, now)
            return True

        return self._committed(write)

    def _until(self, connection: sa.Connection, found: OpenRun, refusal: Refusal, now: datetime) -> datetime | None:
        """Return when the refusal ends by itself, or when it is worth another look."""
        if refusal.after is not None:
            return now + refusal.after
        if refusal.reason is Reason.HELD:
            return max((one.until for one in holds_on(connection, _scopes(found), now) if one.until), default=None)
        rule = self.rules.rules.get(found.rule)
        if refusal.reason is Reason.OFF_HOURS and rule is not None:
            return off_hours_until(rule, now)
        if refusal.reason is Reason.ATTEMPTS_USED and rule is not None:
            first = first_attempt(connection, found.run, now - rule.limits.within)
            return first + rule.limits.within if first else None
        return None

    def _decide(
        self,
        connection: sa.Connection,
        found: OpenRun,
        reason: Reason,
        told: End | Refusal,
        until: datetime | None = None,
    ) -> None:
        """Record what the look decided, beside the decision that opened the incident."""
        event, rule = event_of(connection, found.incident), self.rules.rules.get(found.rule)
        if event is None:
            return
        detail = told.detail if isinstance(told, Refusal) else ""
        stations = tuple(
            {"question": one.question, "reason": one.reason or "", "numbers": one.numbers} for one in told.stations
        )
        digest = rule.digest if rule else ""
        now = self.clock.now()
        add_decision(
            connection, Decided(event, found.rule, digest, reason, detail, stations, now, until, found.incident)
        )

    def _close(self, held: Claim, found: OpenRun, end: End, spell: _Spell) -> bool:
        verdict = Verdict(found.incident, end.healed, self.clock.now(), {"code": end.code, **end.evidence})
        reason = reason_of(end.code)

        def write(connection: sa.Connection) -> bool:
            lock_budget(connection)
            spell.write(connection, held.run, verdict.at)
            ended = release(connection, held, RunState.ENDED, verdict.at) and end_incident(
                connection, verdict, found.run
            )
            if ended and reason is not None:
                self._decide(connection, found, reason, end)
            if ended and found.trouble.kind == INTERRUPTION and end.healed is not Healed.HEALED:
                self.again(connection, found.resource, found.incident, verdict.at)
            self.freed(connection, found.group, verdict.at)
            return ended

        return self._committed(write)

    def _park(self, held: Claim, found: OpenRun, why: Parked, spell: _Spell) -> bool:
        log.error("run.parked run=%s reason=%s playbook=%s", found.run, why, found.playbook)
        now = self.clock.now()

        def write(connection: sa.Connection) -> bool:
            spell.write(connection, held.run, now)
            return park(connection, held, why, now)

        return self._committed(write)

    def _committed(self, do: Callable[[sa.Connection], T]) -> T:
        """Commit the beginning or the end of a look, behind whatever is urgent."""
        return self.courtesy.politely(lambda check: committed(self.store, self.pause, do, check))


@dataclass(frozen=True, slots=True)
class _Spell:
    """A look's time at work: when it began, and what it spends."""

    began: datetime
    spent: Spent

    def write(self, connection: sa.Connection, run: str, now: datetime) -> bool:
        return spend(connection, run, self.spent.calls, now - self.began)


def _discreet(said: object) -> End | Refusal:
    """Return what a playbook said without secrets: it may quote an error, and what it says is stored and told."""
    if not isinstance(said, End | Refusal):
        error = f"returned {type(said).__name__}, neither End nor Refusal"
        return End(Healed.UNKNOWN, "playbook_failed", {"error": error})
    stations = tuple(one._replace(numbers=discreet(one.numbers)) for one in said.stations)
    evidence = discreet_facts(said.evidence)
    if isinstance(said, End):
        return replace(said, code=discreet(said.code), evidence=evidence, stations=stations)
    question = discreet(said.question)
    return replace(said, detail=discreet(said.detail), question=question, evidence=evidence, stations=stations)


def _scopes(found: OpenRun) -> list[str]:
    return [EVERYTHING, found.resource.id, found.group]
