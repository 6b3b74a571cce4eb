"""Runs that wait are walked again: when their cause has ended, when room is free, when a person answered.

One tick is one transaction. Grants are counted as they are given, so that a freed one wakes exactly as many runs as
fit, oldest trouble first. A person's approval passes trust, storm and used attempts; it never passes a pause or a hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from cloudheal.decide.facts import Facts
from cloudheal.decide.rulebook import RuleBook
from cloudheal.decide.walk import walk
from cloudheal.model.control import Answer, Approval
from cloudheal.model.decision import OUTCOMES, Outcome, Reason
from cloudheal.model.incident import Healed, Mode, RunState, Verdict, deadline_of
from cloudheal.pipeline.intake import RUN_STATES, Looks, gathered
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.approvals import answers_to, expire
from cloudheal.record.incidents import grant, supersede
from cloudheal.record.waiting import Patient, begin, due, end_patient, keep_waiting


@dataclass(frozen=True, slots=True)
class Waker:
    """Wakes the runs of one worker's database."""

    store: Store
    looks: Looks
    rules: RuleBook
    clock: Clock

    def tick(self) -> int:
        """Walk every run that may be ready; returns how many were started."""
        now = self.clock.now()
        with self.store.transaction() as connection:
            expire(connection, now)
            patients = due(connection, now)
            answers = answers_to(connection, [one.run for one in patients])
            return sum(self._consider(connection, one, answers.get(one.run), now) for one in patients)

    def _consider(self, connection: sa.Connection, patient: Patient, said: Approval | None, now: datetime) -> bool:
        if said is not None and said.answer is not Answer.APPROVED:
            code = "denied" if said.answer is Answer.DENIED else "ask_expired"
            end = Verdict(patient.incident, Healed.NOT_HEALED, now, {"code": code, "by": said.answered_by})
            end_patient(connection, patient.run, end)
            return False
        rule = self.rules.rules.get(patient.rule)
        if rule is None:
            gone = Verdict(patient.incident, Healed.UNKNOWN, now, {"code": "rule_removed", "rule": patient.rule})
            end_patient(connection, patient.run, gone)
            return False
        if patient.state is RunState.ASKING and said is None:
            return False
        facts = gathered(connection, rule, patient.subject, patient.trouble, None, now, group=patient.group)
        facts = replace(facts, deadline=deadline_of(patient.subject, patient.trouble, patient.occurred))
        return self._walked(connection, patient, _again(facts, approved=said is not None), said, now)

    def _walked(
        self, connection: sa.Connection, patient: Patient, facts: Facts, said: Approval | None, now: datetime
    ) -> bool:
        again = walk(patient.occurred, now, facts)
        outcome = OUTCOMES[again.reason]
        by = said.answered_by if said else ""
        if outcome is Outcome.ACT and begin(connection, patient.run, patient.look, by, now):
            if facts.deadline is not None:
                supersede(connection, patient.subject, patient.incident, now)
            grant(connection, patient.run, now)
            self.looks.enqueue(connection, patient.run, patient.look)
            return True
        if again.reason is Reason.EXPIRED:
            late = Verdict(
                patient.incident, Healed.NOT_HEALED, now, {"code": again.reason, "held_by": patient.waits_for}
            )
            end_patient(connection, patient.run, late)
            return False
        state = RUN_STATES.get(outcome, RunState.WAITING)
        if again.reason != patient.waits_for and state is RunState.WAITING:
            keep_waiting(connection, patient.run, state, again.reason, again.next_eligible, now)
        return False


def _again(facts: Facts, *, approved: bool) -> Facts:
    """Return the facts of a second walk: its own incident is not in its way, and it was selected before."""
    mine = replace(facts, selected=True, past=replace(facts.past, open=None))
    if not approved:
        return mine
    fresh = replace(mine.past, attempts=0, heals=0)
    return replace(mine, mode=Mode.AUTO, past=fresh, group=replace(mine.group, fell_lately=0))
