"""The simulator's sizes: start, memory, a page of 100,000 instances, signed calls and published events per second.

Each figure stands beside its goal, and calls per second also beside a bare aiohttp server that answers a constant to
the same client in the same run, so that a slow machine is told from a slow simulator. Rates are per second of the
server process's own CPU time (one core), because client and server share the machine. Run: make bench
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTANCES = 100_000
PAGE = 100
CALLS = 2_000
EVENTS = 3_000
TICKS = 100  # clock ticks a second in /proc, on every Linux that this project meets

BARE_SERVER = """
import asyncio
from aiohttp import web
async def answer(request):
    await request.read()
    return web.Response(body=b"{}")
async def main():
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("ready on", f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A server process under measurement."""

    process: subprocess.Popen[str]
    address: str
    seconds_to_ready: float

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        """Return the memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@contextmanager
def serving(*command: str) -> Iterator[Served]:
    """Run a server until the block ends."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield Served(process, line.split()[-1].removeprefix("http://"), time.perf_counter() - began)
        finally:
            process.terminate()


def signed_target(action: str, **parameters: str) -> str:
    """Return the request target of a call signed with version 1."""
    flat = {
        "Action": action,
        "Version": "2014-05-26",
        "Format": "JSON",
        "RegionId": "cn-hangzhou",
        "AccessKeyId": "testid",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **parameters,
    }
    query = "&".join(f"{quote(name, safe='~')}={quote(flat[name], safe='~')}" for name in sorted(flat))
    digest = hmac.new(b"testsecret&", f"GET&%2F&{quote(query, safe='~')}".encode(), hashlib.sha1).digest()
    return f"/?{query}&Signature={quote(base64.b64encode(digest).decode(), safe='')}"


def asked(connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None = None) -> Any:
    """Make one request and return its JSON."""
    connection.request(method, target, body)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == http.HTTPStatus.OK, content[:500]
    return json.loads(content)


def rate(server: Served, count: int, call: Callable[[int], object]) -> tuple[float, float]:
    """Make `count` calls; return calls per second of the server's CPU and per second of wall clock."""
    call(0)
    cpu, began = server.cpu_seconds(), time.perf_counter()
    for number in range(1, count + 1):
        call(number)
    wall = time.perf_counter() - began
    return count / (server.cpu_seconds() - cpu), count / wall


def page_milliseconds(connection: http.client.HTTPConnection, page: int) -> tuple[float, float]:
    """Return median and worst time of one page of DescribeInstances."""
    times = []
    for _ in range(15):
        target = signed_target("DescribeInstances", PageNumber=str(page), PageSize=str(PAGE))
        began = time.perf_counter()
        listed = asked(connection, "GET", target)["Instances"]["Instance"]
        times.append((time.perf_counter() - began) * 1000)
        assert len(listed) == PAGE
    return sorted(times)[len(times) // 2], max(times)


def world() -> dict[str, object]:
    """Return a world of many instances, a queue and a rule that sends everything to it."""
    return {
        "regions": ["cn-hangzhou"],
        "alibaba": {
            "instances": [{"count": INSTANCES, "prefix": "i-bp1bench", "region": "cn-hangzhou", "status": "Running"}],
            "queues": [{"name": "events"}],
            "event_rules": [
                {
                    "name": "all",
                    "pattern": {"product": "ECS", "names": ["*"]},
                    "targets": [{"mns": {"queue": "events"}}],
                }
            ],
        },
    }


def shown(what: str, figure: str, goal: str) -> str:
    """Print and return one line of the result."""
    line = f"{what:<58}{figure:>22}   goal {goal}"
    print(line)
    return line


def main() -> int:
    """Measure and print everything."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.json"
        file.write_text(json.dumps(world()), encoding="utf-8")
        with serving("-m", "cloudheal_sim", "--port", "0", "--world", str(file)) as server:
            measure_big(server)
    with serving("-m", "cloudheal_sim", "--port", "0") as small, serving("-c", BARE_SERVER) as bare:
        measure_calls(small, bare)
    return 0


def measure_big(server: Served) -> list[str]:
    """Measure the simulator that holds many instances."""
    connection = http.client.HTTPConnection(server.address)
    lines = [
        shown(f"start with {INSTANCES:,} instances", f"{server.seconds_to_ready:.2f} s", "under 5 s"),
        shown("memory after the start", f"{server.resident_mib():.0f} MiB", "under 1024 MiB"),
    ]
    for page in (1, INSTANCES // PAGE // 2, INSTANCES // PAGE):
        median, worst = page_milliseconds(connection, page)
        figure = f"{median:.1f} / {worst:.1f} ms"
        lines.append(shown(f"page {page} of DescribeInstances, median / worst", figure, "under 20 ms"))
    event = {"product": "ECS", "name": "Instance:StateChange", "content": {"state": "Stopped"}}

    def publish(number: int) -> object:
        body = {**event, "instance_id": f"i-bp1bench-{number % INSTANCES + 1:06d}"}
        return asked(connection, "POST", "/_sim/events", json.dumps(body).encode())

    per_cpu, per_wall = rate(server, EVENTS, publish)
    lines.append(shown("events published a second of CPU (of wall clock)", f"{per_cpu:.0f} ({per_wall:.0f})", "1,000"))
    lines.append(shown("memory at the end", f"{server.resident_mib():.0f} MiB", "under 1024 MiB"))
    return lines


def measure_calls(small: Served, bare: Served) -> list[str]:
    """Measure signed calls against a bare server."""
    ours, theirs = http.client.HTTPConnection(small.address), http.client.HTTPConnection(bare.address)
    bare_cpu, _ = rate(bare, CALLS, lambda _: asked(theirs, "GET", signed_target("DescribeInstances")))
    per_cpu, per_wall = rate(small, CALLS, lambda _: asked(ours, "GET", signed_target("DescribeInstances")))
    return [
        shown("signed RPC calls a second of CPU (of wall clock)", f"{per_cpu:.0f} ({per_wall:.0f})", "500"),
        shown("share of a bare aiohttp server in the same run", f"{per_cpu / bare_cpu:.2f}", "- (baseline 1.00)"),
    ]


if __name__ == "__main__":
    sys.exit(main())
