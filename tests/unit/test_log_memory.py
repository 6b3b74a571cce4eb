"""Hours of a hostile log take no more memory than minutes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

#: Thirty minutes, each with 16,000 URLs that never come again, a user agent that never does, and a dump a minute.
PROGRAM = """
import sys
from cloudheal.logs.definition import Definition, Function, Measure, Metric, UrlRule, Urls
from cloudheal.logs.engines import fallback, pick
from cloudheal.logs.formats import preset

figures = (
    Measure("p", Function.PERCENTILE, "request_time", (99.0,)),
    Measure("d", Function.DISTINCT, "http_user_agent"),
)
metrics = (Metric("by_url", by=("url",), measures=figures), Metric("all", measures=figures))
urls = Urls("url", (UrlRule("x", "y"),))
engine = pick()
if engine.name != "native":
    sys.exit(0)
counter = engine.counter(Definition("site", (), preset("timed"), metrics, urls))


def held():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


for minute in range(30):
    stamp = f"10/Jul/2015:{15 + minute // 60:02}:{minute % 60:02}:09 +0800"
    for part in range(4):
        counter.feed("".join(
            f'1.1.1.1 - - [{stamp}] "GET /{minute}x{part}x{n}y{"z" * 60} HTTP/1.0" '
            f'0.{n % 999:03} 1 200 1 "-" "{minute}{part}{n}"\\n'
            for n in range(4_000)
        ).encode() + b'"' * 70_000)
    counter.dump()
    counter.close(1 << 40)
    if minute in (4, 29):
        print(held())
"""


@pytest.mark.soak
def test_urls_without_end_take_memory_with_an_end() -> None:
    """Half a million URLs later the process is as large as it was after the first minutes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT, timeout=600
    )
    if not done.stdout:
        pytest.skip("the engine was not compiled here")
    early, late = map(int, done.stdout.split())
    assert late <= early * 1.1 + 16, (early, late)
    assert late < 400
