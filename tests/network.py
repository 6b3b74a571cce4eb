"""The machine's network, which a test may change while a browser of another test process is looking at it.

A browser gives up whatever it is loading when an interface comes or goes. So tests that change the network and tests
that look through a browser take turns, over all test processes of this machine.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / f"cloudheal-network-{os.getuid()}.lock"


@contextmanager
def changed() -> Iterator[None]:
    """Change the network, alone."""
    yield from _held(fcntl.LOCK_EX)


@contextmanager
def unchanged() -> Iterator[None]:
    """Rely on the network as it is, beside others who do."""
    yield from _held(fcntl.LOCK_SH)


def _held(how: int) -> Iterator[None]:
    with LOCK.open("w") as lock:
        fcntl.flock(lock, how)
        yield
