"""A worker process whose looks reboot one server each through the hands, against a running simulator.

Usage: reboot_worker.py DATABASE_URL NAME SIMULATOR [RUN...]. A run's name ends in the server that it reboots.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cloudheal.act.engine import Engine
from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.incident import RunState
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from cloudheal.record.steps import ClaimedIntents
from cloudheal.record.tables import RUN
from cloudheal.record.workers import claim, enlist, inherit, release, settle
from tests.sim.signing import ECS, Answer, HandSigned

#: Short, so that a test does not wait for real leases.
CALL_MILLIS, SETTLE_SECONDS = 1500, 0.5


def main(url: str, name: str, address: str, *runs: str) -> None:
    """Take over what dead workers left, queue what was asked for, and work."""
    database = open_database(url)
    migrate(database)
    engine = Engine(database, name, lambda run, look: reboot(database, engine, name, address, run, look)).start()
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


def reboot(database: Database, engine: Engine, worker: str, address: str, run: str, look: int) -> None:
    """One look: read the server, reboot it once, end."""
    server = run.rpartition(":")[2]
    with database.transaction() as connection:
        held = claim(connection, run, worker, look)
    if held is None:
        return
    intents = ClaimedIntents(database, held, look, lambda _: "", call_millis=CALL_MILLIS)
    hands = Hands(engine, intents, threading.Event().wait, SETTLE_SECONDS)
    with HandSigned(address) as cloud:
        before = hands.read("server", lambda: read(cloud, server))
        for _ in range(5):
            done = hands.act(
                "reboot", before.value, lambda _: send(cloud, server), lambda b: rebooted(cloud, server, b)
            )
            if done.kind is not Kind.TRANSIENT:
                break
    print(f"{run} {done.kind}", flush=True)
    with database.transaction() as connection:
        release(connection, held, RunState.ENDED)


def read(cloud: HandSigned, server: str) -> dict[str, Any]:
    """Read what a reboot changes."""
    answer = checked(cloud.rpc(ECS, "DescribeInstances", InstanceIds=f'["{server}"]'))
    (one,) = answer.json["Instances"]["Instance"]
    return {"status": one["Status"], "start_time": one["StartTime"]}


def send(cloud: HandSigned, server: str) -> Outcome:
    """Send the one call that must not be doubled."""
    answer = checked(cloud.rpc(ECS, "RebootInstance", InstanceId=server))
    return Outcome(Kind.OK, request_id=answer.json["RequestId"])


def rebooted(cloud: HandSigned, server: str, before: Mapping[str, Any]) -> bool:
    """Say whether the reboot happened: it is under way, or the start time is another one."""
    now = read(cloud, server)
    return str(now["status"]) != "Running" or bool(now["start_time"] != before["start_time"])


def checked(answer: Answer) -> Answer:
    """Translate an error answer as a cloud's client does."""
    if answer.status >= 500 or answer.code.startswith("Throttling"):
        raise CloudTransientError(vendor_code=answer.code)
    if answer.code:
        raise CloudPermanentError(vendor_code=answer.code)
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
