"""ansible-rulebook from PyPI as a baseline: in a folder of its own, fed as fast as it takes events from a source.

It gets the events already decoded, its rule matches one in five and does nothing, and it keeps nothing. It runs on
Java 17 or newer; where that, or the package, is absent, the comparison is skipped with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

PLACE = Path(tempfile.gettempdir()) / "cloudheal-benchmark-rulebook"
PACKAGES = ("ansible-rulebook", "ansible-core", "ansible-runner")
SOURCE = """
import pathlib, time
async def main(queue, args):
    count, began = int(args["count"]), time.time()
    for number in range(count):
        state = "Stopped" if number % 5 == 4 else "Running"
        await queue.put({"name": "Instance:StateChange",
                         "content": {"resourceId": f"i-bp1{number % 2000:06d}", "state": state}})
    pathlib.Path(args["told"]).write_text(str(began))
"""
RULES = """
- name: benchmark
  hosts: all
  sources:
    - feed: {{count: {count}, told: {told}}}
  rules:
    - name: stopped
      condition: event.content.state == "Stopped"
      action: {{none: {{}}}}
"""


class RulebookMissing(Exception):
    """The baseline cannot run here; the text says why."""


def rulebook_seconds(count: int) -> float:
    """Return how long it takes for so many events, from the first one given to the last one matched."""
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        return _run(_installed(), Path(folder), count)


def _installed() -> Path:
    java = shutil.which("java")
    if java is None:
        message = "no java on this machine"
        raise RulebookMissing(message)
    program = PLACE / "bin" / "ansible-rulebook"
    if not program.exists():
        print(f"installing ansible-rulebook into {PLACE}", file=sys.stderr)
        python = [
            str(PLACE / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            *PACKAGES,
        ]
        for command in ([sys.executable, "-m", "venv", str(PLACE)], python):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                message = f"it cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
                raise RulebookMissing(message)
    return program


def _run(program: Path, folder: Path, count: int) -> float:
    began = folder / "began"
    (folder / "feed.py").write_text(SOURCE, encoding="utf-8")
    (folder / "rules.yml").write_text(RULES.format(count=count, told=began), encoding="utf-8")
    inventory = "all: {hosts: {localhost: {ansible_connection: local}}}\n"
    (folder / "hosts.yml").write_text(inventory, encoding="utf-8")
    files = ("-r", folder / "rules.yml", "-i", folder / "hosts.yml", "-S", folder, "-v")
    command = [str(one) for one in (program, *files)]
    java = Path(shutil.which("java") or "java").resolve().parents[1]
    environment = {**os.environ, "PATH": f"{PLACE / 'bin'}:{os.environ['PATH']}", "JAVA_HOME": str(java)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=folder, timeout=300
    )
    ended = re.search(r"'lastEventReceivedAt': '([^']+)'", done.stdout + done.stderr)
    if not began.exists() or ended is None or f"'eventsProcessed': {count}," not in done.stdout + done.stderr:
        message = f"it did not match the last event: {(done.stdout + done.stderr).strip().splitlines()[-1:]}"
        raise RulebookMissing(message)
    return datetime.fromisoformat(ended[1]).timestamp() - float(began.read_text())
