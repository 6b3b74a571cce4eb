"""Law 12: what senses, decides and heals is told the time by a clock that it is handed, and asks no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PARTS = ("pipeline", "playbooks", "decide", "sense")
#: Calls that read the wall clock, or wait in real time, by the module or class that has them.
WALL_CLOCK = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "sleep", "localtime", "gmtime", "ctime"},
}
#: Where one of them may stand, with the reason. None does. (`time.monotonic`, which measures how long something took
#: and can tell no time of day, is handed in as a default and is none of them.)
EXCEPTIONS: dict[str, str] = {}


def sources() -> list[Path]:
    """Return the modules that the law is for."""
    found = [one for part in PARTS for one in (ROOT / "src" / "cloudheal" / part).rglob("*.py")]
    assert len(found) > 60
    return sorted(found)


def asked(source: str) -> list[str]:
    """Return what a module takes of the wall clock, called or handed on, as `time.sleep`, with the line."""
    tree = ast.parse(source)
    owners = dict(_owners(tree))
    return [f"{name}:{line}" for name, line in sorted(_taken(tree, owners))]


def _owners(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names by which a module knows those that have such calls, and what they are."""
    for node in ast.walk(tree):
        for one in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            if one.name in WALL_CLOCK:
                yield one.asname or one.name, one.name


def _taken(tree: ast.Module, owners: dict[str, str]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from ((f"time.{one.name}", node.lineno) for one in node.names if one.name in WALL_CLOCK["time"])
        if isinstance(node, ast.Attribute):
            owner = _owner(node.value, owners)
            if node.attr in WALL_CLOCK.get(owner, ()):
                yield f"{owner}.{node.attr}", node.lineno


def _owner(node: ast.expr, owners: dict[str, str]) -> str:
    """Return `datetime` of `datetime.datetime`, and of every name by which the module knows it."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return owners.get(node.id, "") if isinstance(node, ast.Name) else ""


def test_nothing_that_decides_or_heals_reads_the_wall_clock() -> None:
    """No module of the pipeline, the playbooks, the decisions and the sensing takes anything of it."""
    taken = {str(one.relative_to(ROOT)): asked(one.read_text(encoding="utf-8")) for one in sources()}
    assert {name: found for name, found in taken.items() if found and name not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) <= {name for name, found in taken.items() if found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from datetime import datetime, UTC\nnow = datetime.now(UTC)", ["datetime.now:2"]),
        ("import datetime\nnow = datetime.datetime.utcnow()", ["datetime.utcnow:2"]),
        ("import datetime as dt\nnow = dt.datetime.today()", ["datetime.today:2"]),
        ("from datetime import date as day\nnow = day.today()", ["date.today:2"]),
        ("import time\ntime.sleep(1)\nnow = time.time()", ["time.sleep:2", "time.time:3"]),
        ("import time as t\npause = t.sleep", ["time.sleep:2"]),
        ("from time import sleep as pause\npause(1)", ["time.sleep:1"]),
        ("def look(clock):\n    return clock.now(), clock.today()", []),
        ("import time\nreal = time.monotonic", []),
    ],
)
def test_whatever_way_it_is_asked_is_found(source: str, found: list[str]) -> None:
    """By any name of the module or class, called or handed on; a clock that was handed in is none."""
    assert asked(source) == found
