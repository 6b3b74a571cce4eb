"""The command line of the simulator: options in, one ready line out, then serve until told to stop.

The ready line goes to standard output when the port answers; everything else goes to standard error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml

from cloudheal_sim.control import Control
from cloudheal_sim.kernel.clock import ClockError, Mode, to_millis
from cloudheal_sim.kernel.keys import DEFAULT_KEYS, AccessKey, parse_key
from cloudheal_sim.kernel.world import WorldError
from cloudheal_sim.page.app import Page
from cloudheal_sim.server import Server
from cloudheal_sim.simulator import Options, Simulator


def main() -> None:
    """Run the command line, under the name that it was called by."""
    app = typer.Typer(add_completion=False)
    app.command()(serve)
    app(prog_name=os.environ.pop("CLOUDHEAL_SIM_CALLED", None))


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8800,
    world: Annotated[Path | None, typer.Option(help="World document to start with (JSON or YAML).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that happens by chance.")] = 0,
    account: Annotated[
        list[str] | None, typer.Option(help="ID:SECRET that may sign; repeatable. Replaces the default test keys.")
    ] = None,
    clock: Annotated[Mode, typer.Option(help="How virtual time moves.")] = Mode.REAL,
    scale: Annotated[float, typer.Option(min=0.001, help="Speed of a scaled clock.")] = 1.0,
    now: Annotated[datetime | None, typer.Option(help="Virtual time to start at (UTC); default the present.")] = None,
    skew_check: Annotated[bool, typer.Option(help="Refuse timestamps far from virtual time.")] = True,
    webhook_host: Annotated[
        list[str] | None, typer.Option(help="Host besides loopback that pushes may call; repeatable.")
    ] = None,
) -> None:
    """Start the simulated clouds: one process, one port, every service.

    Without --account the keys testid:testsecret (Alibaba Cloud) and AKIDtest:testsecret (Tencent Cloud) may sign.
    """
    options = Options(
        seed=seed,
        mode=clock,
        scale=scale,
        now=None if now is None else to_millis(now),
        skew_check=skew_check,
        keys=_keys(account or []),
        world=_document(world),
        webhook_hosts=frozenset(webhook_host or ()),
    )
    try:
        simulator = Simulator(options)
    except WorldError as problem:
        _fail(f"--world {world}: {problem}")
    except ClockError as problem:
        _fail(str(problem))
    asyncio.run(_run(simulator, host, port))


def _keys(accounts: list[str]) -> tuple[AccessKey, ...]:
    try:
        return tuple(parse_key(text) for text in accounts) or DEFAULT_KEYS
    except ValueError as problem:
        _fail(str(problem))


def _document(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as problem:
        _fail(f"--world {path}: cannot be read: {problem.strerror}")
    except UnicodeDecodeError as problem:
        _fail(f"--world {path}: expected text in UTF-8 ({problem.reason} at byte {problem.start})")
    except (ValueError, yaml.YAMLError) as problem:
        form = "JSON" if path.suffix == ".json" else "YAML"
        said = str(problem).replace('in "<unicode string>"', f'in "{path}"')
        _fail(f"--world {path}: expected {form}: {said}")
    if not isinstance(document, dict):
        _fail(f"--world {path}: expected one object, such as {{alibaba: {{instances: [{{id: i-web1}}]}}}}")
    return document


def _fail(message: str) -> NoReturn:
    print(f"cloudheal sim: {message}", file=sys.stderr)
    raise typer.Exit(2)


async def _run(simulator: Simulator, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    server = Server(simulator, Control(simulator).handle, Page(simulator).handle)
    try:
        async with server.listening(host, port) as actual:
            shown = f"[{host}]" if ":" in host else host
            print(f"cloudheal_sim ready on http://{shown}:{actual}", flush=True)
            await stop.wait()
    except OSError as problem:
        _fail(f"cannot listen on {host}:{port}: {_reason(problem)}")


def _reason(problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return "something listens there already; end it, or choose another --port (0 takes a free one)"
    if problem.errno == errno.EACCES:
        return "this user may not; choose a --port above 1023"
    return f"{problem.strerror or problem}; choose a --host that is an address of this machine"
