"""The maintenance plan: a row for each run that waits for its slot, what it was given, and what operators said.

A row is written with its run, in the commit that takes the event in. It is `stale` until the planner has looked at it.
When the cloud acts by itself stands with its event. An operator writes here what they want; only the planner gives
slots. A version keeps a plan that was computed beside the tables from overwriting what was said meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.model.decision import Reason
from cloudheal.model.incident import RunState, StepKind, Trouble
from cloudheal.model.plan import Binding, Policy, Slot, TooLate, Unplaced
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.approvals import withdraw
from cloudheal.record.deeds import has_acted, has_begun
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import APPROVAL, INCIDENT, PLAN, RUN, STEP, SYSTEM_EVENT

#: What others leave no room for, and may again.
_CROWDED = (Binding.GROUP_SERIAL.value, Binding.AT_ONCE.value, Binding.PER_HOUR.value)
_AT_WORK = (RunState.STARTING.value, RunState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One run of the plan: an event of a server, the slot that it has, and what operators said."""

    run: str
    incident: str
    rule: str
    playbook: str
    state: RunState
    look: int
    subject: ResourceId
    trouble: Trouble
    group: str
    name: str
    not_before: datetime | None
    """When the cloud begins by itself; None while it has not said so."""
    earliest: datetime | None
    begin: datetime | None
    end: datetime | None
    deadline: datetime | None
    policy: str
    why: Mapping[str, Any]
    binding: str
    then: str
    pinned: datetime | None
    anywhere: bool
    said_by: str
    left: bool
    asks: str
    answer: str
    stale: bool
    version: int

    @property
    def wants_room(self) -> bool:
        """True when others are in the way: of every slot, or of the one that an operator asked for."""
        return self.binding in _CROWDED or self.why.get("unkept") in _CROWDED


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator says about a run: a slot (outside the windows too: `anywhere`), or that the platform does it."""

    who: str
    begin: datetime | None = None
    anywhere: bool = False
    leave: bool = False


def add_plan(connection: sa.Connection, run: str, name: str) -> None:
    """Add a run that is to be given a slot before its cloud acts by itself."""
    connection.execute(sa.insert(PLAN).values(run=run, name=name))


def is_stale(connection: sa.Connection, *, first: bool) -> bool:
    """Say whether something waits for the planner: a row that changed, as one does whose event was moved, or a yes.

    A planner that looks for the `first` time looks at everything. It is asked every second, of up to a hundred thousand
    rows: each of the questions has an index of its own.
    """
    if first:
        return _is_there(connection, sa.select(PLAN.c.run).where(_waits()))
    changed = sa.select(PLAN.c.run).where(PLAN.c.stale, _waits())
    agreed = sa.select(APPROVAL.c.id).where(APPROVAL.c.answer == Answer.APPROVED.value, _lets_a_slot_be())
    return _is_there(connection, changed) or _is_there(connection, agreed)


def plan_rows(connection: sa.Connection, *, ended: bool = False) -> list[PlanRow]:
    """Return the plan: what waits for its slot or is at work; with `ended` also what is over. By begin."""
    chosen = _chosen()
    if not ended:
        chosen = chosen.where(RUN.c.state != RunState.ENDED.value)
    rows = connection.execute(chosen.order_by(PLAN.c.begin, SYSTEM_EVENT.c.not_before, PLAN.c.run)).mappings()
    return [_row(one) for one in rows]


def somebody_wants_room(connection: sa.Connection) -> bool:
    """Say whether others are in the way of a run that waits. It is asked every second, too."""
    unkept = sa.or_(*(PLAN.c.why.contains(f'"unkept": "{one}"') for one in _CROWDED))
    wanting = (PLAN.c.binding.in_(_CROWDED), PLAN.c.pinned.is_not(None) & unkept)
    return any(_is_there(connection, sa.select(PLAN.c.run).where(one, _waits())) for one in wanting)


def ended_since(connection: sa.Connection, since: datetime) -> set[str]:
    """Return the incidents that have ended since an instant."""
    return set(connection.scalars(sa.select(INCIDENT.c.id).where(INCIDENT.c.ended >= millis_of(since))))


def begun_and_over(connection: sa.Connection, since: datetime) -> list[datetime]:
    """Return the slots since an instant in which a server was taken on that is done with by now."""
    taken_on = sa.select(STEP.c.run).where(STEP.c.run == PLAN.c.run, STEP.c.kind != StepKind.READ.value).exists()
    chosen = sa.select(PLAN.c.begin).join(RUN, RUN.c.id == PLAN.c.run).where(PLAN.c.begin > millis_of(since), taken_on)
    ended = connection.scalars(chosen.where(RUN.c.state == RunState.ENDED.value).order_by(PLAN.c.begin))
    return [moment_of(one) for one in ended]


def place(connection: sa.Connection, row: PlanRow, slot: Slot, why: Mapping[str, Any], at: datetime) -> bool:
    """Give a run its slot; False when an operator said something, or it began, since `row` was read."""
    values = {
        "begin": millis_of(slot.begin),
        "end": millis_of(slot.end),
        "deadline": millis_of(slot.deadline),
        "policy": slot.policy.value,
        "why": json.dumps(dict(why)),
        "binding": "",
        "then": "",
    }
    if not _write(connection, row, values):
        return False
    due = {"next_eligible": values["begin"], "waits_for": Reason.PLAN.value}
    connection.execute(sa.update(RUN).where(RUN.c.id == row.run).values(due))
    if (row.begin, row.policy, row.why.get("unkept")) != (slot.begin, slot.policy.value, why.get("unkept")):
        planned = slot.begin.isoformat(timespec="minutes")
        _tell(connection, row.run, at, planned, {"deadline": values["deadline"], **why})
    return True


def unplace(connection: sa.Connection, row: PlanRow, without: Unplaced, at: datetime) -> bool:
    """Write that there is no slot, and why; False as for `place`. People are told once."""
    values = {"begin": None, "end": None, "deadline": millis_of(without.deadline), "policy": "", "why": "{}"}
    values |= {"binding": without.binding.value, "then": without.then.value}
    if not _write(connection, row, values):
        return False
    connection.execute(sa.update(RUN).where(RUN.c.id == row.run).values(next_eligible=None))
    if (row.binding, row.then) != (without.binding.value, without.then.value):
        _tell(connection, row.run, at, f"no slot: {without.binding.value}", {"then": without.then.value})
        facts = {"resource": row.subject.id, "event": row.trouble.id, "binding": without.binding.value}
        key = f"{Topic.PLAN_NO_SLOT}|{row.run}"
        tell(connection, Notice(Topic.PLAN_NO_SLOT, at, key, row.incident, {**facts, "then": without.then.value}))
    return True


def leave_to_platform(connection: sa.Connection, row: PlanRow, at: datetime) -> bool:
    """Write that the platform does it; the run stays until its event is over. False as for `place`."""
    values = {"begin": None, "end": None, "deadline": None, "policy": "leave", "why": "{}", "binding": "", "then": ""}
    if not _write(connection, row, values):
        return False
    connection.execute(sa.update(RUN).where(RUN.c.id == row.run).values(next_eligible=None))
    if row.policy != "leave":
        _tell(connection, row.run, at, "left to the platform")
    return True


def put_off(connection: sa.Connection, row: PlanRow) -> bool:
    """Write that there is nothing to plan yet, because the cloud has not said when it begins. False as for `place`."""
    values = {"begin": None, "end": None, "deadline": None, "policy": "", "why": "{}", "binding": "", "then": ""}
    return _write(connection, row, values)


def wish(connection: sa.Connection, run: str, said: Wish, at: datetime) -> bool:
    """Write what an operator says about a run that has not begun; False when it has."""
    values = {
        "pinned": None if said.begin is None else millis_of(said.begin),
        "anywhere": said.anywhere,
        "left": said.leave,
        "said_by": said.who,
    }
    written = _change(connection, run, values)
    if written:
        asked = "leave" if said.leave else said.begin.isoformat(timespec="minutes") if said.begin else "auto"
        _tell(connection, run, at, f"asked for {asked}", name=said.who)
    return written


def miss(connection: sa.Connection, run: str, why: str, earliest: datetime, at: datetime) -> bool:
    """Write that a slot passed without a beginning: another one is looked for, from `earliest` on; people are told."""
    if not _change(connection, run, {"earliest": millis_of(earliest), "pinned": None, "begin": None}):
        return False
    connection.execute(sa.update(RUN).where(RUN.c.id == run).values(next_eligible=None))
    _tell_missed(connection, run, why, at)
    return True


def lose_slot(connection: sa.Connection, run: str, why: str, latest: datetime, at: datetime) -> bool:
    """Write that a run which was held back in its slot has none any more, where that began before `latest`.

    False where it has one still, and for what was acted on: that is seen to its end. People are told.
    """
    passed = (PLAN.c.run == run) & (PLAN.c.begin < millis_of(latest))
    lost = sa.update(PLAN).where(passed).values(begin=None, pinned=None, earliest=millis_of(at))
    if has_acted(connection, run) or connection.execute(lost).rowcount != 1:
        return False
    _tell_missed(connection, run, why, at)
    return True


def has_lost_slot(connection: sa.Connection, run: str) -> bool:
    """Say whether a run of the plan is at work whose slot has passed: see `lose_slot`."""
    lost = (PLAN.c.run == run) & PLAN.c.begin.is_(None) & (PLAN.c.binding == "")
    return connection.execute(sa.select(PLAN.c.run).where(lost)).first() is not None


def put_back(connection: sa.Connection, run: str, at: datetime) -> bool:
    """Return a run to the plan that rests and has nothing to go on with; it gets a slot that begins after `at`."""
    rests = (RUN.c.id == run) & RUN.c.state.in_((RunState.WAITING.value, RunState.ASKING.value))
    values = {"state": RunState.PLANNED.value, "waits_for": Reason.PLAN.value, "next_eligible": None}
    # The plan's row before the run's, as everybody locks them.
    connection.execute(sa.select(PLAN.c.run).where(PLAN.c.run == run).with_for_update())
    if connection.execute(sa.update(RUN).where(rests).values(values)).rowcount != 1:
        return False
    return _change(connection, run, {"earliest": millis_of(at), "pinned": None, "begin": None})


def plan_row(connection: sa.Connection, run: str) -> PlanRow | None:
    """Return the plan of one run; None when it has none."""
    found = connection.execute(_chosen().where(PLAN.c.run == run)).mappings().one_or_none()
    return None if found is None else _row(found)


def is_another_at_work(connection: sa.Connection, subject: ResourceId, run: str) -> bool:
    """Say whether another run is at work on a resource."""
    about = {"cloud": str(subject.cloud), "account": subject.account, "region": subject.region, "resource": subject.id}
    joined = RUN.join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    chosen = sa.select(RUN.c.id).select_from(joined).where(*(INCIDENT.c[key] == value for key, value in about.items()))
    return connection.execute(chosen.where(RUN.c.id != run, RUN.c.state.in_(_AT_WORK)).limit(1)).first() is not None


def under_maintenance(connection: sa.Connection, but: ResourceId) -> dict[str, str]:
    """Return the groups of the other servers whose maintenance has begun and has not ended, by their ids.

    One whose run only waits, or asks a person, is among them as long as something was done to it.
    """
    joined = PLAN.join(RUN, RUN.c.id == PLAN.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    rests = (RunState.WAITING.value, RunState.ASKING.value)
    chosen = sa.select(RUN.c.id, RUN.c.state, RUN.c.group, INCIDENT.c.resource).select_from(joined)
    rows = connection.execute(chosen.where(RUN.c.state.in_((*_AT_WORK, *rests)), INCIDENT.c.resource != but.id))
    return {row.resource: row.group for row in rows if row.state in _AT_WORK or has_begun(connection, row.id)}


def runs_of(rows: Iterable[PlanRow], what: str) -> list[PlanRow]:
    """Return the rows that people mean by a run, an event or a server's id."""
    return [one for one in rows if what in {one.run, one.trouble.id, one.subject.id}]


def _chosen() -> sa.Select[Any]:
    columns: list[Any] = [
        PLAN,
        SYSTEM_EVENT.c.not_before,
        *(RUN.c[one] for one in ("incident", "rule", "playbook", "state", "look", "asks")),
        *(INCIDENT.c[one] for one in ("cloud", "account", "region", "kind", "resource", "trouble", "trouble_id")),
        INCIDENT.c.group,
        APPROVAL.c.answer,
    ]
    return sa.select(*columns).select_from(_joined().outerjoin(APPROVAL, APPROVAL.c.id == RUN.c.asks))


def _joined() -> sa.FromClause:
    """Join plan, run and incident with what is known of the cloud's event; one that names no time was never told of."""
    event = SYSTEM_EVENT.c
    about = (event.cloud == INCIDENT.c.cloud) & (event.account == INCIDENT.c.account)
    whole = sa.join(PLAN, RUN, RUN.c.id == PLAN.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    return whole.outerjoin(SYSTEM_EVENT, about & (event.id == INCIDENT.c.trouble_id))


def _waits() -> sa.ColumnElement[bool]:
    """Say of a row whether it waits for its slot; asked row by row, for those that an index has chosen."""
    return sa.select(RUN.c.id).where(RUN.c.id == PLAN.c.run, _planned()).exists()


def _lets_a_slot_be() -> sa.ColumnElement[bool]:
    """Say of an answer whether a slot waits for it under a policy that asks."""
    planned = sa.select(RUN.c.id).join(PLAN, PLAN.c.run == RUN.c.id).where(PLAN.c.policy == Policy.ASK.value)
    return planned.where(RUN.c.id == APPROVAL.c.run, RUN.c.asks == APPROVAL.c.id, _planned()).exists()


def _is_there(connection: sa.Connection, chosen: sa.Select[Any]) -> bool:
    return connection.execute(chosen.limit(1)).first() is not None


def _planned() -> sa.ColumnElement[bool]:
    return RUN.c.state == RunState.PLANNED.value


def _change(connection: sa.Connection, run: str, values: Mapping[str, Any]) -> bool:
    waits = sa.select(RUN.c.id).where(RUN.c.id == run, _planned()).exists()
    changed = {**values, "stale": True, "version": PLAN.c.version + 1}
    return connection.execute(sa.update(PLAN).where(PLAN.c.run == run, waits).values(changed)).rowcount == 1


def _write(connection: sa.Connection, row: PlanRow, values: Mapping[str, Any]) -> bool:
    waits = sa.select(RUN.c.id).where(RUN.c.id == row.run, _planned()).exists()
    mine = (PLAN.c.run == row.run) & (PLAN.c.version == row.version) & waits
    if connection.execute(sa.update(PLAN).where(mine).values({**values, "stale": False})).rowcount != 1:
        return False
    if values["policy"] != Policy.ASK.value and values["then"] != TooLate.ASK.value:
        withdraw(connection, row.run)  # what it was asked about is not to be
    return True


def _tell_missed(connection: sa.Connection, run: str, why: str, at: datetime) -> None:
    _tell(connection, run, at, f"missed: {why}")
    resource, incident = about_run(connection, run)
    facts = {"resource": resource, "reason": why}
    tell(connection, Notice(Topic.PLAN_MISSED, at, f"{Topic.PLAN_MISSED}|{run}", incident, facts))


def _tell(
    connection: sa.Connection, run: str, at: datetime, what: str, body: Mapping[str, Any] | None = None, name: str = ""
) -> None:
    resource, incident = about_run(connection, run)
    told = Entry(Kind.RUN_PLANNED, at, resource, result=what, name=name, incident=incident, run=run, body=body or {})
    append(connection, [told])


def _moment(value: int | None) -> datetime | None:
    return None if value is None else moment_of(value)


def _row(row: sa.RowMapping) -> PlanRow:
    return PlanRow(
        run=row["run"],
        incident=row["incident"],
        rule=row["rule"],
        playbook=row["playbook"],
        state=RunState(row["state"]),
        look=row["look"],
        subject=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
        trouble=Trouble(row["trouble"], row["trouble_id"]),
        group=row["group"],
        name=row["name"],
        not_before=_moment(row["not_before"]),
        earliest=_moment(row["earliest"]),
        begin=_moment(row["begin"]),
        end=_moment(row["end"]),
        deadline=_moment(row["deadline"]),
        policy=row["policy"],
        why=json.loads(row["why"]),
        binding=row["binding"],
        then=row["then"],
        pinned=_moment(row["pinned"]),
        anywhere=row["anywhere"],
        said_by=row["said_by"],
        left=row["left"],
        asks=row["asks"],
        answer=row["answer"] or "",
        stale=row["stale"],
        version=row["version"],
    )
