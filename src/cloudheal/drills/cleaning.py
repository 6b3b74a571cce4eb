"""What a drill created is taken back, whatever happened, and shown to be gone.

A drill that was killed could not do that. Its rows say so: the next one takes them back first. One drill at a time may
run on a database, by a lease; a holder that is known to be dead keeps nobody waiting.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cloudheal.drills.ground import Ground
from cloudheal.errors import CloudPermanentError, CloudTransientError, RefusedError
from cloudheal.model.drill import DrillRow, DrillState
from cloudheal.model.resource import Cloud
from cloudheal.model.system_event import SystemEvent
from cloudheal.pipeline.drills import NO_EVENT
from cloudheal.record.drills import Ended, end_drills
from cloudheal.record.leases import give_up_leases, holder_of, take_lease

#: Drills that a runner watches are named so; what an operator created by hand is nobody's to take back.
PREFIX = "run-"
LEASE = "drill"
#: Far longer than a round of looks takes.
LEASE_MILLIS = 60_000
#: How often it is tried to take events back, and how long in between, in seconds.
TRIES, PAUSE = 8, 1.0
#: A call whose answer was lost has had its effect by then, if it has one.
SETTLED = timedelta(minutes=1)


class DrillRunsError(RefusedError):
    """Another drill runs on this database."""

    code = "drill.runs"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many events were taken back, and what is left: ids, or why nobody knows."""

    cancelled: int = 0
    left: tuple[str, ...] = ()


def begin_alone(ground: Ground) -> Cleaned:
    """Become the one drill that runs, and take back what dead ones left. Raises DrillRunsError."""
    with ground.database.transaction() as connection:
        holder = holder_of(connection, LEASE)
        if holder and _is_dead(holder):
            give_up_leases(connection, holder)
        if not take_lease(connection, LEASE, ground.holder, LEASE_MILLIS):
            advice = "Wait until it has ended; a dead one is forgotten within a minute."
            raise DrillRunsError(f"another drill runs here: {holder}", what_to_do=advice)
    return clean(ground, [one for one in ground.desk.rows(live=True) if one.drill.startswith(PREFIX)])


def go_on(ground: Ground) -> bool:
    """Say that the drill runs still; False when another one took its place."""
    with ground.database.transaction() as connection:
        return take_lease(connection, LEASE, ground.holder, LEASE_MILLIS)


def end_alone(ground: Ground) -> int:
    """Let the next drill begin."""
    with ground.database.transaction() as connection:
        return give_up_leases(connection, ground.holder)


def clean(ground: Ground, rows: Sequence[DrillRow]) -> Cleaned:
    """Take back the events of rows that are not over, and look that none is left; a cloud may stumble meanwhile."""
    if not rows:
        return Cleaned()
    cancelled, problem = 0, ""
    for attempt in range(TRIES):
        if attempt:
            ground.pause(PAUSE)
        try:
            cancelled += _taken_back(ground, rows)
            left = _left(ground, rows)
        except (CloudTransientError, CloudPermanentError) as failed:
            problem = f"the cloud was not asked: {failed.vendor_code or failed.code}"
            continue
        if not left:
            return Cleaned(cancelled)
        problem = ", ".join(left)
    return Cleaned(cancelled, (problem,))


def _taken_back(ground: Ground, rows: Sequence[DrillRow]) -> int:
    taken = ground.desk.take_back(rows)
    now = ground.clock.now()
    never = [
        one.row
        for one in taken.kept
        if one.why == NO_EVENT and one.row.state is DrillState.CREATING and now - one.row.created > SETTLED
    ]
    with ground.database.transaction() as connection:
        end_drills(connection, {(one.drill, one.resource): Ended(DrillState.OVER, NO_EVENT) for one in never}, now)
    return len(taken.cancelled)


def _left(ground: Ground, rows: Sequence[DrillRow]) -> list[str]:
    """Return the events of these rows that the clouds still have before them."""
    found = []
    fresh = {(one.drill, one.resource): one for one in ground.desk.rows(*{one.drill for one in rows})}
    now = [fresh.get((one.drill, one.resource), one) for one in rows]
    for place in sorted({(one.resource.cloud, one.resource.account, one.resource.region) for one in now}):
        found += _left_in(ground, place, now)
    return found


def _left_in(ground: Ground, place: tuple[Cloud, str, str], rows: Sequence[DrillRow]) -> list[str]:
    ids = {one.event for one in rows if one.event}
    listed = ground.desk.drills_of(place[0], place[1]).simulated(place[2])
    return [one.id for one in listed if one.id in ids or any(_is_of(row, one) for row in rows if not row.event)]


def _is_of(row: DrillRow, event: SystemEvent) -> bool:
    """Say whether an event may be the one that a row without an id asked for."""
    same_time = event.not_before is not None and event.not_before.replace(microsecond=0) == row.not_before
    return event.resource == row.resource and event.type == row.type and same_time


def holder() -> str:
    """Name this process; what follows distinguishes it from an earlier one of the same number."""
    return f"{socket.gethostname()}/{os.getpid()}"


def _is_dead(name: str) -> bool:
    """Say whether a holder is known to be dead: a process of this host that is not there."""
    host, _, rest = name.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
