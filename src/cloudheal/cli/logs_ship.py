"""`logs ship`: sends log series to the outlets of the settings where no worker does, as an agent on a machine.

It ends with 0 when it was told to (SIGTERM, SIGINT, `--once` done), and with 1 when `--once` could not send everything.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import reachable, settings_of, show_of
from cloudheal.cli.options import HERE, Config
from cloudheal.cli.work import log_plainly
from cloudheal.errors import CloudhealError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudheal.app.log_outlets import Outlet
    from cloudheal.metrics.counters import Counters

app = typer.Typer()
log = logging.getLogger("cloudheal.outlets")

#: How often it is looked whether an outlet is due, and whether to stop; how long a stop waits for a post at hand.
LOOK_SECONDS, STOP_SECONDS = 0.5, 20.0


@app.command()
def ship(
    config: Config = HERE,
    once: Annotated[bool, typer.Option("--once", help="Send what is there, and end.")] = False,
) -> None:
    """Send log series to the outlets of the settings, until told to stop."""
    import os
    import socket
    import uuid

    from cloudheal.app.log_outlets import outlets_of
    from cloudheal.metrics.counters import Counters
    from cloudheal.record.database import open_database
    from cloudheal.record.leases import give_up_leases
    from cloudheal.record.schema import migrate
    from cloudheal.settings.discretion import learn
    from cloudheal.settings.loader import located
    from cloudheal.sources.followed_clock import clock_of

    settings = settings_of(config)
    log_plainly()
    learn(settings, os.environ)
    if all(one.takes_ledger for one in settings.outlets):
        raise SettingsError(
            "outlets: there is none of log series", what_to_do="The page on log outlets has every kind of them."
        )
    database, counters = open_database(settings.database), Counters()
    worker = f"ship-{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    try:
        with located(config):
            served = outlets_of(settings, database, worker, clock_of(settings.clock), counters)
        with reachable():
            migrate(database)
            sent = [_sent(one) for one in served] if once else []
            failed = sent.count(None) if once else _until_told(served, counters)
            with database.transaction() as connection:
                give_up_leases(connection, worker)
    finally:
        database.close()
    if once:
        show_of(settings).say("shipped", outlets=len(served) - failed, failed=failed, count=sum(filter(None, sent)))
    raise typer.Exit(1 if failed else 0)


def _sent(outlet: Outlet) -> int | None:
    """Send what is there; returns how many minutes or samples that was, None when it failed."""
    try:
        return outlet.serve()
    except CloudhealError as problem:
        log.warning("outlet.failed outlet=%s code=%s reason=%r", outlet.name, problem.code, problem.args[0])
        return None


def _until_told(served: Sequence[Outlet], counters: Counters) -> int:
    """Send what comes, until a signal says stop; a receiver that is slow or away holds no other one up."""
    from cloudheal.app.chores import Chores
    from cloudheal.app.outage import Outage

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    chores = Chores(stopping, Outage(), counters)
    for one in served:
        chores.start(f"outlet {one.name}", one.tick, LOOK_SECONDS)
    log.info("ship.ready outlets=%d", len(served))
    while not stopping.wait(LOOK_SECONDS):  # in slices: a signal is heard between them
        pass
    chores.join(STOP_SECONDS)
    log.info("ship.ended")
    return 0
