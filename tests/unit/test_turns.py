"""Writers of one process stand in a line; what hurries goes first, and nothing starves for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.ports.hurry import hurrying
from cloudheal.record import database as database_module
from cloudheal.record.database import open_database
from cloudheal.record.turns import FREE_SECONDS, PATIENCE_SECONDS, Turns, _Waiting

LONG = 60.0


class Line:
    """Threads that take a turn one after the other, and the order in which they had it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []
        self._waiting = 0

    def join(self, name: str, *, hurries: bool = False) -> None:
        """Have somebody wait for a turn, and return when it does."""

        def work() -> None:
            assert self.turns.take(LONG, hurries=hurries)
            self.order.append(name)
            self.turns.give()

        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()
        self._waiting += 1
        while len(self.turns._hurried) + len(self.turns._others) < self._waiting:  # noqa: SLF001 - nothing else shows
            threading.Event().wait(0.001)

    def end(self) -> list[str]:
        """Wait for everybody."""
        for one in self._threads:
            one.join(LONG)
            assert not one.is_alive()
        return self.order


def test_those_who_wait_come_in_order_and_what_hurries_before_them() -> None:
    """Nobody is passed by one who came later, unless that one hurries."""
    turns = Turns()
    line = Line(turns)
    assert turns.take(LONG, hurries=False)
    line.join("first")
    line.join("second")
    line.join("urgent", hurries=True)
    assert line.order == []
    turns.give()
    assert line.end() == ["urgent", "first", "second"]


def test_the_way_stays_free_for_what_hurries_and_not_for_ever() -> None:
    """After it has written others wait for a moment, and no longer than their patience."""
    now = [0.0]
    turns = Turns(lambda: now[0])
    assert turns.take(LONG, hurries=True)
    turns.give()
    assert not turns.take(0, hurries=False)
    assert turns.take(0, hurries=True)
    turns.give()
    now[0] += FREE_SECONDS
    assert turns.take(0, hurries=False)
    turns.give()
    assert turns.take(0, hurries=True)
    line = Line(turns)
    line.join("patient")
    for _ in range(3):
        turns.give()
        assert turns.take(0, hurries=True)
    assert line.order == []
    now[0] += PATIENCE_SECONDS
    turns.give()
    assert line.end() == ["patient"]


def test_a_turn_that_does_not_come_is_told_and_leaves_no_gap() -> None:
    """Whoever gave up does not get the turn later; the next one does."""
    turns = Turns()
    assert turns.take(LONG, hurries=False)
    assert turns.is_mine()
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(turns.take(0, hurries=False)))
    waiter.start()
    waiter.join(LONG)
    assert answers == [False]
    turns.give()
    assert not turns.is_mine()
    assert turns.take(0, hurries=False)


def test_transactions_begun_by_a_library_take_their_turn_too(tmp_path: Path) -> None:
    """A write on a connection of the engine waits for our transaction, and ours for it; what hurries comes first."""
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE told (name TEXT)")

    def library(name: str) -> None:
        with hurrying(name == "urgent"), database.writing.begin() as connection:
            connection.execute(sa.text("INSERT INTO told VALUES (:name)"), {"name": name})

    with database.transaction() as connection:
        threads = [threading.Thread(target=library, args=(name,)) for name in ("patient", "urgent")]
        for number, one in enumerate(threads):
            one.start()
            while len(database.turns._hurried) + len(database.turns._others) <= number:  # noqa: SLF001 - as above
                threading.Event().wait(0.001)
        connection.execute(sa.text("INSERT INTO told VALUES ('ours')"))
    for one in threads:
        one.join(LONG)
    with database.snapshot() as connection:
        names = list(connection.scalars(sa.text("SELECT name FROM told ORDER BY rowid")))
    database.close()
    assert names == ["ours", "urgent", "patient"]


def test_a_transaction_that_fails_ends_its_turn(tmp_path: Path) -> None:
    """An error in a transaction, ours or a library's, keeps nobody waiting."""
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    for begin in (database.transaction, database.writing.begin):
        try:
            with begin() as connection:
                connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")
        except sa.exc.OperationalError:
            pass
        assert database.turns.take(0, hurries=False)
        database.turns.give()
    database.close()


def test_however_many_wait_with_a_connection_whoever_has_the_turn_gets_one(tmp_path: Path) -> None:
    """A hundred transactions of a library that wait for their turn, each with a connection, do not stop ours."""
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE told (name TEXT)")

    def library() -> None:
        with database.writing.begin() as connection:
            connection.execute(sa.text("INSERT INTO told VALUES ('theirs')"))

    threads = [threading.Thread(target=library, daemon=True) for _ in range(100)]
    assert database.turns.take(LONG, hurries=False)
    for number, one in enumerate(threads, start=1):
        one.start()
        while len(database.turns._others) < number:  # noqa: SLF001 - as above
            assert one.is_alive(), "this one found no connection to wait with"
            threading.Event().wait(0.001)
    ours = database.writing.connect()
    ours.execute(sa.text("INSERT INTO told VALUES ('ours')"))
    ours.commit()
    ours.close()
    database.turns.give()
    for one in threads:
        one.join(LONG)
    with database.snapshot() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM told")) == 101
    database.close()


def test_who_writes_already_never_waits_for_a_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that went on without its turn has SQLite's lock: in the line it would wait for who waits for it."""
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.05)
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE told (name TEXT)")
    stalled = threading.Thread(target=database.turns.take, args=(LONG,), kwargs={"hurries": False})
    stalled.start()
    stalled.join(LONG)
    with database.transaction() as connection:
        asked = len(waits := [])
        monkeypatch.setattr(Turns, "take", lambda *_, **__: waits.append(1))
        connection.execute(sa.text("INSERT INTO told VALUES ('ours')"))
        assert len(waits) == asked
    database.close()


def test_who_is_told_to_end_in_the_line_leaves_it() -> None:
    """An interrupt does not leave somebody there who gets the turn and never gives it back."""
    turns = Turns()
    assert turns.take(LONG, hurries=False)

    class Interrupting(threading.Event):
        """Is waited for by somebody who is interrupted."""

        def wait(self, timeout: float | None = None) -> bool:
            """Be interrupted, once."""
            assert timeout is not None
            raise KeyboardInterrupt

    interrupted = _Waiting(threading.get_ident(), 0.0, Interrupting())
    line = turns._others  # noqa: SLF001 - as above
    line.append(interrupted)
    with pytest.raises(KeyboardInterrupt):
        turns._patiently(interrupted, line, LONG)  # noqa: SLF001 - as above
    assert not line
    turns.give()
    assert turns.take(0, hurries=False)
