"""A process that seals the ledger and carries it out until it is killed. Usage: ledger_worker.py DATABASE_URL URL."""

from __future__ import annotations

import sys
import threading
import uuid

import sqlalchemy as sa

from cloudheal.app.ledger_outlets import LedgerOutlet
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.ledger_webhook import LedgerWebhook
from cloudheal.outlets.posting import OutletAwayError, post
from cloudheal.outlets.signing import Signer
from cloudheal.ports.clock import SystemClock
from cloudheal.record import ledger_outlets
from cloudheal.record.database import open_database
from cloudheal.record.seal import Sealer
from cloudheal.record.tables import LEASE
from tests.contract.ledger_receivers import SECRET, SOURCE


def main(url: str, receiver: str) -> None:
    """Work for ever; leases that a killed process left are broken at the start, so that no test waits for them."""
    ledger_outlets.MOST_ROWS = 10
    database = open_database(url)
    with database.transaction() as connection:
        connection.execute(sa.delete(LEASE))
    worker, pause = uuid.uuid4().hex, threading.Event()
    sink = LedgerWebhook(receiver, Signer(SOURCE, SECRET, SystemClock().now), post)
    outlet = LedgerOutlet(name="audit", store=database, worker=worker, counters=Counters(), sink=sink)
    sealer = Sealer(database, worker)
    while not pause.wait(0.01):
        sealer.seal()
        try:
            outlet.serve()
        except OutletAwayError:  # the test ends a connection when it kills
            continue


if __name__ == "__main__":
    main(*sys.argv[1:])
