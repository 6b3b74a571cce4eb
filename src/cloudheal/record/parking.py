"""Parked runs: nobody goes on with them until a person says restart or abandon.

A run is parked when its playbook is not the one that it began with, and when it comes out of a backup. A restart makes
it a run that waits, at its next look and with the person's approval: the next tick walks it afresh, with pauses, holds
and budgets as they are now, and the look binds it to the playbook as it is now. To abandon ends the incident, unknown.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.model.incident import Healed, Parked, RunState, Verdict
from cloudheal.record.incidents import end_incident
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import APPROVAL, GRANT, RUN

ABANDONED = "abandoned"
RESTART = "restart"


def parked(connection: sa.Connection, prefix: str) -> list[str]:
    """Return the parked runs whose ids begin so; nothing is the beginning of none."""
    if not prefix:
        return []
    chosen = sa.select(RUN.c.id).where(
        RUN.c.state == RunState.PARKED.value, RUN.c.id.startswith(prefix, autoescape=True)
    )
    return list(connection.scalars(chosen.order_by(RUN.c.id)))


def restart(connection: sa.Connection, run: str, who: str, now: datetime, approval: str) -> bool:
    """Let a parked run be walked again, approved by `who`; False when it is not parked.

    `approval` is the new id under which the person's word is kept.
    """
    one = (RUN.c.id == run) & (RUN.c.state == RunState.PARKED.value)
    values = {
        "state": RunState.WAITING.value,
        "look": RUN.c.look + 1,
        "owner": "",
        "playbook_digest": "",
        "waits_for": RESTART,
        "next_eligible": None,
        "asks": approval,
    }
    if connection.execute(sa.update(RUN).where(one).values(values)).rowcount != 1:
        return False
    # Its own place must not be in its way; the walk counts and takes it anew.
    connection.execute(sa.delete(GRANT).where(GRANT.c.run == run))
    said = {"answer": Answer.APPROVED.value, "answered_by": who, "answered": millis_of(now)}
    asked = {"id": approval, "run": run, "question": RESTART, "asked": millis_of(now), "expires": millis_of(now)}
    connection.execute(sa.insert(APPROVAL).values(**asked, **said))
    _tell(connection, Kind.RUN_RESTARTED, run, who, now)
    return True


def abandon(connection: sa.Connection, run: str, who: str, now: datetime) -> bool:
    """End a parked run and its incident, which nobody can say is healed; False when it is not parked."""
    one = (RUN.c.id == run) & (RUN.c.state == RunState.PARKED.value)
    values = {"state": RunState.ENDED.value, "owner": "", "epoch": RUN.c.epoch + 1, "waits_for": ""}
    if connection.execute(sa.update(RUN).where(one).values(values)).rowcount != 1:
        return False
    _tell(connection, Kind.RUN_ABANDONED, run, who, now)
    _, incident = about_run(connection, run)
    end_incident(connection, Verdict(incident, Healed.UNKNOWN, now, {"code": ABANDONED, "by": who}), run)
    return True


def park_all(connection: sa.Connection, why: Parked, now: datetime) -> int:
    """Park every run that has not ended, at a look that no workflow of before has; returns how many.

    Their places in budgets are given back and their questions withdrawn: both were of another time.
    """
    open_ = RUN.c.state != RunState.ENDED.value
    values = {
        "state": RunState.PARKED.value,
        "look": RUN.c.look + 1,
        "owner": "",
        "epoch": RUN.c.epoch + 1,
        "waits_for": why.value,
        "next_eligible": None,
    }
    runs = connection.scalars(sa.update(RUN).where(open_).values(values).returning(RUN.c.id)).all()
    connection.execute(sa.delete(GRANT))
    connection.execute(sa.delete(APPROVAL).where(APPROVAL.c.answer == ""))
    for run in runs:
        _tell(connection, Kind.RUN_PARKED, run, why.value, now)
    return len(runs)


def bind_playbook(connection: sa.Connection, run: str, digest: str) -> bool:
    """Write which playbook a restarted run goes on with; False when it is bound already."""
    free = (RUN.c.id == run) & (RUN.c.playbook_digest == "")
    return connection.execute(sa.update(RUN).where(free).values(playbook_digest=digest)).rowcount == 1


def _tell(connection: sa.Connection, kind: Kind, run: str, name: str, now: datetime) -> None:
    resource, incident = about_run(connection, run)
    append(connection, [Entry(kind, now, resource, name=name, incident=incident, run=run)])
