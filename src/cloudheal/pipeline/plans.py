"""The plan kept up to date: what waits for a slot is handed to the planner, and what it says is written down.

One worker plans for all, by lease. The plan is computed beside the tables and written row by row where nobody said or
began anything meanwhile; what was overtaken is stale still, and planned again at the next tick. Nothing is begun here:
whoever wakes runs does that when a slot has come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Playbook
from cloudheal.decide.planning.planner import replan
from cloudheal.decide.rulebook import RuleBook
from cloudheal.model.control import Answer, Approval
from cloudheal.model.incident import Mode, RunState
from cloudheal.model.plan import (
    STEP,
    Binding,
    Budgets,
    Choice,
    Maintenance,
    Pin,
    PlanRequest,
    Policy,
    Schedule,
    Slot,
    Taken,
    Terms,
    TooLate,
    Unplaced,
    Why,
)
from cloudheal.model.resource import ResourceId
from cloudheal.model.window import Stretch
from cloudheal.pipeline.courtesy import Courtesy
from cloudheal.pipeline.loads import Known
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.approvals import ask
from cloudheal.record.leases import take_lease
from cloudheal.record.plans import (
    PlanRow,
    begun_and_over,
    ended_since,
    is_stale,
    leave_to_platform,
    place,
    plan_rows,
    put_off,
    somebody_wants_room,
    unplace,
)
from cloudheal.settings.load import LoadSettings
from cloudheal.settings.maintenance import GroupTerms, MaintenanceSettings

#: Long enough for the largest plan; whoever dies while planning is followed after this.
LEASE_MILLIS = 60_000
#: Rows in one transaction: others wait for the end of it, those that hurry among them.
SLICE = 25
#: By how much the clocks of two workers may differ.
CLOCKS_DIFFER = timedelta(minutes=5)
#: What the limit of beginnings counts over.
HOUR = timedelta(hours=1)
#: What has begun and not ended keeps its place, also while its run waits for its deed to show.
_BEGUN = frozenset({RunState.STARTING, RunState.RUNNING, RunState.WAITING})


#: A server and the id of its cloud's event.
_Name: TypeAlias = tuple[ResourceId, str]
#: Writes what became of a run, if it still waits as it did; says whether it was written.
_Write: TypeAlias = Callable[[sa.Connection], bool]
#: A run, and how to write it.
_Due: TypeAlias = tuple[str, _Write]


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan by events."""

    slots: Mapping[_Name, Slot]
    without: Mapping[_Name, Unplaced]
    left: frozenset[_Name]


@dataclass(slots=True)
class Planner:
    """Plans for one worker's database."""

    store: Store
    worker: str
    rules: RuleBook
    playbooks: Mapping[str, Playbook]
    settings: MaintenanceSettings
    clock: Clock
    new_id: Callable[[], str]
    load_of: Callable[[LoadSettings, datetime], Known] = lambda _settings, _now: Known()
    """Says what is known of usual traffic; never raises."""
    courtesy: Courtesy = field(default_factory=Courtesy)
    """A plan gives way to what is urgent."""
    _looked: datetime | None = field(default=None, init=False)
    """When it looked last; None before that, and when what it made of it may not all be written."""
    _there: Mapping[str, str] = field(default_factory=dict, init=False)
    """The group of each incident that was in the plan when it was looked at last."""

    def tick(self) -> int:
        """Plan anew if anything changed; returns how many rows were written."""
        now = self.clock.now()
        with self.store.snapshot() as connection:
            if not (is_stale(connection, first=self._looked is None) or self._has_room_again(connection)):
                return 0
        self._loads({"", *(one.group for one in self.settings.groups)}, now)  # what is read takes no time of the lease
        with self.store.transaction() as connection:
            if not take_lease(connection, "plan", self.worker, LEASE_MILLIS):
                return 0
        with self.store.snapshot() as connection:
            rows, over = plan_rows(connection), begun_and_over(connection, now - HOUR)
        first, self._looked = self._looked is None, now
        groups = {one.group for one in rows} if first else touched(rows) | self._freed(rows)
        self._there = {one.incident: one.group for one in rows}
        loads = self._loads({one.group for one in rows}, now)
        request = self.request(rows, now, loads, over)
        schedule = _with_reasons(replan(request, schedule_of(rows), None if first else groups), groups, loads)
        return self._write(self._due(rows, schedule, now))

    def _has_room_again(self, connection: sa.Connection) -> bool:
        """Say whether a run has left the plan while another one wants room; clocks of workers differ a little."""
        if self._looked is None or not somebody_wants_room(connection):
            return False
        return not self._there.keys().isdisjoint(ended_since(connection, self._looked - CLOCKS_DIFFER))

    def _freed(self, rows: Sequence[PlanRow]) -> set[str]:
        """Return the groups in which there may be room for somebody again, because runs have ended since."""
        ended = self._there.keys() - {one.incident for one in rows}
        wanting = {one.group for one in rows if one.wants_room} if ended else set[str]()
        return {self._there[one] for one in ended} | wanting

    def _loads(self, groups: Iterable[str], now: datetime) -> Mapping[str, Known]:
        """Return what is known of the traffic of groups that have a source of it."""
        own = {one.group: one.load for one in self.settings.groups}
        asked = {one: own.get(one) or self.settings.load for one in groups}
        return {group: self.load_of(load, now) for group, load in asked.items() if load is not None}

    def request(
        self,
        rows: Sequence[PlanRow],
        now: datetime,
        loads: Mapping[str, Known] | None = None,
        over: Iterable[datetime] = (),
    ) -> PlanRequest:
        """Return what is to be planned, under the settings as they are.

        `over` are the slots of the last hour whose work is done: they take no place any more, but they were begun.
        """
        busy = {one.subject for one in rows if one.state in _BEGUN}
        waiting = [one for one in rows if one.state is RunState.PLANNED and one.subject not in busy]
        return PlanRequest(
            now=now,
            maintenances=tuple(self._maintenance(one, one.not_before) for one in waiting if one.not_before),
            terms=terms_of(self.settings, {one.group for one in rows}, loads),
            budgets=Budgets(self.settings.servers_at_once, self.settings.servers_per_hour),
            taken=(*_at_work(rows, busy, now), *(Taken(one, one) for one in over)),
            pins=tuple(Pin(one.subject, one.pinned, one.anywhere) for one in waiting if one.pinned),
            catch_up=self.settings.catch_up,
        )

    def _maintenance(self, row: PlanRow, not_before: datetime) -> Maintenance:
        parameters = self._parameters(row)
        return Maintenance(
            event=row.trouble.id,
            resource=row.subject,
            not_before=not_before,
            lasts=parameters.lasts,
            name=row.name,
            group=row.group,
            margin=self.settings.margin,
            policy=self._policy(row, parameters),
            too_late=parameters.too_late,
            earliest=row.earliest,
        )

    def _parameters(self, row: PlanRow) -> PlannedParameters:
        """Return the rule's parameters; of a rule or playbook that is gone the cautious defaults."""
        rule, playbook = self.rules.rules.get(row.rule), self.playbooks.get(row.playbook)
        known = playbook.parameters.model_validate(rule.parameters) if rule and playbook else None
        return known if isinstance(known, PlannedParameters) else PlannedParameters()

    def _policy(self, row: PlanRow, parameters: PlannedParameters) -> Policy:
        rule = self.rules.rules.get(row.rule)
        if row.left or parameters.leave:
            return Policy.LEAVE
        agreed = row.answer == Answer.APPROVED or (rule is not None and rule.mode is Mode.AUTO)
        return Policy.HANDLE if agreed else Policy.ASK

    def _write(self, due: Sequence[_Due]) -> int:
        """Write what became of runs, a few in each transaction, and give way to what is urgent in between.

        When it breaks off, or the lease is lost, the whole plan is looked at again: a part of it may not be written.
        """
        written, looked, self._looked = 0, self._looked, None
        for start in range(0, len(due), SLICE):
            self.courtesy.give_way()
            done = self._write_some(due[start : start + SLICE])
            if done is None:
                return written
            written += done
        self._looked = looked
        return written

    def _write_some(self, due: Sequence[_Due]) -> int | None:
        """Write some rows in the order in which others lock them, and keep the lease; None when that is lost."""
        with self.store.transaction() as connection:
            if not take_lease(connection, "plan", self.worker, LEASE_MILLIS):
                return None
            return sum(write(connection) for _, write in sorted(due, key=itemgetter(0)))

    def _due(self, rows: Iterable[PlanRow], schedule: Schedule, now: datetime) -> list[_Due]:
        """Return what is to be written, group by group; rows that changed last, so that a half is not taken for whole.

        Nothing is written while another run is at work on a server.
        """
        made = _made(schedule, now)
        waiting = sorted((one for one in rows if one.state is RunState.PLANNED), key=lambda one: (one.group, one.stale))
        return [(one.run, write) for one in waiting if (write := self._write_of(one, made, now)) is not None]

    def _write_of(self, row: PlanRow, made: _Made, now: datetime) -> _Write | None:
        """Return how to write what became of a run; None where that stands there already."""
        name = row.subject, row.trouble.id
        if name in made.left or (row.left and row.not_before is None):
            known = not row.stale and row.policy == Policy.LEAVE.value
            return None if known else partial(leave_to_platform, row=row, at=now)
        if row.not_before is None:
            return partial(put_off, row=row) if row.stale else None
        if name in made.slots:
            return self._placing(row, made.slots[name], now)
        return self._unplacing(row, made.without[name], now) if name in made.without else None

    def _placing(self, row: PlanRow, slot: Slot, now: datetime) -> _Write | None:
        slot = replace(slot, policy=self._policy(row, self._parameters(row)))
        why = written(slot.why)
        if not row.stale and (row.begin, row.policy, dict(row.why)) == (slot.begin, slot.policy.value, why):
            return None
        return lambda connection: place(connection, row, slot, why, now) and self._ask(connection, row, slot, now)

    def _unplacing(self, row: PlanRow, none: Unplaced, now: datetime) -> _Write | None:
        if not row.stale and (row.binding, row.then) == (none.binding.value, none.then.value):
            return None
        return lambda connection: unplace(connection, row, none, now) and self._ask_without(connection, row, none, now)

    def _ask(self, connection: sa.Connection, row: PlanRow, slot: Slot, now: datetime) -> bool:
        """Ask for a slot that a person must agree to; the question is over when the slot begins.

        One that has begun already, because a person wants it now, is asked about while it may still be taken up.
        """
        if slot.policy is not Policy.ASK or (row.begin == slot.begin and row.answer == "" and row.asks):
            return True
        when = slot.begin.isoformat(timespec="minutes")
        text = f"{row.playbook} on {row.subject.id} ({row.trouble}) at {when}, before {slot.deadline.isoformat()}?"
        late = self.settings.catch_up if slot.begin <= now else timedelta()
        ask(connection, self._question(row, text, now, slot.begin + late))
        return True

    def _ask_without(self, connection: sa.Connection, row: PlanRow, none: Unplaced, now: datetime) -> bool:
        """Ask whether it is to be done at once where there is no slot; as long as the cloud has not begun."""
        asked = row.binding == none.binding.value and row.asks
        if none.then is not TooLate.ASK or asked or row.not_before is None or row.not_before <= now:
            return True
        text = f"{row.playbook} on {row.subject.id} ({row.trouble}) at once? No slot: {none.binding}"
        ask(connection, self._question(row, text, now, row.not_before))
        return True

    def _question(self, row: PlanRow, text: str, now: datetime, expires: datetime) -> Approval:
        return Approval(self.new_id(), row.run, text, now, expires, may_answer=self.rules.approvers)


def schedule_of(rows: Iterable[PlanRow]) -> Schedule:
    """Return the plan as it stands in the rows, one slot for all events of a server."""
    planned = [one for one in rows if one.state is RunState.PLANNED]
    slots: dict[tuple[ResourceId, datetime], Slot] = {}
    for row in (one for one in planned if one.begin and one.end and one.deadline):
        before = slots.get((row.subject, row.begin))  # type: ignore[arg-type]
        events = (*(before.events if before else ()), row.trouble.id)
        slot = Slot(
            row.subject,
            row.name,
            row.group,
            events,
            row.begin,  # type: ignore[arg-type]
            row.end,  # type: ignore[arg-type]
            row.deadline,  # type: ignore[arg-type]
            Policy(row.policy),
            read(row.why),
        )
        slots[slot.resource, slot.begin] = slot
    without = tuple(
        Unplaced(
            one.subject,
            one.name,
            one.group,
            (one.trouble.id,),
            one.deadline or one.not_before or datetime.max.replace(tzinfo=UTC),
            Binding(one.binding),
            TooLate(one.then),
        )
        for one in planned
        if one.binding
    )
    return Schedule(tuple(sorted(slots.values(), key=lambda one: (one.begin, one.group, one.resource.id))), without)


def touched(rows: Iterable[PlanRow]) -> set[str]:
    """Return the groups in which something changed: a row, an answer, an event, or that a server is at work."""
    return {one.group for one in rows if one.stale or one.answer or one.state is not RunState.PLANNED}


def terms_of(
    settings: MaintenanceSettings, groups: Iterable[str], loads: Mapping[str, Known] | None = None
) -> Mapping[str, Terms]:
    """Return what each group agrees to, with what is known of its traffic."""
    own = {one.group: _terms(one) for one in settings.groups}
    plain = {one: own.get(one, _terms(settings)) for one in groups}
    known = {one: found.profile for one, found in (loads or {}).items()}
    return {one: replace(terms, profile=known.get(one)) for one, terms in plain.items()}


def _with_reasons(schedule: Schedule, groups: Collection[str], loads: Mapping[str, Known]) -> Schedule:
    """Say with each slot of these groups, which was to be chosen by traffic, why it was not."""

    def told(slot: Slot) -> Slot:
        known = loads.get(slot.group)
        chosen = slot.why.choice in {Choice.PINNED, Choice.LOW_TRAFFIC} or known is None
        return slot if chosen or known is None else replace(slot, why=replace(slot.why, no_load=known.problem))

    rows = tuple(told(one) if one.group in groups else one for one in schedule.rows)
    return replace(schedule, rows=rows)


def written(why: Why) -> dict[str, Any]:
    """Return a reason as it is stored."""
    opening = [why.opening.begin.isoformat(), why.opening.end.isoformat()] if why.opening else None
    told = {"choice": why.choice.value, "opening": opening, "load": why.load, "busier": why.busier}
    more = {"no_load": why.no_load, "unkept": why.unkept and why.unkept.value}
    return {**told, **{name: value for name, value in more.items() if value}}


def read(stored: Mapping[str, Any]) -> Why:
    """Read a stored reason back."""
    opening = stored.get("opening")
    stretch = Stretch(*(datetime.fromisoformat(one) for one in opening)) if opening else None
    measured = (stored.get("load"), stored.get("busier"), stored.get("no_load", ""))
    unkept = Binding(stored["unkept"]) if stored.get("unkept") else None
    return Why(Choice(stored.get("choice", Choice.EARLIEST)), stretch, *measured, unkept)


def _terms(settings: GroupTerms) -> Terms:
    windows = tuple(one.window for one in settings.windows)
    return Terms(windows, None, settings.at_once, settings.prefer)


def _at_work(rows: Iterable[PlanRow], busy: Collection[ResourceId], now: datetime) -> Iterator[Taken]:
    """Yield the time of each server that is at work, once for all its events that share a slot."""
    slots = {(one.subject, one.begin): one for one in rows if one.subject in busy and one.begin}
    return (_taken(one, now) for one in slots.values())


def _taken(row: PlanRow, now: datetime) -> Taken:
    """Return the time of a server that is at work; one that takes longer than planned is not done yet."""
    begin = row.begin or now
    return Taken(begin, max(row.end or now, now + STEP), row.group, row.subject)


def _made(schedule: Schedule, now: datetime) -> _Made:
    """Sort a plan by events; what is too late and is to be done all the same has its slot now."""
    without = {(one.resource, event): one for one in schedule.unplaced for event in one.events}
    late = {name: _at_once(one, now) for name, one in without.items() if one.then is TooLate.ACT_NOW}
    slots = {(slot.resource, event): slot for slot in schedule.rows for event in slot.events}
    return _Made({**slots, **late}, without, frozenset((one.resource, one.event) for one in schedule.left))


def _at_once(none: Unplaced, now: datetime) -> Slot:
    """Return the slot of what is too late to be planned and is to be done all the same."""
    end = now + max(timedelta(minutes=5), STEP)
    return Slot(
        none.resource, none.name, none.group, none.events, now, end, none.deadline, Policy.HANDLE, Why(Choice.EARLIEST)
    )
