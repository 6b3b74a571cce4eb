"""Signals end a worker in order, at whatever instruction they find it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC
from types import SimpleNamespace
from typing import cast

import pytest

from cloudheal.app import App
from cloudheal.cli.show import Show
from cloudheal.cli.work import _Shift, started, starting


@pytest.fixture
def sigterm() -> Iterator[signal.Signals]:
    """A signal whose handler is put back in the end."""
    before = signal.getsignal(signal.SIGTERM)
    yield signal.SIGTERM
    signal.signal(signal.SIGTERM, before)


@pytest.mark.timeout(20)
def test_a_signal_that_finds_the_worker_about_to_wait_does_not_hang_it(sigterm: signal.Signals) -> None:
    """The main thread holds the lock of what it is about to wait on; the signal is heeded as soon as it looks."""
    stopping = threading.Event()
    shift = _Shift(cast("App", SimpleNamespace(stopping=stopping)), Show("en", UTC), once=False)
    signal.signal(sigterm, shift._stop)  # noqa: SLF001 - as `work` does
    with stopping._cond:  # type: ignore[attr-defined]  # noqa: SLF001 - where a signal may come
        os.kill(os.getpid(), sigterm)
    assert shift._is_told(0)  # noqa: SLF001 - as the main thread asks
    assert signal.getsignal(sigterm) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("language", "first", "second"), [("en", "Ctrl-C again", "starts next takes"), ("zh", "再按一次", "会接手")]
)
def test_whoever_presses_ctrl_c_twice_is_told_what_each_does(language: str, first: str, second: str) -> None:
    """The first line says that it ends in order, the second that it gave up; the exit code is 130."""
    program = (
        "import os, signal\n"
        "from datetime import UTC\n"
        "from cloudheal.cli.show import Show\n"
        "from cloudheal.cli.work import _Shift\n"
        f"signal.signal(signal.SIGINT, _Shift(None, Show({language!r}, UTC), once=False)._stop)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('still at work', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.pause()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    told = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (130, b"still at work\n")
    assert [first in told[0], second in told[1], len(told)] == [True, True, 2]


def test_nothing_looks_for_garbage_until_the_start_is_over() -> None:
    """From then on what comes is collected, and what was there is left alone; a start that fails changes nothing."""
    with starting():
        assert not gc.isenabled()
        try:
            assert started() > 0
            assert gc.isenabled()
        finally:
            gc.unfreeze()
    with pytest.raises(ZeroDivisionError), starting():
        raise ZeroDivisionError
    assert gc.isenabled()
