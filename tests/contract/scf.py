"""What SCF does with a package: it unpacks it, starts its bootstrap, and hands calls over by the runtime's HTTP API."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: What the settings name; the platform would keep names that begin with TENCENTCLOUD_ to itself.
KEYS = {"CLOUDHEAL_SECRET_ID": "AKIDtest", "CLOUDHEAL_SECRET_KEY": "testsecret"}
SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended: which path was asked with which document."""

    path: str
    document: Any


@dataclass
class Platform:
    """The runtime API of one instance: one call at a time, the same one until it is answered."""

    ready: threading.Event = field(default_factory=threading.Event)
    calls: queue.Queue[tuple[bytes, Mapping[str, str]] | None] = field(default_factory=queue.Queue)
    answers: queue.Queue[Answer] = field(default_factory=queue.Queue)

    def call(self, event: object, seconds: int = 60, **headers: str) -> Answer:
        """Hand a call over and return how it ended; a header that is empty is left out."""
        raw = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        told = {"request_id": "r-1", "memory_limit_in_mb": "512", "time_limit_in_ms": str(seconds * 1000), **headers}
        self.calls.put((raw, {name: value for name, value in told.items() if value}))
        return self.answers.get(timeout=SECONDS)


@contextmanager
def serving() -> Iterator[tuple[Platform, int]]:
    """Serve a runtime API; yields it and its port."""
    platform = Platform()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            call = platform.calls.get() if self.path == "/runtime/invocation/next" else None
            if call is None:
                self._answer(404)
            else:
                self._answer(200, *call)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.path == "/runtime/init/ready" and body:
                platform.ready.set()
            elif self.path in {"/runtime/invocation/response", "/runtime/invocation/error"}:
                platform.answers.put(Answer(self.path, json.loads(body)))
            else:
                self._answer(400)
                return
            self._answer(200)

        def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked has been ended
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield platform, server.server_port
    finally:
        platform.calls.put(None)
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def _surroundings() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    described = {"CLOUDHEAL_CONFIG": "cloudheal.yaml", "CLOUDHEAL_PYTHON": sys.executable}
    return {**kept, **KEYS, **described}


def unpacked(package: Path, code: Path) -> Path:
    """Unpack a package with the modes that its files have."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            Path(archive.extract(entry, code)).chmod(entry.external_attr >> 16 & 0o777)
    return code


@contextmanager
def instance(code: Path, **environment: str) -> Iterator[Platform]:
    """Run the bootstrap of unpacked code as a process of its own; yields its platform when it is ready."""
    with serving() as (platform, port):
        process = subprocess.Popen(
            [code / "bootstrap"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=code.parent,
            env={
                **_surroundings(),
                "SCF_RUNTIME_API": "127.0.0.1",
                "SCF_RUNTIME_API_PORT": str(port),
                **environment,
            },
        )
        try:
            assert platform.ready.wait(SECONDS), "the function was not ready in time"
            yield platform
            assert process.poll() is None, "the function ended by itself"
        finally:
            process.kill()
            _, told = process.communicate(timeout=20)
            assert KEYS["CLOUDHEAL_SECRET_KEY"] not in told
