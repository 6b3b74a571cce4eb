"""Start: from the command to a ready worker, its memory then, and how long `cloudheal --help` takes.

The baseline is a bare Python interpreter started in the same run, so that a slow machine is told from a slow program.
Run: make bench, or python benchmarks/start.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.feed import rule
from bench.figures import cpu_seconds, met, resident_mib, shown
from bench.stage import QUEUE, settings, simulated, working

ROUNDS = 5
MOST_READY, MOST_MIB, MOST_HELP = 1.5, 120, 0.3


def seconds(*command: str) -> float:
    """Return the median time of a command that ends by itself."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return median(times)


def main() -> int:
    """Measure and print everything."""
    bare = seconds("-c", "pass")
    asked = seconds("-m", "cloudheal", "--help")
    shown("a bare interpreter", f"{bare:.2f} s", "- (baseline)")
    shown("cloudheal --help", f"{asked:.2f} s ({asked / bare:.0f} x)", f"< {MOST_HELP} s: {met(asked < MOST_HELP)}")
    with simulated({"alibaba": {"queues": [{"name": QUEUE}]}}) as simulator:
        times, cpus, memory = [], [], []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
                settings(Path(folder), simulator.url, [rule("restart-unexpected-stop")])
                with working(Path(folder)) as worker:
                    times.append(worker.seconds_to_ready)
                    cpus.append(cpu_seconds(worker.process.pid))
                    memory.append(resident_mib(worker.process.pid))
    ready, cpu, mib = median(times), median(cpus), max(memory)
    goal = f"<= {MOST_READY} s: {met(ready <= MOST_READY)}"
    shown("cloudheal run: start to ready, new database", f"{ready:.2f} s", goal)
    shown("  of it CPU time", f"{cpu:.2f} s ({ready / bare:.0f} x)")
    shown("memory when ready", f"{mib:.0f} MiB", f"<= {MOST_MIB} MiB: {met(mib <= MOST_MIB)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
