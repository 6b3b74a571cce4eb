"""Commands that take events in: `run` from the queues until told to stop, `feed` from a file, dead letters again.

`run` ends with 0 when it was told to (SIGTERM, SIGINT, `--once` done) and with 1 when it could not go on. What was in
hand is committed and acknowledged first; looks that would still have to wait are left to whichever worker comes next. A
worker that lost its database has nothing that it could give back, and ends at once.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cloudheal.cli.desk import MessagesUnreadableError, desk, reachable, settings_of, show_of
from cloudheal.cli.options import HERE, AsJson, Config, Limit
from cloudheal.errors import CloudhealError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudheal.app import App
    from cloudheal.cli.show import Show
    from cloudheal.settings.accounts import AccountSettings

app = typer.Typer()
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be read.")
app.add_typer(dead_letters, name="dead-letters")

log = logging.getLogger("cloudheal.run")
#: Messages of a file that are committed together.
BATCH = 500
#: How often `--once` looks whether everything has ended.
LOOK_SECONDS = 0.2
#: For how long what is done ahead of time is waited for by a worker that is told to stop at once.
JOIN_SECONDS = 5.0
#: For how long a thread that computes keeps the interpreter while others want it. A thread asks for it after each
#: statement of the database; with the usual 5 ms an interruption would wait for dozens of them.
SWITCH_SECONDS = 0.0005


#: The number of standard error, and how shells write that Ctrl-C ended a process.
STDERR, GAVE_UP = 2, 130


class _Plain(logging.Formatter):
    """`2026-03-02T03:00:26.123Z INFO cloudheal.run run.ready worker=...`: one line, no control characters."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in line)


def log_plainly(level: int = logging.INFO) -> None:
    """Send log lines to standard error; vendors' libraries speak only when something is wrong."""
    from cloudheal.settings.discretion import tell_of_dead_threads

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("cloudheal").setLevel(level)
    tell_of_dead_threads()


@app.command()
def run(
    config: Config = HERE,
    once: Annotated[bool, typer.Option("--once", help="Take in what is there, heal it, and end.")] = False,
) -> None:
    """Watch the queues of all accounts and heal, until told to stop."""
    with starting():
        from cloudheal.app import App
        from cloudheal.settings.loader import located

        settings = settings_of(config)
        log_plainly()
        with located(config):
            worker = App(settings)
        for account in settings.accounts:
            if account.vsever_group_id:
                log.warning("run.unused_setting account=%s field=vsever_group_id", account.name)
        if not settings.rules:
            log.warning("run.shadow reason=no_rules events=recorded actions=none add=rules")
        with reachable():
            code = _Shift(worker, show_of(settings), once=once).work()
    raise typer.Exit(code)


@contextmanager
def starting() -> Iterator[None]:
    """Look for no garbage until `started` is called, at the latest when the block ends.

    What is imported and made until then is there for good. Looking through it again and again costs a fifth of the
    start, and later stops every thread for a tenth of a second each time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def started() -> int:
    """Look for garbage from now on, but not among what is there; returns how many things that are."""
    gc.freeze()
    gc.enable()
    return gc.get_freeze_count()


class _Shift:
    """One worker from start to end: a thread for the queues of each account, and the signals that end it."""

    def __init__(self, worker: App, show: Show, *, once: bool) -> None:
        self._app = worker
        self._show = show
        self._once = once
        self._told = False
        self._failed = threading.Event()

    def work(self) -> int:
        """Be at work; returns the exit code."""
        sys.setswitchinterval(SWITCH_SECONDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with self._app.running():
            queues = sum(len(account.inlets) for account in self._app.settings.accounts)
            threads = [self._receiver(account) for account in self._app.settings.accounts if account.inlets]
            kind = "sqlite" if self._app.database.is_sqlite else "postgresql"
            started()
            rules = len(self._app.settings.rules)
            log.info("run.ready worker=%s queues=%d rules=%d database=%s", self._app.worker, queues, rules, kind)
            if not queues:
                log.warning("run.no_queue add=accounts.queue")
            for thread in threads:
                thread.start()
            ahead = threading.Thread(target=self._app.go_ahead, name="cloudheal-ahead", daemon=True)
            if not self._once:
                ahead.start()
            self._until_over(threads)
            if not self._once:
                ahead.join(timeout=JOIN_SECONDS)
        self._end_at_once_if_cut_off()
        orderly = self._told or self._once
        log.info("run.ended worker=%s orderly=%s", self._app.worker, orderly and not self._failed.is_set())
        return 0 if orderly and not self._failed.is_set() else 1

    def _until_over(self, threads: Sequence[threading.Thread]) -> None:
        if self._once:
            while any(thread.is_alive() for thread in threads) or self._app.is_busy():
                if self._is_told(LOOK_SECONDS):
                    break
            for thread in threads:
                thread.join()
            return
        while not self._is_told(LOOK_SECONDS):
            pass
        self._end_at_once_if_cut_off()
        for thread in threads:
            thread.join()

    def _is_told(self, seconds: float) -> bool:
        """Wait so long; returns whether the worker is to stop. Looked at again and again, because of `_stop`."""
        if self._told:
            self._app.stopping.set()
        return self._app.stopping.wait(seconds)

    def _end_at_once_if_cut_off(self) -> None:
        """End although threads wait for the lost database, for ever: what they hold is on disk, or was not done."""
        if self._app.heart.cut_off.is_set():
            log.error("run.ended worker=%s orderly=False reason=database_lost", self._app.worker)
            logging.shutdown()
            os._exit(1)

    def _receiver(self, account: AccountSettings) -> threading.Thread:
        return threading.Thread(target=self._receive, args=(account,), name=f"queue-{account.name}", daemon=True)

    def _receive(self, account: AccountSettings) -> None:
        """Take in an account's queues; a failure that nobody foresaw ends the worker, so that it is noticed."""
        try:
            taken = self._app.consume(account, once=self._once)
            log.info("run.queue_left account=%s taken=%d", account.name, taken)
        except CloudhealError as problem:
            log.error("run.receiver_failed account=%s reason=%s", account.name, problem.args[0])  # noqa: TRY400 - known
            self._fail()
        except Exception:
            log.exception("run.receiver_failed account=%s", account.name)
            self._fail()

    def _fail(self) -> None:
        self._failed.set()
        self._app.stopping.set()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """End in order at the first signal; at the second one the process is given up at once.

        The signal may come while this very thread is about to wait on `stopping` and holds its lock: setting it here
        would be waiting for oneself, for ever. Whoever presses Ctrl-C is told that it was heard.
        """
        by_hand = number == signal.SIGINT
        signal.signal(number, self._give_up if by_hand else signal.SIG_DFL)
        self._told = True
        if by_hand:
            self._tell("run.ending")

    def _give_up(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self._tell("run.gave_up")
        os._exit(GAVE_UP)

    def _tell(self, text: str) -> int:
        """Write a line past the stream, which may be in the middle of another one when a signal comes."""
        return os.write(STDERR, f"{self._show.text(text)}\n".encode())


@app.command()
def feed(
    file: Annotated[
        Path,
        typer.Argument(help="One message a line, as a queue would hold it; - reads standard input.", metavar="FILE"),
    ],
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Take events in from a file, as if a queue had brought them; workers heal what must be healed."""
    from rich.progress import track

    from cloudheal.app import App
    from cloudheal.clouds.entrances import parts_of
    from cloudheal.model.event import Channel
    from cloudheal.settings.loader import located

    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    bodies = [body for line in _lines(file) if line.strip() for body in parts_of(line.strip())]
    total = {"new": 0, "duplicates": 0, "dead": 0, "acting": 0}
    with located(config):
        entrance = App(settings)
    with reachable(), entrance.entering():
        starts = range(0, len(bodies), BATCH)
        for start in track(starts, description=str(file), disable=as_json or not sys.stdout.isatty()):
            taken = entrance.take(bodies[start : start + BATCH], f"file {file.name}", Channel.FILE)
            for name in total:
                total[name] += getattr(taken, name)
    if as_json:
        show.document({"messages": len(bodies), **total})
    show.say("fed", messages=len(bodies), **total)
    raise typer.Exit(1 if total["dead"] else 0)


@dead_letters.command("list")
def list_(config: Config = HERE, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the messages that could not be read, and why."""
    from cloudheal.record.lists import list_dead_letters

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = list_dead_letters(connection, limit)
        columns = ("number", "received", "channel", "origin", "reason", "copies")
        at.show.rows("title.dead_letters", rows, columns, limit=limit)


@dead_letters.command()
def replay(
    number: Annotated[int, typer.Argument(help="Its number in the list.", metavar="N")], config: Config = HERE
) -> None:
    """Read a dead letter again, after an update or for an account that was added meanwhile."""
    from cloudheal.app import App
    from cloudheal.settings.loader import located

    settings = settings_of(config)
    show = show_of(settings)
    with located(config):
        entrance = App(settings)
    with reachable(), entrance.entering():
        reason = entrance.replay(number)
    show.say("replayed" if reason == "" else "not_replayed", number=number, reason=reason)
    raise typer.Exit(1 if reason else 0)


def _lines(file: Path) -> list[bytes]:
    if str(file) == "-":
        return sys.stdin.buffer.read().splitlines()
    try:
        return file.read_bytes().splitlines()
    except OSError as problem:
        raise MessagesUnreadableError(str(file), problem) from problem
