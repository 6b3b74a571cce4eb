"""An operator at a shell: the command line as real processes, one settings file, one simulator, one SQLite file."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudheal.cli import main
from tests.flow.test_restart import QUEUE, RULE
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator
from tests.zygote import Forked, run

KEY, SECRET = "testid", "testsecret"
COMMAND = (sys.executable, "-m", "cloudheal")


def until(condition: Callable[[], bool], seconds: float = 60, what: str = "the condition") -> None:
    """Wait on a condition."""
    give_up, tick = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < give_up, f"{what} did not come about in {seconds} s"
        tick.wait(0.05)


@dataclass
class Worker:
    """A running `cloudheal run`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def logged(self, text: str) -> bool:
        """Say whether a line with this text was logged."""
        return any(text in line for line in self.lines)


@dataclass
class Operator:
    """Somebody who types commands in a folder that holds cloudheal.yaml."""

    folder: Path
    simulator: RunningSimulator
    environment: dict[str, str] = field(default_factory=dict)

    def settings(self, **changes: Any) -> Path:
        """Write the settings file: one account at the simulator, one rule; `account` changes are merged."""
        account = {
            "name": "prod",
            "cloud": "alibaba",
            "id": "1000000000000001",
            "regions": ["cn-hangzhou"],
            "endpoint": self.simulator.url,
            "queue": {"endpoint": self.simulator.url, "name": QUEUE, "wait_seconds": 1},
            **changes.pop("account", {}),
        }
        document = {
            "accounts": [account],
            "database": f"sqlite:///{migrated(self.folder / 'c.db')}",
            "timezone": "Asia/Shanghai",
            "rules": [RULE],
            "settle_seconds": 0.5,
            **changes,
        }
        path = self.folder / "cloudheal.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def __call__(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end; no secret and no traceback may show."""
        done = run([*COMMAND, *words], typed=typed, cwd=self.folder, env=self.surroundings())
        shown = done.stdout + done.stderr
        assert SECRET not in shown
        assert "Traceback" not in shown, shown
        return done

    def done(self, *words: str, typed: str = "") -> str:
        """Run a command that must succeed and return what it printed."""
        done = self(*words, typed=typed)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words: str) -> Any:
        """Run a command that lists and return its document."""
        done = self(*words, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Have a worker at work until the block ends."""
        process = Forked([*COMMAND, "run"], stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.surroundings())
        worker = Worker(process)
        reader = threading.Thread(target=_read, args=(process, worker.lines), daemon=True)
        reader.start()
        try:
            until(lambda: worker.logged("run.ready") or process.poll() is not None, 90, "a ready worker")
            assert process.poll() is None, worker.lines
            yield worker
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(timeout=20)
            reader.join(timeout=20)
            assert process.stderr is not None
            process.stderr.close()
            assert not any(SECRET in line for line in worker.lines)

    def chaos(self, deed: str, *ids: str) -> None:
        """Do something to servers."""
        self.simulator.control("POST", "chaos", {"do": deed, "instances": list(ids)})

    def starts(self) -> Sequence[str]:
        """Return which servers anybody asked to start (dry runs aside)."""
        entries = self.simulator.journal(action="StartInstance")
        return [entry["resources"][0] for entry in entries if entry.get("changes")]

    def surroundings(self) -> dict[str, str]:
        """Return the environment of whatever is started."""
        keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        merged = {**plain, "PYTHONUTF8": "1", **keys, **self.environment}
        return {name: value for name, value in merged.items() if value}


class AtHand(Operator):
    """An operator whose commands run in this process, which is much faster; `run` stays a process of its own."""

    def __call__(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end; no secret and no traceback may show."""
        if words[0] == "run":
            return super().__call__(*words, typed=typed)
        out, err, code = io.StringIO(), io.StringIO(), 0
        heeding = warnings.catch_warnings()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), heeding:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["cloudheal", *words])
            patch.delenv("COLUMNS", raising=False)
            warnings.simplefilter("ignore", DeprecationWarning)  # as in a process, which does not show them
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode()), encoding="utf-8"))
            around = self.surroundings()
            for name in self.environment.keys() - around:
                patch.delenv(name, raising=False)
            for name, value in around.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        assert SECRET not in out.getvalue() + err.getvalue()
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)  # noqa: PERF402 - others read the list while it grows
