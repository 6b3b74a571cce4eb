"""Runs that wait are walked again: when their cause has ended, when room is free, when a person answered.

A tick takes up what may be ready a few at a time, each few in a transaction of their own, because the end of a pause
wakes thousands and others decide meanwhile. Grants are counted as they are given, so that a freed one wakes exactly as
many runs as fit, oldest trouble first. A person's approval passes trust, storm and used attempts; it never passes a
pause or a hold.
A question that nobody answered in time stays open: people are told once, and a late answer is as good as an early one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from cloudheal.decide.rulebook import RuleBook
from cloudheal.decide.walk import Walk, walk
from cloudheal.model.control import Answer, Approval
from cloudheal.model.decision import OUTCOMES, Outcome, Reason
from cloudheal.model.incident import Healed, RunState, Verdict, deadline_of
from cloudheal.model.plan import Policy, TooLate
from cloudheal.pipeline.courtesy import Courtesy
from cloudheal.pipeline.deciding import Looks, decided
from cloudheal.pipeline.questions import ASK_EXPIRES, Asked, question_of
from cloudheal.pipeline.table_counts import TableCounts
from cloudheal.pipeline.weighing import OF_GROUP, RUN_STATES, SHARED, Weighed, weighed_again
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.approvals import answers_to, ask, expire
from cloudheal.record.budget import grant, is_granted, lock_budget
from cloudheal.record.incidents import add_decision, event_of, supersede, tell_late
from cloudheal.record.inventory import known
from cloudheal.record.plans import is_another_at_work, lose_slot, miss, plan_row, under_maintenance
from cloudheal.record.waiting import FOREMOST, Patient, begin, due, end_patient, foremost, keep_waiting, still_due
from cloudheal.settings.maintenance import MaintenanceSettings
from cloudheal.settings.rules import Rule

#: Of a run that was taken up: it begins, or goes on with what it has under way.
_BEGUN = frozenset({Reason.ACT, Reason.UNDERWAY})
#: Runs or questions in one transaction: whoever decides meanwhile waits for the end of it.
SLICE = 25


@dataclass(slots=True)
class _Round:
    """What one round has learnt: the lines that are full, and the questions that people were told of."""

    full: set[tuple[str, str, str]] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Waker:
    """Wakes the runs of one worker's database."""

    store: Store
    looks: Looks
    rules: RuleBook
    clock: Clock
    new_id: Callable[[], str]
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    """How late the slot of a planned run may still be taken up, and how many servers may be worked on at once."""
    courtesy: Courtesy = field(default_factory=Courtesy)

    def tick(self) -> int:
        """Walk every run that may be ready; returns how many were started."""
        now = self.clock.now()
        while self.courtesy.politely(partial(self._let_expire, now)) == SLICE:
            pass
        woken = self._round(now)
        while woken >= FOREMOST and (more := self._round(now)):
            woken += more
        return woken

    def _let_expire(self, now: datetime, check: Callable[[], object]) -> int:
        with self.store.transaction(check) as connection:
            lock_budget(connection)
            return expire(connection, now, self.rules.approvers, SLICE)

    def _round(self, now: datetime) -> int:
        """Walk those that may be ready by now, a few in each transaction; returns how many were started."""
        with self.store.snapshot() as connection:
            runs = [one.run for one in due(connection, now)]
        woken, learnt = 0, _Round()
        for start in range(0, len(runs), SLICE):
            some = partial(self._some, runs[start : start + SLICE], now, learnt)
            started, learnt = self.courtesy.politely(some)
            woken += started
        return woken

    def _some(
        self, runs: Sequence[str], now: datetime, before: _Round, check: Callable[[], object]
    ) -> tuple[int, _Round]:
        """Walk these as far as they may still be ready; what was learnt in a transaction that is undone is lost."""
        learnt = _Round(set(before.full), set(before.late))
        with self.store.transaction(check) as connection:
            lock_budget(connection)
            return self._wake(connection, still_due(connection, runs, now), now, learnt), learnt

    def fill(self, connection: sa.Connection, group: str, now: datetime) -> int:
        """Give room that one of a group has freed, in the transaction that freed it; returns how many were started.

        The caller has taken the budget's lock before it changed anything.
        """
        return self._wake(connection, foremost(connection, group, now), now, _Round())

    def _wake(self, connection: sa.Connection, patients: list[Patient], now: datetime, learnt: _Round) -> int:
        answers = answers_to(connection, [one.run for one in patients])
        counts = TableCounts(connection)
        woken, full, late = 0, learnt.full, learnt.late
        for one in patients:
            if (one.rule, one.waits_for, "") in full or (one.rule, one.waits_for, one.place) in full:
                continue
            said = answers.get(one.run)
            if said is not None and said.answer is Answer.EXPIRED and _still_asks(one, now):
                self._expire(connection, one, now, tell=said.id not in late)
                late.add(said.id)
                continue
            refused = self._consider(connection, counts, one, said, now)
            woken += refused in _BEGUN
            if refused is Reason.ACT and one.rule not in self.rules.looking:
                counts.granted(one.subject)
            if refused in SHARED:
                full.add((one.rule, refused, one.place if refused in OF_GROUP else ""))
        return woken

    def _expire(self, connection: sa.Connection, patient: Patient, now: datetime, *, tell: bool) -> bool:
        """Write that nobody answered in time; people are told once for a question, however many runs share it."""
        if tell:
            tell_late(connection, patient.incident, patient.rule, now)
        return keep_waiting(connection, patient.run, RunState.ASKING, Reason.ASK_EXPIRED, None, now)

    def _consider(
        self, connection: sa.Connection, counts: TableCounts, patient: Patient, said: Approval | None, now: datetime
    ) -> Reason | None:
        """Take up one run; returns the reason that its walk ended with, None when it was not walked."""
        if said is not None and said.answer is Answer.DENIED:
            denied = Verdict(patient.incident, Healed.NOT_HEALED, now, {"code": "denied", "by": said.answered_by})
            end_patient(connection, patient.run, denied)
            return None
        rule = self.rules.rules.get(patient.rule)
        if rule is None:
            gone = Verdict(patient.incident, Healed.UNKNOWN, now, {"code": "rule_removed", "rule": patient.rule})
            end_patient(connection, patient.run, gone)
            return None
        if patient.state is RunState.PLANNED and not self._may_begin(connection, patient, said, now):
            return None
        underway = patient.waits_for == Reason.UNDERWAY
        if underway and is_another_at_work(connection, patient.subject, patient.run):
            return None  # one resource, one run at a time: it looks when the other has
        if underway and self._has_room(connection, patient):
            goes_on = self._begin(connection, patient, None, said, now)
            return Reason.UNDERWAY if goes_on else None  # no further server is touched
        seen = known(connection, [patient.subject]).get(patient.subject)
        again = weighed_again(
            counts,
            patient,
            self.rules,
            seen.resource if seen else None,
            now,
            # What is under way was agreed to when it began.
            approved=underway or (said is not None and said.answer is Answer.APPROVED),
            through=walk,
        )
        return self._walked(connection, patient, again, said, now)

    def _has_room(self, connection: sa.Connection, patient: Patient) -> bool:
        """Say whether a run that is under way has kept its grant, or needs none; one that asked gave it back."""
        return patient.rule in self.rules.looking or is_granted(connection, patient.run)

    def _may_begin(self, connection: sa.Connection, patient: Patient, said: Approval | None, now: datetime) -> bool:
        """Say whether a planned run may begin now; one whose slot passed, or that nobody agreed to, is planned anew.

        What a person has just said, or the cloud has moved, waits for the planner, whatever slot it had before.
        """
        row = plan_row(connection, patient.run)
        if row is None or row.stale or is_another_at_work(connection, patient.subject, patient.run):
            return False
        if row.begin is None:
            # A yes to a slot that there is no more is none to doing it at once.
            return row.then == TooLate.ASK and said is not None and said.answer is Answer.APPROVED
        if said is not None and said.answer is Answer.EXPIRED:
            # Whoever did not see this question has an hour for the next one.
            return not miss(connection, patient.run, Reason.ASK_EXPIRED.value, now + ASK_EXPIRES, now)
        if now - row.begin > self.maintenance.catch_up:
            return not miss(connection, patient.run, _held_by(patient), now, now)
        agreed = row.policy != Policy.ASK or (said is not None and said.answer is Answer.APPROVED)
        return agreed and self._has_place(connection, patient)

    def _has_place(self, connection: sa.Connection, patient: Patient) -> bool:
        """Say whether one more server may be worked on now: one that takes longer than planned keeps its place."""
        others = under_maintenance(connection, patient.subject)
        mates = sum(group == patient.group for group in others.values())
        free = mates < self.maintenance.members_at_once(patient.group)
        return free and len(others) < self.maintenance.servers_at_once

    def _walked(
        self,
        connection: sa.Connection,
        patient: Patient,
        weighed: Weighed[Walk],
        said: Approval | None,
        now: datetime,
    ) -> Reason | None:
        again = weighed.walked
        outcome = OUTCOMES[again.reason]
        if outcome is Outcome.ACT:
            return self._begin(connection, patient, weighed.facts.deadline, said, now)
        if outcome in {Outcome.CLOSE, Outcome.RECORD}:
            healed = Healed.NOT_HEALED if again.reason is Reason.EXPIRED else Healed.NOT_NEEDED
            evidence = {"code": again.reason.value, "held_by": patient.waits_for}
            end_patient(connection, patient.run, Verdict(patient.incident, healed, now, evidence))
            return again.reason
        if again.reason != patient.waits_for:
            self._keep(connection, patient, weighed.rule, again, now)
        return again.reason

    def _keep(self, connection: sa.Connection, patient: Patient, rule: Rule, again: Walk, now: datetime) -> bool:
        """Write what the run waits for by now, and ask where that is a person."""
        planned = patient.state is RunState.PLANNED  # it waits inside its slot only; after that it is planned anew
        state = patient.state if planned else RUN_STATES[OUTCOMES[again.reason]]
        until = now if planned else again.next_eligible
        kept = keep_waiting(connection, patient.run, state, again.reason, until, now)
        if kept and state is RunState.ASKING:
            about = (patient.run, patient.rule, patient.playbook, patient.subject, patient.trouble, patient.group)
            asked = Asked(*about, self.rules.approvers)
            ask(connection, *question_of(asked, again.reason, self.new_id(), now))
        event = event_of(connection, patient.incident)
        if kept and event is not None:
            add_decision(connection, decided(event, rule, again, patient.incident, now))
        return kept

    def _begin(
        self,
        connection: sa.Connection,
        patient: Patient,
        deadline: datetime | None,
        said: Approval | None,
        now: datetime,
    ) -> Reason | None:
        if not begin(connection, patient.run, patient.look, said.answered_by if said else "", now):
            return None
        if patient.state is RunState.WAITING and patient.waits_for != Reason.UNDERWAY:
            lose_slot(connection, patient.run, patient.waits_for, now - self.maintenance.catch_up, now)
        if deadline is not None:
            supersede(connection, patient.subject, patient.incident, now)
        if patient.rule not in self.rules.looking:
            grant(connection, patient.run, now)
        self.looks.enqueue(connection, patient.run, patient.look)
        return Reason.ACT


def _still_asks(patient: Patient, now: datetime) -> bool:
    """Say whether a run waits for an answer: not when it is woken, or when what it asked about is past."""
    deadline = deadline_of(patient.subject, patient.trouble, patient.occurred)
    return patient.state is RunState.ASKING and (deadline is None or now < deadline)


def _held_by(patient: Patient) -> str:
    """Return why a planned run did not begin in its slot: a guard's reason, or that nobody was at work."""
    return "late" if patient.waits_for == Reason.PLAN else patient.waits_for
