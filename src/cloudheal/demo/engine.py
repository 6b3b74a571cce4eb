"""The demo's engine: `cloudheal run` as an operator starts it, in a process that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from cloudheal.demo.fleet import RULES, settings
from cloudheal.demo.simulator import DemoError

#: The simulator's well-known test key; the engine reads its keys from the environment, as in production.
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}


class Engine:
    """One `cloudheal run` after another, on one database."""

    def __init__(self, folder: Path, url: str, language: str) -> None:
        self.database = f"sqlite:///{folder / 'cloudheal.db'}"
        self._config = folder / "cloudheal.yaml"
        self._log = folder / "cloudheal.log"
        document = settings(url, self.database, language)
        self._config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> str:
        """Run one command of the CLI and return what it printed. Raises DemoError when it fails."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "cloudheal", *words, "-c", str(self._config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **KEYS},
        )
        if done.returncode:
            message = f"cloudheal {' '.join(words)} failed: {done.stderr.strip()[-500:]}"
            raise DemoError(message)
        return done.stdout

    def promote(self) -> list[str]:
        """Trust the demo's rules; a new rule only records until somebody does."""
        return [self.command("rules", "promote", rule).strip() for rule in RULES]

    def start(self) -> int:
        """Start the engine; returns its process id."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "cloudheal", "run", "-c", str(self._config)],
                stdout=log,
                stderr=log,
                env={**os.environ, **KEYS},
            )
        return self._process.pid

    def kill(self) -> int:
        """Kill the engine without warning (kill -9); returns the process id that was."""
        if self._process is None or self._process.poll() is not None:
            message = f"the engine ended by itself:\n{self.log_tail()}"
            raise DemoError(message)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return self._process.pid

    def stop(self) -> None:
        """End the engine in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the engine's log."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
