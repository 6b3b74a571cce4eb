"""Outlets and pages against receivers that others wrote, where this machine has them; skipped by name where not."""

from __future__ import annotations

import base64
import gzip
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app.log_outlets import GRACE_SECONDS, Outlet, outlets_of
from cloudheal.errors import CloudhealError
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.posting import post
from cloudheal.outlets.remote_write import HEADERS, write_request
from cloudheal.outlets.sample import Sample
from cloudheal.record.database import Database
from cloudheal.settings.schema import Settings
from cloudheal.testing.clock import VirtualClock
from tests.contract.log_receivers import Post, Receiver, receiving
from tests.contract.real_receivers import Server, clickhouse, collector, killed, program, prometheus, victoria_metrics
from tests.contract.test_log_outlets import LATE, LOG, MINUTE, counted
from tests.contract.test_log_outlets import clock as clock  # noqa: PLC0414 - a fixture
from tests.contract.test_log_outlets import database as database  # noqa: PLC0414 - a fixture
from tests.contract.test_log_pages import FORGED, Place, minute
from tests.contract.test_log_pages import make as make  # noqa: PLC0414 - a fixture
from tests.flow.operators import until

LOGIN = f"Basic {base64.b64encode(b'writer:of-some-length').decode()}"
WRITE, ODD = "/api/v1/write", "\N{REPLACEMENT CHARACTER}"
Running = Callable[[Server], Server]


@pytest.fixture
def running() -> Iterator[Running]:
    """Start servers, and end them with the test."""
    started: list[Server] = []

    def one(server: Server) -> Server:
        started.append(server)
        return server.start()

    yield one
    for server in started:
        server.stop()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both sides hold."""
    for name, value in {
        "LOGIN": "writer:of-some-length",
        "WRONG": "writer:of-another-length",
        "SHIP": "s" * 32,
    }.items():
        monkeypatch.setenv(name, value)


def outlet(database: Database, clock: VirtualClock, to: str, url: str, counters: Counters, **more: Any) -> Outlet:
    """Return an outlet, as a process that has just begun has it."""
    settings = Settings.model_validate({"logs": [LOG], "outlets": [{"name": "out", "to": to, "url": url, **more}]})
    (one,) = outlets_of(settings, database, "worker", clock, counters)
    return one


def a_minute(database: Database, clock: VirtualClock, lines: int) -> int:
    """Count lines in the minute of now, and let it pass; returns its end."""
    start = counted(database, clock, lines=lines)
    clock.advance(MINUTE)
    return start + 60


def test_prometheus_reads_the_page_and_no_line_of_a_log_becomes_a_series(
    make: Callable[..., Place], running: Running, tmp_path: Path
) -> None:
    """Every series under its own labels with its value; the official check of the format has nothing to say."""
    place = make("one")
    place.count(minute("requests", ((), 60, 1)))
    place.count(
        minute("per_url", ((FORGED,), 6, 250), (("\N{RIGHT-TO-LEFT OVERRIDE}/\n",), 4, 32), (("长" * 256,), 1, 1))
    )
    place.time.advance(timedelta(seconds=60 + 60 + GRACE_SECONDS))
    server = running(prometheus(tmp_path, place.listener.port))
    until(lambda: len(server.values("cloudheal_log_n")) == 4, 60, "four series")
    found = {labels.get("by_url", ""): value for labels, value in server.values("cloudheal_log_n")}
    assert found == {"": 60, FORGED: 6, f"{ODD}/{ODD}": 4, "长" * 256: 1}
    assert server.values("up")[0][1] == 1
    checked = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=place.pages.metrics().encode(),
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("make_server", "how"),
    [(prometheus, signal.SIGKILL), (victoria_metrics, signal.SIGTERM)],
    ids=["killed", "stopped"],
)
def test_a_receiver_of_remote_write_that_was_away_gets_every_window_once(
    database: Database,
    clock: VirtualClock,
    running: Running,
    tmp_path: Path,
    make_server: Callable[[Path], Server],
    how: signal.Signals,
) -> None:
    """What was sent is there after kill -9, what was counted meanwhile comes later, what comes again changes nothing.

    VictoriaMetrics is stopped in order: killed, it forgets what it took in the last seconds.
    """
    server, counters = running(make_server(tmp_path)), Counters()
    one = outlet(database, clock, "prometheus", f"{server.url}{WRITE}", counters)
    one.serve()
    for lines in (1, 2):
        a_minute(database, clock, lines)
    clock.advance(LATE)
    assert one.serve() == 2

    def meanwhile() -> None:
        for lines in (3, 4):
            a_minute(database, clock, lines)
        with pytest.raises(CloudhealError, match="Connection refused"):
            one.serve()

    killed(server, meanwhile, how)
    clock.advance(LATE)
    assert one.serve() == 2
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE log_sent SET position = position - 600 WHERE part = 'requests'")
    outlet(database, clock, "prometheus", f"{server.url}{WRITE}", counters).serve()
    at = clock.now().timestamp()
    query = "sum_over_time(cloudheal_log_n[1h])"
    until(lambda: [value for _, value in server.values(query, at)] == [10.0], 60, "the sum of every window")
    assert server.values("count_over_time(cloudheal_log_n[1h])", at)[0][1] == 4


def test_machines_that_send_to_one_prometheus_do_not_take_each_others_series(
    database: Database, clock: VirtualClock, running: Running, tmp_path: Path
) -> None:
    """Each is an instance of its own, by the name under which its lines are counted."""
    server, counters = running(prometheus(tmp_path)), Counters()
    for host in ("web-1", "web-2"):
        settings = {"logs": [LOG], "follow": {"host": host}}
        sending = {"name": host, "to": "prometheus", "url": f"{server.url}{WRITE}"}
        chosen = Settings.model_validate({**settings, "outlets": [sending]})
        (one,) = outlets_of(chosen, database, "worker", clock, counters)
        one.serve()
        at = a_minute(database, clock, 5)
        clock.advance(LATE)
        assert one.serve() == 1
    found = server.values("sum by (instance) (sum_over_time(cloudheal_log_n[1h]))", at)
    assert {labels["instance"]: value for labels, value in found} == {"web-1": 5.0, "web-2": 5.0}
    assert "refused_total{" not in counters.exposition()


def test_prometheus_takes_what_is_not_too_old_of_a_body_that_it_refuses(
    database: Database, clock: VirtualClock, running: Running, tmp_path: Path
) -> None:
    """It refuses whole bodies for one old sample: what is in its time arrives all the same, the rest is counted."""
    server, counters = running(prometheus(tmp_path)), Counters()
    one = outlet(database, clock, "prometheus", f"{server.url}{WRITE}", counters)
    one.serve()
    for number in range(5):
        last = a_minute(database, clock, number + 1)
    clock.advance(LATE)
    ahead = Sample("ahead", (), 1.0, last + 3600 - 90)
    post(f"{server.url}{WRITE}", write_request([ahead], "web-1"), HEADERS)
    assert one.serve() == 2
    assert 'cloudheal_outlet_refused_total{outlet="out"} 3' in counters.exposition()
    (found,) = server.values("sum_over_time(cloudheal_log_n[1h])", last)
    assert found[1] == 4 + 5


def test_a_wrong_login_at_prometheus_keeps_everything_and_says_what_to_mend(
    database: Database, clock: VirtualClock, running: Running, tmp_path: Path
) -> None:
    """Nothing is left out, and the right login sends it; the remedy names the setting and never the secret."""
    server, counters = running(prometheus(tmp_path, login=True)), Counters()
    url = f"{server.url}{WRITE}"
    wrong = outlet(database, clock, "prometheus", url, counters, secret_env="WRONG", auth="basic")
    wrong.serve()
    a_minute(database, clock, 7)
    clock.advance(LATE)
    with pytest.raises(CloudhealError, match=r"answered 401: .*secret_env") as told:
        wrong.serve()
    assert "another" not in str(told.value)
    assert outlet(database, clock, "prometheus", url, counters, secret_env="LOGIN", auth="basic").serve() == 1


def test_a_collector_takes_the_json_form_and_passes_every_point_on(
    database: Database, clock: VirtualClock, running: Running, tmp_path: Path
) -> None:
    """Killed and started again it gets what it missed; what it sends onward has our names, labels, values and times."""
    with receiving(Receiver(lambda _post: (200, b""))) as end:
        server, counters = running(collector(tmp_path, end.url)), Counters()
        one = outlet(database, clock, "otlp", f"{server.url}/v1/metrics", counters)
        one.serve()
        ends = [a_minute(database, clock, 3)]
        clock.advance(LATE)
        assert one.serve() == 1
        until(lambda: len(points(end)) == 1, 60, "a point passed on")

        def meanwhile() -> None:
            ends.append(a_minute(database, clock, 5))
            clock.advance(LATE)
            with pytest.raises(CloudhealError, match="Connection refused"):
                one.serve()

        killed(server, meanwhile)
        assert one.serve() == 1
        until(lambda: len(points(end)) == 2, 60, "the other one")
        assert points(end) == [
            ("cloudheal_log_n", {"log": "shop", "metric": "requests"}, value, at * 10**9)
            for value, at in zip((3.0, 5.0), ends, strict=True)
        ]
        assert "refused_total{" not in counters.exposition()


def points(end: Receiver) -> list[tuple[str, dict[str, str], float, int]]:
    """Read what a collector sent onward with OpenTelemetry's own library."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415 - only here
        ExportMetricsServiceRequest,
    )

    found = []
    for one in end.posts:
        for resource in ExportMetricsServiceRequest.FromString(gzip.decompress(one.body)).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in metric.gauge.data_points:
                    labels = {label.key: label.value.string_value for label in point.attributes}
                    found.append((metric.name, labels, point.as_double, point.time_unix_nano))
    return found


def test_a_server_of_clickhouse_checks_the_login_and_takes_rows_by_statement(
    database: Database, clock: VirtualClock, running: Running, tmp_path: Path
) -> None:
    """A wrong login keeps everything; rows arrive as they are, and a table that was lost is made again.

    Debian's server is of 2018 and has no maps: on the way the table loses its cells, and nothing else is changed.
    """
    server, counters = running(clickhouse(tmp_path)), Counters()

    def asked(query: str) -> str:
        return through(server, Post("/", {"Authorization": LOGIN}, query.encode()))[1].decode().strip()

    with receiving(Receiver(lambda post: through(server, without_cells(post)))) as relay:
        wrong = outlet(database, clock, "clickhouse", server.url, counters, secret_env="WRONG", auth="basic")
        right = outlet(database, clock, "clickhouse", relay.url, counters, secret_env="LOGIN", auth="basic")
        wrong.serve()
        counted(database, clock, "per_url", 10, ("/a'\"\\{id}长",))
        with pytest.raises(CloudhealError, match=r"answered 401: .*Wrong password.*secret_env"):
            wrong.serve()
        assert right.serve() == 1
        assert (
            asked("SELECT count, field, total FROM cloudheal_log ORDER BY field") == "10\t\t0\n10\trequest_time\t2500"
        )
        assert asked("SELECT any(key) = ['/a\\'\"\\\\{id}长'] FROM cloudheal_log") == "1"
        asked("DROP TABLE cloudheal_log")
        counted(database, clock, "per_url", 3, ("/b",))
        with pytest.raises(CloudhealError, match="answered 404"):
            right.serve()
        assert right.serve() == 1
        assert asked("SELECT key FROM cloudheal_log WHERE field = ''") == "['/b']"


def without_cells(post: Post) -> Post:
    """Return a statement as a server of 2018 knows it."""
    body = post.body.replace(b"    cells Map(Int32, UInt64),\n", b"").replace(b"Int128", b"Int64")
    return post if "query=" in post.path else Post(post.path, post.headers, body)


def through(server: Server, post: Post) -> tuple[int, bytes]:
    """Pass a request on; returns what is answered."""
    kept = {name: value for name, value in post.headers.items() if name in {"Authorization", "Content-Type"}}
    asked = urllib.request.Request(f"{server.url}{post.path}", post.body, kept, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.read()
