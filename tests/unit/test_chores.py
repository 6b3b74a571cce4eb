"""What a worker does again and again goes on whatever it raises, and the failure is told, counted and shown."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from cloudheal.app.chores import MOST_FAILURES, Chores
from cloudheal.app.outage import Outage
from cloudheal.clouds.encoding import parsed
from cloudheal.metrics.counters import Counters

PATIENCE = 20
SECRET = "https://oapi.example/robot?access_token=geheim"


@pytest.fixture
def chores() -> Iterator[Chores]:
    """The chores of a worker that is told to stop in the end."""
    stopping = threading.Event()
    yield Chores(stopping, Outage(), Counters())
    stopping.set()


def raising(problem: Exception) -> Callable[[], object]:
    """Return work that fails."""

    def work() -> object:
        raise problem

    return work


@pytest.mark.parametrize("problem", [KeyError("x"), OSError(5, "no"), RecursionError(), MemoryError(), StopIteration()])
def test_a_chore_goes_on_after_any_exception(chores: Chores, problem: Exception) -> None:
    """Its thread lives, and the work is done again and again."""
    done, tries = threading.Event(), []

    def work() -> None:
        tries.append(1)
        if len(tries) <= MOST_FAILURES:
            raise problem
        done.set()

    thread = chores.start("keep", work, 0.001)
    assert done.wait(PATIENCE)
    assert thread.is_alive()
    chores.stopping.set()
    assert chores.join(PATIENCE) == []


def test_a_failure_is_logged_once_with_its_reason_and_counted_each_time(
    chores: Chores, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is the error's class and place; its text, which may hold a secret, is not in the log."""
    with caplog.at_level(logging.INFO, "cloudheal.chores"):
        for _ in range(5):
            assert not chores.attempt("notify", raising(ValueError(SECRET)))
        assert not chores.attempt("notify", raising(KeyError(SECRET)))
        assert chores.attempt("notify", lambda: None)
    told = [record.getMessage() for record in caplog.records]
    assert [one.partition(" at ")[0] for one in told] == [
        "chore.failed chore=notify reason='ValueError",
        "chore.failed chore=notify reason='KeyError",
        "chore.works_again chore=notify failures=6",
    ]
    assert "test_chores.py:" in told[0]
    assert "geheim" not in caplog.text
    assert 'cloudheal_chore_failures_total{chore="notify"} 6' in chores.counters.exposition()


def test_a_chore_that_keeps_failing_is_an_illness_until_it_works(chores: Chores) -> None:
    """One failure may be a moment; several in a row are shown, with their number, and are forgotten once it works."""
    for _ in range(MOST_FAILURES - 1):
        chores.attempt("keep", raising(ValueError()))
    assert chores.ill() == []
    chores.attempt("keep", raising(ValueError()))
    (ill,) = chores.ill()
    assert (ill.chore, ill.times) == ("keep", MOST_FAILURES)
    assert ill.reason.startswith("ValueError at unit/test_chores.py:")
    chores.attempt("keep", lambda: None)
    assert chores.ill() == []


def test_a_failure_in_a_library_names_the_line_of_ours_that_led_there(chores: Chores) -> None:
    """A line of a library alone would not say what the chore was about."""
    for _ in range(MOST_FAILURES):
        chores.attempt("keep", lambda: parsed("{"))
    (ill,) = chores.ill()
    assert re.fullmatch(r"JSONDecodeError at json/decoder.py:\d+ from clouds/encoding.py:\d+", ill.reason)


def test_a_database_that_fails_is_one_outage_and_not_many_sick_chores(chores: Chores) -> None:
    """What the database cannot do is its trouble; what it refuses of a value is the chore's own."""
    away = sa.exc.OperationalError("SELECT 1", {}, Exception("the disk is full"))
    for chore in ("keep", "notify", "keep", "keep"):
        chores.attempt(chore, raising(away))
    assert chores.outage.reason == "OperationalError: the disk is full"
    assert chores.ill() == []
    assert chores.outage.worked()
    for _ in range(MOST_FAILURES):
        chores.attempt("keep", raising(sa.exc.IntegrityError("INSERT", {}, Exception(SECRET))))
    assert chores.outage.reason == ""
    assert [one.reason.partition(" at ")[0] for one in chores.ill()] == ["cannot be stored: IntegrityError"]


def test_what_hangs_is_named_after_one_deadline_for_all(chores: Chores) -> None:
    """A worker that stops waits once, not once for each thread that does not end."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        begun.release()
        go_on.wait(PATIENCE)

    for name in ("listener a", "listener b"):
        chores.start(name, hang, 0.001)
    for _ in range(2):
        assert begun.acquire(timeout=PATIENCE)
    assert chores.join(0.01) == ["cloudheal-listener a", "cloudheal-listener b"]
    go_on.set()
    chores.stopping.set()
    assert chores.join(PATIENCE) == []
