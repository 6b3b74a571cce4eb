"""One database, SQLite or PostgreSQL, opened so that a commit is on disk when it returns.

SQLite runs in WAL mode with synchronous FULL. A transaction that may write takes the write lock when it begins, so that
two writers wait for each other instead of failing half-way; those of one process stand in a line (`turns.py`), and one
that may be undone is asked before every statement whether it goes on. Readers have an engine of their own and never
wait for a writer. Neither the password in a URL nor the values of a statement, which strangers sent, show in an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from cloudheal.errors import PermanentError, SettingsError
from cloudheal.record.turns import Turns, has_begun, in_turn, write_in_turns

#: How long a writer waits for another one before it gives up; commits take milliseconds.
BUSY_SECONDS = 30
#: Of files, which cost little: without a limit, because a thread that waits for its turn to write may hold one, and
#: whose turn it is must find one. The one that was used last is used next, because what it read is still in its memory.
_CONNECTIONS: Mapping[str, Any] = {
    "poolclass": sa.pool.QueuePool,
    "pool_size": 32,
    "max_overflow": -1,
    "pool_use_lifo": True,
}
_NOTED, _CHECK, _LINE = "cloudheal.noted", "cloudheal.check", "cloudheal.line"
#: The longest that a transaction stands in its own process's line for a lock that is taken in the database.
LINE_SECONDS = 5.0
#: A transaction whose process says nothing for so long is undone by PostgreSQL: a frozen or unplugged worker would
#: keep its rows locked, and its heir waiting, for hours.
SILENT_SECONDS = 10
#: Steps of SQLite's machine after which a transaction that may be undone is asked again: about a millisecond.
STEPS_UNASKED = 50_000
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}", "foreign_keys=ON")
#: A large batch changes thousands of pages. A writer keeps them in memory to its commit and no longer, because there
#: are dozens of connections. The log carries a few batches (pages) before they are copied into the file: a page that
#: each of them changed is copied once.
_WRITING = ("cache_spill=OFF", "wal_autocheckpoint=8192")


class DatabaseUnreachableError(PermanentError):
    """The database does not answer or cannot be written."""

    code = "database.unreachable"


@dataclass(frozen=True, slots=True)
class Database:
    """Two engines on one database: `writing` begins every transaction as a writer, `reading` never does."""

    writing: sa.Engine
    reading: sa.Engine
    observers: list[Callable[[Sequence[object]], object]] = field(default_factory=list, compare=False)
    """Told after every commit of what was noted in it with `note_commit`."""
    turns: Turns = field(default_factory=Turns, compare=False, repr=False)
    """The line of those who write to SQLite; a connection is taken when it is one's turn, so that few are needed."""
    line: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    """Held by the one transaction of this process that has, or waits for, a lock that all workers share."""

    def __post_init__(self) -> None:
        if self.is_sqlite:
            write_in_turns(self.writing, self.turns, BUSY_SECONDS)
        event.listen(self.writing, "before_cursor_execute", _ask)

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded database, which admits one engine process."""
        return self.writing.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of the embedded database; None of any other, and of one in memory."""
        name = self.writing.url.database if self.is_sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def require_folder(self) -> Path | None:
        """Return the file, whose folder is there. Raises DatabaseUnreachableError, because SQLite makes none."""
        file = self.file
        if file is not None and not file.parent.is_dir():
            fault = f"the database cannot be used: {file}: the folder {file.parent} does not exist"
            advice = "Create the folder, or name a file in another one in the settings: database: sqlite:///FILE"
            raise DatabaseUnreachableError(fault, what_to_do=advice)
        return file

    @contextmanager
    def transaction(self, check: Callable[[], object] | None = None) -> Iterator[sa.Connection]:
        """Commit what the block did, all of it on disk, or nothing when it raises.

        `check` is asked before every statement, on SQLite also within long ones; what it raises ends the transaction.
        """
        with self._in_turn(), ExitStack() as afterwards, self.writing.begin() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                has_begun(connection)
            connection.info.pop(_NOTED, None)
            connection.info[_LINE] = (self.line, afterwards)
            with _checked(connection, check):
                yield connection
            noted = connection.info.pop(_NOTED, ())
            connection.info.pop(_LINE, None)
        for observer in self.observers if noted else ():
            observer(noted)

    def _in_turn(self) -> AbstractContextManager[object]:
        return in_turn(self.turns, BUSY_SECONDS) if self.is_sqlite else nullcontext()

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Read one consistent state; writing is refused."""
        with self.reading.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.writing.dispose()
        self.reading.dispose()


def stand_in_line(connection: sa.Connection) -> bool:
    """Wait until no other transaction of this process has, or waits for, what all workers share; False after a while.

    A process that freezes (its machine is suspended or cut off) keeps what it has until the database ends its silent
    transaction. Each of its transactions that wait is given the lock in turn, and keeps it as long: so one may wait.
    """
    line, afterwards = connection.info.pop(_LINE, (None, None))
    if line is None:  # it stands there already, or is no transaction of a `Database`
        return True
    if not line.acquire(timeout=LINE_SECONDS):
        return False  # whoever waits in a circle would not be found out by the database
    afterwards.callback(line.release)
    return True


def note_commit(connection: sa.Connection, facts: Iterable[object]) -> None:
    """Note what the database's observers are told if this transaction commits."""
    connection.info.setdefault(_NOTED, []).extend(facts)


@contextmanager
def _checked(connection: sa.Connection, check: Callable[[], object] | None) -> Iterator[None]:
    """Have `check` asked before every statement of a connection until the block ends; it goes back to a pool."""
    if check is None:
        yield
        return
    info = connection.info  # of a connection that was lost meanwhile it cannot be asked for
    info[_CHECK] = check
    try:
        with _asking_on_the_way(connection, check) if connection.dialect.name == "sqlite" else nullcontext():
            yield
    finally:
        info.pop(_CHECK, None)


@contextmanager
def _asking_on_the_way(connection: sa.Connection, check: Callable[[], object]) -> Iterator[None]:
    """Have `check` asked in the middle of long statements too: counting thousands of servers takes SQLite a while."""
    objections: list[Exception] = []

    def objects() -> bool:
        try:
            check()
        except Exception as objection:  # noqa: BLE001 - SQLite would say no more than that it was interrupted
            objections.append(objection)
        return bool(objections)

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(objects, STEPS_UNASKED)
    try:
        yield
    except sa.exc.OperationalError:
        if objections:
            raise objections[0] from None
        raise
    finally:
        driver.set_progress_handler(None, 0)


def _ask(connection: sa.Connection, *_: object) -> None:
    check = connection.info.get(_CHECK)
    if check is not None:
        check()


def open_database(url: str) -> Database:
    """Open the database that a settings file names. Raises SettingsError when the URL cannot be one."""
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        message = "database: not a URL; expected sqlite:///FILE or postgresql://USER@HOST/NAME"
        raise SettingsError(message) from None  # it quotes what may be a password
    if "@" in (address.host or ""):
        # What stands behind the first @ would be taken for the host, and told as what cannot be reached.
        raise SettingsError("database: an @ in the password is to be written %40")
    match address.get_backend_name():
        case "sqlite":
            return Database(_sqlite(address, writing=True), _sqlite(address, writing=False))
        case "postgresql":
            driven = address.set(drivername="postgresql+psycopg")
            return Database(_postgres(driven, read_only=False), _postgres(driven, read_only=True))
    message = f"database: {address.get_backend_name()} is not supported; expected sqlite:/// or postgresql://"
    raise SettingsError(message)


def _sqlite(address: sa.URL, *, writing: bool) -> sa.Engine:
    engine = sa.create_engine(
        address,
        connect_args={"check_same_thread": False},
        pool_reset_on_return="rollback",
        hide_parameters=True,
        **_CONNECTIONS,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The workflow engine shares the writing engine and expects the driver to begin its transactions.
        connection.isolation_level = "IMMEDIATE" if writing else None
        for pragma in (*_PRAGMAS, *(_WRITING if writing else ("query_only=ON",))):
            connection.execute(f"PRAGMA {pragma}")

    if not writing:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _postgres(address: sa.URL, *, read_only: bool) -> sa.Engine:
    options = "-c default_transaction_read_only=on" if read_only else "-c synchronous_commit=on"
    options += f" -c idle_in_transaction_session_timeout={SILENT_SECONDS * 1000}"
    return sa.create_engine(
        address,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": options, "application_name": "cloudheal", "connect_timeout": 10},
    )
