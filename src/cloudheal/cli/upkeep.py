"""Commands around an upgrade or a lost disk: `drain`, `backup`, `restore`, and going on with what was parked."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, approver, desk, operator, reachable, settings_of, show_of
from cloudheal.cli.listing import runs
from cloudheal.cli.options import HERE, AsJson, Config, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    #: Does what a person wants of a parked run: its id, who, and when; False when it is not parked.
    Choice = Callable[[sa.Connection, str, str, datetime], bool]

app = typer.Typer()
app.add_typer(runs, name="runs")
#: How often `drain` looks.
LOOK_SECONDS = 0.5


@app.command()
def drain(
    config: Config = HERE,
    off: Annotated[bool, typer.Option("--off", help="Let the workers go on.")] = False,
    timeout: Annotated[str, typer.Option(help="How long to wait for what is at work.")] = "15m",
    as_json: AsJson = False,
) -> None:
    """Let workers begin nothing new, and wait until nothing is at work; ends with 1 when that took too long."""
    from cloudheal.record.draining import begin_drain, end_drain

    with desk(config, as_json=as_json) as at:
        now = at.clock.now()
        if off:
            with at.database.transaction() as connection:
                ended = end_drain(connection, operator(), now)
            at.show.say("drain.off" if ended else "drain.was_off")
            return
        until = moment_of(timeout, now, at.zone, "--timeout", ahead=True)
        seconds = (until - now).total_seconds() if until else 0.0
        with at.database.transaction() as connection:
            begin_drain(connection, operator(), now)
        raise typer.Exit(0 if _drained(at, seconds) else 1)


def _drained(at: Desk, seconds: float) -> bool:
    """Wait and tell; what is told is told once."""
    from cloudheal.record.draining import progress

    give_up, told, tick = time.monotonic() + seconds, None, threading.Event()
    while True:
        with at.database.snapshot() as connection:
            now = progress(connection, round(at.settings.lease_seconds * 1000))
        late = time.monotonic() >= give_up
        if now.is_done or late:
            if at.show.as_json:
                at.show.document({**asdict(now), "done": now.is_done})
            at.show.say("drain.done" if now.is_done else "drain.late", at_work=now.at_work, left=now.left)
            return now.is_done
        if now != told:
            at.show.say("drain.waits", at_work=now.at_work, unheeding=len(now.unheeding))
            told = now
        tick.wait(LOOK_SECONDS)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive to be; it must not exist.", metavar="FILE")],
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Write everything on record to one file, beside running workers; ends with 1 when the ledger is not whole."""
    from cloudheal.record.archive import back_up

    with desk(config, as_json=as_json) as at:
        made = back_up(at.database, file, at.clock.now())
        if as_json:
            at.show.document(asdict(made))
        at.show.say("backup.done", file=file, rows=made.rows, head=made.head)
        if not made.whole:
            at.show.say("backup.not_whole")
        raise typer.Exit(0 if made.whole else 1)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive that backup made.", metavar="FILE")],
    config: Config = HERE,
    replace: Annotated[bool, typer.Option("--replace", help="Lose what is in the database now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty database; what was under way waits, parked, for a person."""
    from cloudheal.app.restoring import restore_archive
    from cloudheal.record.database import open_database
    from cloudheal.sources.followed_clock import clock_of

    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    database = open_database(settings.database)
    try:
        with reachable():
            now, lease = clock_of(settings.clock).now(), settings.lease_seconds
            manifest, parked = restore_archive(database, file, replace=replace, lease_seconds=lease, now=now)
    finally:
        database.close()
    if as_json:
        show.document({**asdict(manifest), "parked": parked})
    key, made = "restore.done" if parked else "restore.done.idle", datetime.fromisoformat(manifest.made)
    show.say(key, rows=manifest.rows, made=made, parked=parked)


@runs.command()
def restart(run: Annotated[str, typer.Argument(metavar="RUN")], config: Config = HERE) -> None:
    """Go on with a parked run: guards are asked afresh, and the playbook is the one of now."""
    from cloudheal.record.parking import restart as restarted

    def choose(connection: sa.Connection, one: str, who: str, now: datetime) -> bool:
        return restarted(connection, one, who, now, uuid.uuid4().hex)

    _choose(config, run, choose, "runs.restarted")


@runs.command()
def abandon(run: Annotated[str, typer.Argument(metavar="RUN")], config: Config = HERE) -> None:
    """End a parked run and its incident; nobody can say whether it is healed."""
    from cloudheal.record.parking import abandon as abandoned

    def choose(connection: sa.Connection, one: str, who: str, now: datetime) -> bool:
        return abandoned(connection, one, who, now)

    _choose(config, run, choose, "runs.abandoned")


def _choose(config: Path, run: str, choose: Choice, said: str) -> None:
    from cloudheal.record.parking import parked

    with desk(config) as at:
        with at.database.snapshot() as connection:
            fitting = parked(connection, run)
        if len(fitting) != 1 or not _chosen(at, fitting[0], choose):
            at.show.say("runs.not_parked", run=run)
            raise typer.Exit(1)
        at.show.say(said, run=fitting[0])


def _chosen(at: Desk, run: str, choose: Choice) -> bool:
    """Do what whoever may answer for a parked run wants; False when another was quicker."""
    who = approver(at, run, at.settings.approvers, "in the settings")
    with at.database.transaction() as connection:
        return choose(connection, run, who, at.clock.now())
