"""A worker process for the crash tests: one engine whose body makes three marks, slowly enough to be killed between.

Usage: engine_worker.py DATABASE_URL NAME [enqueue RUN...]. It prints what it does; it runs until it is killed.
"""

from __future__ import annotations

import sys
import threading
from functools import partial

import sqlalchemy as sa

from cloudheal.act.engine import Engine
from cloudheal.model.incident import RunState
from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate
from cloudheal.record.tables import RUN
from cloudheal.record.workers import claim, enlist, inherit, release, settle

MARK = sa.Table("mark", sa.MetaData(), sa.Column("what", sa.Text), sa.Column("by", sa.Text))
STEPS = 3


def main(url: str, name: str, *runs: str) -> None:
    """Take over what dead workers left, queue what was asked for, and work."""
    database = open_database(url)
    migrate(database)
    MARK.metadata.create_all(database.writing)

    def body(run: str, look: int) -> None:
        with database.transaction() as connection:
            held = claim(connection, run, name, look)
        if held is None:
            return
        for number in range(STEPS):
            engine.step(f"mark-{number}", partial(mark, run, number))
            print(f"{run} {number}", flush=True)
        with database.transaction() as connection:
            release(connection, held, RunState.ENDED)

    def mark(run: str, number: int) -> str:
        with database.transaction() as connection:
            connection.execute(sa.insert(MARK).values(what=f"{run}/{number}", by=name))
        return "ok"

    engine = Engine(database, name, body).start()
    with database.transaction() as connection:
        enlist(connection, name, "host")
        estates = inherit(connection, name, lease_millis=-60_000)
    for estate in estates:
        engine.resume(engine.begun_by(estate.dead))
        with database.transaction() as connection:
            settle(connection, name, estate)
    with database.transaction() as connection:
        for run in runs:
            row = {"incident": "i", "rule": "r", "playbook": "p", "playbook_digest": "d", "mode": "auto"}
            connection.execute(sa.insert(RUN).values(id=run, state=RunState.STARTING.value, **row))
            engine.enqueue(connection, run, 0)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
