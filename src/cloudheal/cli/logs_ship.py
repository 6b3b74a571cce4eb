"""`logs ship`: sends log series to the outlets of the settings where no worker does, as an agent on a machine.

It ends with 0 when it was told to (SIGTERM, SIGINT, `--once` done), and with 1 when `--once` could not send everything.
"""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import reachable, settings_of, show_of
from cloudheal.cli.options import HERE, Config
from cloudheal.cli.work import log_plainly
from cloudheal.errors import CloudhealError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudheal.app.log_outlets import Outlet

app = typer.Typer()
log = logging.getLogger("cloudheal.outlets")

#: How often it is looked whether an outlet is due, and whether to stop.
LOOK_SECONDS = 0.5


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
    if not settings.outlets:
        raise SettingsError("outlets: there is none", what_to_do="The page on log outlets has every kind of them.")
    database = open_database(settings.database)
    worker = f"ship-{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    try:
        with located(config):
            served = outlets_of(settings, database, worker, clock_of(settings.clock), Counters())
        with reachable():
            migrate(database)
            failed = _Shipping(served).once() if once else _Shipping(served).until_told()
            with database.transaction() as connection:
                give_up_leases(connection, worker)
    finally:
        database.close()
    if once:
        show_of(settings).say("shipped", outlets=len(served) - failed, failed=failed)
    raise typer.Exit(1 if failed else 0)


class _Shipping:
    """The outlets of this process, one after the other."""

    def __init__(self, served: Sequence[Outlet]) -> None:
        self._served = served
        self._told = False

    def once(self) -> int:
        """Send what is there; returns how many outlets failed."""
        return sum(not self._served_one(one.serve, one.name) for one in self._served)

    def until_told(self) -> int:
        """Send what comes, until a signal says stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        log.info("ship.ready outlets=%d", len(self._served))
        between = threading.Event()
        while not self._told:
            for one in self._served:
                self._served_one(one.tick, one.name)
            between.wait(LOOK_SECONDS)
        log.info("ship.ended")
        return 0

    def _served_one(self, serve: Callable[[], int], name: str) -> bool:
        try:
            serve()
        except CloudhealError as problem:
            log.warning("outlet.failed outlet=%s code=%s reason=%r", name, problem.code, problem.args[0])
            return False
        return True

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """End after the post at hand: setting a flag is all that a handler may do."""
        self._told = True
