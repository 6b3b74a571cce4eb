"""Receivers of log series that others wrote, as this machine has them: started, killed and asked over TCP.

Debian has `prometheus`, `victoria-metrics` and `clickhouse-server`; the collector is `rotel` from PyPI. Where one is
missing its tests are skipped and say so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.flow.operators import until

#: "of-some-length", as web servers keep passwords.
HASHED = "$2b$04$.kk/HvuYgIe8GimRPRQij.o8dZLeMIyD7pJ6SbzmM0QOvfmy2o83S"


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test with a sentence."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not on this machine: apt-get install {package}")
    return found


@dataclass
class Server:
    """A receiver in a process of its own, in a folder that outlives it."""

    folder: Path
    port: int
    command: Sequence[str]
    ready: str
    """The path that answers 200 when it can be used."""
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Server:
        """Start it, or start it again."""
        with (self.folder / "server.log").open("ab") as log:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        until(lambda: self._answers() or self.process is None or self.process.poll() is not None, 60, self.command[0])
        assert self._answers(), (self.folder / "server.log").read_text(errors="replace")[-2000:]
        return self

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it, without a word unless told otherwise."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def stop(self) -> int:
        """End it, if it still runs."""
        return self.kill() if self.process and self.process.poll() is None else 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{self.ready}", timeout=10):
                return True
        except urllib.error.HTTPError as problem:
            with problem:
                return problem.code == 401
        except OSError:
            return False

    def values(self, query: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Ask what speaks PromQL; returns labels and value of each series."""
        asked = urlencode({"query": query, "time": at or time.time()})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=30) as answer:
            found: Any = json.load(answer)
        return [(dict(one["metric"]), float(one["value"][1])) for one in found["data"]["result"]]


def prometheus(folder: Path, scraped: int = 0, *, login: bool = False) -> Server:
    """Return Prometheus, which scrapes a port, and takes remote-write."""
    binary, port = program("prometheus", "prometheus"), free_port()
    jobs = [
        {
            "job_name": "logs",
            "scrape_interval": "200ms",
            "scrape_timeout": "200ms",
            "metrics_path": "/metrics/logs",
            "authorization": {"credentials": "a-token-of-some-length"},
            "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}],
        }
    ]
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs if scraped else []}))
    (folder / "web.yml").write_text(json.dumps({"basic_auth_users": {"writer": HASHED}} if login else {}))
    options = [
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--web.config.file=web.yml",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=50y",
    ]
    return Server(folder, port, [binary, "--config.file=prometheus.yml", *options], "/-/ready")


def victoria_metrics(folder: Path) -> Server:
    """Return VictoriaMetrics, which takes remote-write too."""
    binary, port = program("victoria-metrics", "victoria-metrics"), free_port()
    options = [
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        "-dedup.minScrapeInterval=1ms",
    ]
    return Server(folder, port, [binary, *options], "/health")


def collector(folder: Path, onward: str) -> Server:
    """Return a collector that takes OTLP and sends it onward in the binary form."""
    package = importlib.util.find_spec("rotel")
    beside = Path(package.origin).parent / "rotel-agent" if package and package.origin else Path()
    binary = shutil.which("rotel-agent") or (str(beside) if beside.is_file() else "")
    if not binary:
        pytest.skip("no collector is on this machine: pip install rotel")
    port, other = free_port(), free_port()
    options = {
        "otlp-http-endpoint": f"127.0.0.1:{port}",
        "otlp-grpc-endpoint": f"127.0.0.1:{other}",
        "otlp-exporter-endpoint": onward,
        "otlp-exporter-protocol": "http",
        "batch-timeout": "100ms",
        "log-file": str(folder / "rotel.log"),
        "pid-file": str(folder / "rotel.pid"),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return _Collector(folder, port, [binary, "start", "--exporter", "otlp", *words], "/")


class _Collector(Server):
    """A collector has no page that says whether it can be used; it listens or it does not."""

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


_CLICKHOUSE = """<yandex><logger><level>warning</level><console>1</console></logger>
<http_port>{port}</http_port><listen_host>127.0.0.1</listen_host>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><user_files_path>{folder}/files/</user_files_path>
<format_schema_path>{folder}/format/</format_schema_path><users_config>users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>5368709</mark_cache_size></yandex>"""
_USERS = """<yandex><profiles><default><input_format_skip_unknown_fields>1</input_format_skip_unknown_fields>
<allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type></default></profiles><quotas><default></default></quotas><users><writer><password>of-some-length</password>
<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></writer></users></yandex>"""


def clickhouse(folder: Path) -> Server:
    """Return a server of ClickHouse with one login, writer:of-some-length."""
    binary, port = program("clickhouse-server", "clickhouse-server"), free_port()
    for name in ("data", "tmp", "files", "format"):
        (folder / name).mkdir()
    (folder / "config.xml").write_text(_CLICKHOUSE.format(port=port, folder=folder))
    (folder / "users.xml").write_text(_USERS)
    return Server(folder, port, [binary, f"--config-file={folder / 'config.xml'}"], "/ping")


def killed(server: Server, meanwhile: Callable[[], object], how: signal.Signals = signal.SIGKILL) -> Server:
    """Kill a server, do something, and start it again."""
    server.kill(how)
    meanwhile()
    return server.start()
