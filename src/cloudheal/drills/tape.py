"""The chain as it is recorded: the ledger since a mark, about the servers of a drill. Reading it changes nothing.

The ledger has a row for everything that happened, appended in the transaction that made it happen, so a mark is a row's
number and not a time: whoever handles the events may live in another process, whose clock lags behind ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

import sqlalchemy as sa

from cloudheal.drills.scenario import (
    ActionTaken,
    DecisionMade,
    EventSeen,
    Expectation,
    PlanMade,
    QuestionAsked,
    RunBegun,
    RunWaits,
    VerdictGiven,
)
from cloudheal.model.decision import Reason, coded
from cloudheal.model.incident import StepKind
from cloudheal.record.ledger import Kind, Written, written
from cloudheal.record.plans import PlanRow, plan_rows
from cloudheal.record.tables import LEDGER, RUN

#: Names in one statement, below every dialect's limit.
SLICE = 500
#: What an expectation of each kind may be met by.
_KINDS: Mapping[str, tuple[Kind, ...]] = {
    "event": (Kind.EVENT,),
    "decision": (Kind.DECISION,),
    "run": (Kind.RUN_BEGUN,),
    "action": (Kind.STEP_INTENDED, Kind.STEP_CONCLUDED),
    "waits": (Kind.RUN_WAITS, Kind.RUN_ADDED),
    "verdict": (Kind.INCIDENT_ENDED,),
    "plan": (Kind.RUN_PLANNED, Kind.RUN_ADDED),
    "question": (Kind.APPROVAL_ASKED,),
}
#: Kinds of which the tape tells.
TAPED = frozenset(_KINDS)


_Found: TypeAlias = tuple[str, bool]
_Runs: TypeAlias = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about a server that was recorded, or that a look showed: when, and in a few words what."""

    server: str
    at: datetime
    text: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Tape:
    """Rows of the ledger about servers, in their order, with the runs and plans that they name."""

    rows: Sequence[Written]
    runs: _Runs
    """Rule and playbook of each run."""
    plans: Mapping[str, PlanRow]

    def since(self, mark: int) -> Tape:
        """Return what is behind a mark."""
        return Tape([one for one in self.rows if one.id > mark], self.runs, self.plans)

    def facts(self, expected: Expectation) -> Iterator[Fact]:
        """Yield what there is of the kind that is expected, and whether it fits."""
        kind, said = expected.said
        if kind == "plan":
            yield from self._planned(said)
            return
        for row in self.rows:
            found = _READERS[kind](row, said, self.runs) if row.kind in _KINDS[kind] else None
            if found is not None:
                yield Fact(row.resource, row.at, *found)

    def _planned(self, said: PlanMade) -> Iterator[Fact]:
        """Yield the plan of each run as it stands, at the time of the last word about it."""
        latest = {one.run: one for one in self.rows if one.kind in _KINDS["plan"] and one.run in self.plans}
        plans = [self.plans[run] for run in latest]
        for run, row in latest.items():
            plan = self.plans[run]
            if not plan.stale:
                yield Fact(row.resource, row.at, _told(plan), _fits(plan, said, plans))


def mark_of(connection: sa.Connection) -> int:
    """Return the mark behind which everything is that happens from now on."""
    return int(connection.scalar(sa.select(sa.func.max(LEDGER.c.id))) or 0)


def tape(connection: sa.Connection, mark: int, servers: Collection[str]) -> Tape:
    """Read what was recorded about servers behind a mark."""
    rows = [one for part in _slices(sorted(servers)) for one in _rows(connection, mark, part)]
    runs = {one.run for one in rows if one.run}
    planned = [one for one in plan_rows(connection, ended=True) if one.run in runs] if runs else []
    return Tape(sorted(rows, key=lambda one: one.id), dict(_runs(connection, runs)), {one.run: one for one in planned})


def _rows(connection: sa.Connection, mark: int, servers: Sequence[str]) -> Iterator[Written]:
    mine = (LEDGER.c.id > mark) & LEDGER.c.resource.in_(servers)
    return map(written, connection.execute(sa.select(LEDGER).where(mine)).mappings())


def _runs(connection: sa.Connection, runs: Iterable[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for part in _slices(sorted(runs)):
        chosen = sa.select(RUN.c.id, RUN.c.rule, RUN.c.playbook).where(RUN.c.id.in_(part))
        yield from ((row.id, (row.rule, row.playbook)) for row in connection.execute(chosen))


def _slices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + SLICE] for start in range(0, len(names), SLICE))


def _event(row: Written, said: EventSeen, _runs: _Runs) -> _Found:
    channel = str(row.body.get("channel", ""))
    fits = _like(row.type, said.type) and _like(row.result, said.status) and said.channel in {None, channel}
    return f"{row.type} {row.result} by {channel}", fits


def _decision(row: Written, said: DecisionMade, _runs: _Runs) -> _Found:
    reason = coded(Reason(row.result), str(row.body.get("detail", "")))
    return f"{row.name}: {reason}", _like(row.name, said.rule) and _like(reason, said.reason)


def _run(row: Written, said: RunBegun, runs: _Runs) -> _Found:
    rule, playbook = runs.get(row.run, ("", ""))
    return f"{playbook} for {rule}", _like(rule, said.rule) and _like(playbook, said.playbook)


def _action(row: Written, said: ActionTaken, _runs: _Runs) -> _Found | None:
    """Read an intent, or what came of it where that is asked for; notes of what was only seen are none."""
    wanted = Kind.STEP_CONCLUDED if said.outcome else Kind.STEP_INTENDED
    if row.kind != wanted or row.body.get("kind") == StepKind.READ.value:
        return None
    text = f"{row.type} {row.result}".strip()
    return text, _like(row.type, said.step) and (not said.outcome or row.result == said.outcome)


def _waits(row: Written, said: RunWaits, _runs: _Runs) -> _Found | None:
    reason = row.result if row.kind == Kind.RUN_WAITS else str(row.body.get("waits_for", ""))
    return (reason, _like(reason, said.reason)) if reason else None


def _verdict(row: Written, said: VerdictGiven, _runs: _Runs) -> _Found:
    code = str(row.body.get("code", ""))
    fits = said.healed in {None, row.result} and _like(code, said.code) and _like(row.type, said.trouble)
    return f"{row.type}: {row.result} ({code})", fits


def _question(row: Written, said: QuestionAsked, _runs: _Runs) -> _Found:
    question = str(row.body.get("question", ""))
    return question, _like(question, said.text)


#: What a row says of what is expected, and whether that fits; None when it says nothing about it.
_READERS: Mapping[str, Callable[..., _Found | None]] = {
    "event": _event,
    "decision": _decision,
    "run": _run,
    "action": _action,
    "waits": _waits,
    "verdict": _verdict,
    "question": _question,
}


def _fits(plan: PlanRow, said: PlanMade, plans: Iterable[PlanRow]) -> bool:
    return (
        said.policy in {None, plan.policy}
        and said.binding in {None, plan.binding}
        and said.slot in {None, plan.begin is not None}
        and said.alone in {None, not any(_overlap(plan, one) for one in plans)}
    )


def _overlap(one: PlanRow, other: PlanRow) -> bool:
    """Say whether two servers' slots overlap; those of one server are one."""
    if not (one.begin and one.end and other.begin and other.end) or one.subject == other.subject:
        return False
    return one.begin < other.end and other.begin < one.end


def _told(plan: PlanRow) -> str:
    if plan.begin is not None:
        return f"{plan.policy} at {plan.begin.isoformat(timespec='minutes')}"
    return f"no slot: {plan.binding}" if plan.binding else plan.policy or "no slot yet"


def _like(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern)
