"""Runs a command that must not outlive whoever started it: `python -m cloudheal.drills.stage.leash COMMAND...`.

The starter holds the other end of standard input. When that closes, be it because the starter was killed, the command
is told to end, and killed if it does not. Signals to end are for the command, which gets them too: both are one group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

#: How long the command may take to end in order.
PATIENCE_SECONDS = 15.0


def on_leash(command: list[str]) -> list[str]:
    """Return the command line that runs a command on a leash; start it with a pipe as standard input."""
    return [sys.executable, "-m", "cloudheal.drills.stage.leash", *command]


def kill_all(process: subprocess.Popen[bytes]) -> int:
    """Kill a leash with what is on it; returns its exit code. It must lead a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def tell_all(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Tell what is on a leash to end; the leash follows."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def main(command: list[str]) -> int:
    """Run a command until it ends, or until nobody holds the leash; returns its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    return child.wait()


def _watch(child: subprocess.Popen[bytes]) -> None:
    """End the command when the starter is gone."""
    while os.read(0, 1024):
        pass
    child.terminate()
    try:
        child.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
