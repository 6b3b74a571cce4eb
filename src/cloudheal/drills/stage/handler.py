"""The handler of a stage: `cloudheal run` as an operator starts it, in a process that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import yaml

from cloudheal.drills.stage.door import SECRET, VARIABLE
from cloudheal.drills.stage.leash import kill_all, on_leash, tell_all
from cloudheal.drills.stage.simulator import StageError

#: The simulator's well-known test keys; the handler reads its keys from the environment, as in production.
KEYS = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
    "TENCENTCLOUD_SECRET_ID": "AKIDtest",
    "TENCENTCLOUD_SECRET_KEY": "testsecret",
    "TENCENTCLOUD_TOKEN": "",
    VARIABLE: SECRET,
}


class Handler(Protocol):
    """A worker that a drill may start, stop and kill."""

    def start(self) -> int:
        """Start it, and return when it is at work."""

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> int:
        """End it without warning."""

    @property
    def lives(self) -> bool:
        """True while it is at work."""


class HandlerProcess:
    """One `cloudheal run` after another, on one settings file."""

    def __init__(self, folder: Path, document: Mapping[str, object]) -> None:
        self.config = folder / "cloudheal.yaml"
        self._log = folder / "cloudheal.log"
        self.config.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def lives(self) -> bool:
        """True while the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def command(self, *words: str) -> str:
        """Run one command of the CLI and return what it printed. Raises StageError when it fails."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "cloudheal", *words, "-c", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **KEYS},
        )
        if done.returncode:
            message = f"cloudheal {' '.join(words)} failed: {done.stderr.strip()[-500:]}"
            raise StageError(message)
        return done.stdout

    def start(self) -> int:
        """Start the process; returns its id. Ctrl-C does not reach it, a death of ours does."""
        command = [sys.executable, "-m", "cloudheal", "run", "-c", str(self.config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                on_leash(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **KEYS},
            )
        return self._process.pid

    def kill(self) -> int:
        """Kill the process without warning (kill -9); returns the process id that was."""
        if self._process is None or not self.lives:
            message = f"the handler ended by itself:\n{self.log_tail()}"
            raise StageError(message)
        kill_all(self._process)
        self._let_go()
        return self._process.pid

    def stop(self) -> None:
        """End the process in order."""
        if self._process is None:
            return
        if self.lives:
            tell_all(self._process)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                kill_all(self._process)
        self._let_go()

    def _let_go(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
