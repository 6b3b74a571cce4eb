"""`cloudheal run` in a process that dies at a chosen point.

Forked from a process that has imported everything already, so that a round takes seconds. Everything that it prints
goes to a file, for whoever has to find out why a round failed.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import cloudheal.app.worker as composition
from cloudheal import cli
from cloudheal.act import engine as _engine  # noqa: F401 - imported before the fork, as are the two below
from cloudheal.clouds.alibaba import setup as _setup  # noqa: F401
from cloudheal.pipeline import Healer
from cloudheal.record.database import Database, open_database
from tests.crash.hosts import enter
from tests.crash.points import Points, watch_calls, watch_commits

#: Time to send a call: short, so that settling does not wait ten seconds.
CALL_MILLIS = 2000


def main(settings: str, output: str, trace: str, deadly: str, number: int, network: str = "") -> None:
    """Be a worker until told to stop, on a host of its own if named; at the point it sends itself a signal."""
    if network:
        enter(network)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    points = Points(Path(trace), deadly, number)
    watch_calls(points)

    def opened(url: str) -> Database:
        database = open_database(url)
        watch_commits(points, database)
        return database

    setattr(composition, "open_database", opened)  # noqa: B010 - a module's name, replaced for this process
    setattr(composition, "Healer", partial(Healer, call_millis=CALL_MILLIS))  # noqa: B010 - same
    sys.argv = ["cloudheal", "run", "--config", settings]
    cli.main()
