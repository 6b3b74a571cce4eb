"""One way to time and one way to print: a figure, its goal, and its ratio to a named baseline of the same run.

CPU seconds stand beside wall-clock seconds, because the machine may have other things to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = 100  # clock ticks a second in /proc, on every Linux that this project meets


@dataclass(slots=True)
class Spent:
    """The seconds that a block took; complete when the block has ended."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    """Time a block of this process, every thread of it."""
    spent, wall, cpu = Spent(), time.perf_counter(), time.process_time()
    yield spent
    spent.wall, spent.cpu = time.perf_counter() - wall, time.process_time() - cpu


def cpu_seconds(process: int) -> float:
    """Return the CPU time that another process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(process: int | str = "self") -> float:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def shown(what: str, figure: str, goal: str = "") -> str:
    """Print and return one line of the result."""
    line = f"{what:<64}{figure:>26}" + (f"   goal {goal}" if goal else "")
    print(line, flush=True)
    return line


def met(reached: bool) -> str:  # noqa: FBT001 - it is the whole question
    """Say in one word whether a goal was reached."""
    return "met" if reached else "MISSED"
