"""Was a stop on purpose? What was found is weighed here: a pure function from clues to evidence.

On purpose: locks, expiry, a tag or schedule that wants it off, an operation of our own, a person's or a program's stop
in the audit trail. By accident: a failure that the cloud reported around that time, a tag, schedule or rule that wants
it on, a trail that has caught up and shows nobody. A person's tag on the server goes before the rule.

A trail that lags, or cannot be read, says nothing. It never sees a shutdown from inside the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.decide.wishes import TagHold
from cloudheal.model.evidence import Evidence, Sign
from cloudheal.model.window import Window, is_in_any
from cloudheal.ports.trail import TrailEntry

#: A failure that the cloud reported so long before or after the stop is about it.
NEAR = timedelta(minutes=15)
#: A call that stopped the server came so long before its stop, or hardly after it: clocks differ.
BEFORE, AFTER = timedelta(minutes=15), timedelta(seconds=30)
#: The trail shows a call after so long; earlier, that it shows nobody means nothing.
TRAIL_LAG = timedelta(minutes=10)
_STOPPING = ("StopInstance", "RebootInstance", "DeleteInstance", "RedeployInstance")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of the server or its host that the cloud reported."""

    type: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OwnDeed:
    """Something of ours that stops the server for a while, under way when it stopped."""

    step: str
    run: str


@dataclass(frozen=True, slots=True)
class TrailLook:
    """What a look at the audit trail brought; `problem` is the vendor's code when it could not be read."""

    entries: Sequence[TrailEntry] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Clues:
    """Everything that is weighed."""

    now: datetime
    occurred: datetime
    locks: tuple[str, ...] = ()
    expires: datetime | None = None
    hold: TagHold | None = None
    wanted: bool | None = None
    """What the tag on the server says; None when there is none."""
    wanted_tag: str = ""
    rule_on: bool = False
    schedule: tuple[Window, ...] = ()
    failures: tuple[Failure, ...] = ()
    own: tuple[OwnDeed, ...] = ()
    trail: TrailLook | None = None
    """None when the account has none."""


def weigh(clues: Clues) -> Evidence:
    """Weigh what was found."""
    purpose, accident, silent = (tuple(part) for part in (_purpose(clues), _accident(clues), _silent(clues)))
    hold = clues.hold
    return Evidence(purpose, accident, silent, hold.tag if hold else "", hold.until if hold else None)


def caused_by(entries: Sequence[TrailEntry], occurred: datetime) -> TrailEntry | None:
    """Return the call by which somebody stopped the server: the last one about its power before it stopped.

    Who started it again after stopping it did not cause a later stop; what the cloud does by itself is nobody's will.
    """
    before = [one for one in entries if occurred - BEFORE <= one.at <= occurred + AFTER and not one.error]
    last = max(before, key=lambda one: one.at, default=None)
    return last if last and last.somebody and last.action.startswith(_STOPPING) else None


def _purpose(clues: Clues) -> Iterator[Sign]:
    yield from (Sign("locked", lock) for lock in clues.locks)
    if clues.expires is not None and clues.expires <= clues.now:
        yield Sign("expired", clues.expires.isoformat())
    if clues.wanted is False:
        yield Sign("desired_off.tag", clues.wanted_tag)
    if clues.wanted is None and clues.schedule and not is_in_any(clues.schedule, clues.now):
        yield Sign("desired_off.schedule")
    yield from (Sign("own_operation", f"{one.step}, run {one.run}") for one in clues.own)
    stop = caused_by(clues.trail.entries, clues.occurred) if clues.trail else None
    if stop is not None:
        yield Sign("trail.stopped", f"{stop.action} by {stop.who} at {stop.at.isoformat()}")


def _accident(clues: Clues) -> Iterator[Sign]:
    for one in clues.failures:
        if abs(one.at - clues.occurred) <= NEAR:
            yield Sign("failure", f"{one.type} at {one.at.isoformat()}")
    if clues.wanted:
        yield Sign("desired_on.tag", clues.wanted_tag)
    if clues.wanted is None and clues.rule_on:
        yield Sign("desired_on.rule")
    if clues.wanted is None and clues.schedule and is_in_any(clues.schedule, clues.now):
        yield Sign("desired_on.schedule")
    read = clues.trail is not None and not clues.trail.problem
    if clues.trail and read and _caught_up(clues) and caused_by(clues.trail.entries, clues.occurred) is None:
        yield Sign("trail.nobody")


def _silent(clues: Clues) -> Iterator[Sign]:
    if clues.trail is None:
        return
    if clues.trail.problem:
        yield Sign("trail.unread", clues.trail.problem)
    elif not _caught_up(clues) and caused_by(clues.trail.entries, clues.occurred) is None:
        yield Sign("trail.late", f"complete at {(clues.occurred + TRAIL_LAG).isoformat()}")


def _caught_up(clues: Clues) -> bool:
    return clues.now >= clues.occurred + TRAIL_LAG
