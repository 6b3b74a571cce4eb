"""A process that sends what the outbox holds until it is killed. Usage: sender_worker.py DATABASE_URL NAME WEBHOOK."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, timedelta

import sqlalchemy as sa

from cloudheal.notifiers.apprise_target import apprise_target
from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import Wording
from cloudheal.ports.clock import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.tables import LEASE


def main(url: str, name: str, webhook: str) -> None:
    """Send for ever; a lease that a killed sender left is broken at the start, so that no test waits a minute."""
    database = open_database(url)
    with database.transaction() as connection:
        connection.execute(sa.delete(LEASE))
    pace = Pace(gather=timedelta(0), first_retry=timedelta(milliseconds=50))
    sender = Sender(database, name, [apprise_target("ops", webhook)], Wording("en", UTC), SystemClock(), pace)
    print("ready", flush=True)
    pause = threading.Event()
    while not pause.wait(0.01):
        sender.send_due()


if __name__ == "__main__":
    main(*sys.argv[1:])
