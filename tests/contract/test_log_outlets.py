"""Outlets of log series: what is new is sent once, whatever dies or is away, over real TCP."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cramjam
import pytest

from cloudheal.app.chores import Chores, RestingError
from cloudheal.app.following import following_of
from cloudheal.app.log_outlets import GRACE_SECONDS, Outlet, outlets_of
from cloudheal.app.outage import Outage
from cloudheal.errors import CloudhealError, SettingsError
from cloudheal.logs.counting import Fed, Minute, Row, Values, cell_of
from cloudheal.logs.declared import definitions_of
from cloudheal.metrics.counters import Counters
from cloudheal.ports.clock import Clock
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_following import Progress, advance, standing
from cloudheal.record.schema import migrate
from cloudheal.settings.schema import Settings
from cloudheal.testing.clock import VirtualClock
from tests.contract.log_receivers import ClickHouse, Post, Receiver, receiving
from tests.unit.remote_write_reader import series_in

LOG = {
    "name": "shop",
    "files": ["/nowhere/*.log"],
    "format": "timed",
    "metrics": [
        {"name": "requests", "measures": ["count() as n"]},
        {"name": "per_url", "by": ["url"], "measures": ["countps() as qps", "p99(request_time) as p99"], "minutes": 5},
    ],
}
LATE = timedelta(seconds=60 + GRACE_SECONDS)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> VirtualClock:
    """Time stands until the test moves it."""
    return VirtualClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(f"sqlite:///{tmp_path / 'logs.db'}")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, a login."""
    monkeypatch.setenv("TOKEN", "a-token-of-some-length")
    monkeypatch.setenv("LOGIN", "writer:of-some-length")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who takes everything."""
    with receiving(Receiver()) as one:
        yield one


def settings(receiver: Receiver, to: str, path: str = "", **more: Any) -> Settings:
    """Return settings with one outlet."""
    outlet = {"name": "out", "to": to, "url": f"{receiver.url}{path}", **more}
    return Settings.model_validate({"logs": [LOG], "outlets": [outlet]})


def outlet(settings_: Settings, database: Database, clock: VirtualClock, counters: Counters | None = None) -> Outlet:
    """Return the one outlet, as a process that has just begun has it."""
    (one,) = outlets_of(settings_, database, "worker", clock, counters or Counters())
    return one


def counted(
    database: Database,
    clock: Clock,
    metric: str = "requests",
    lines: int = 60,
    key: Sequence[str] = (),
    host: str = "web-1",
    millis: int = 250,
) -> int:
    """Store a minute that has just begun, as whoever follows the log does; returns its beginning."""
    start = int(clock.now().timestamp()) // 60 * 60
    values = {"request_time": Values(lines, lines * millis, millis, millis, {cell_of(millis): lines})}
    minute = Minute(metric, start, (Row(tuple(key), lines, values if metric == "per_url" else {}),))
    with database.transaction() as connection:
        before = standing(connection, "shop", host)
        advance(connection, "shop", host, before, Progress((minute,), b"", Fed(), ()), clock.now())
    return start


def written(posts: Sequence[Post]) -> dict[str, list[tuple[dict[str, str], dict[int, float]]]]:
    """Return the series that remote-write requests carried, by name."""
    found: dict[str, list[tuple[dict[str, str], dict[int, float]]]] = {}
    for post in posts:
        for labels, values in series_in(bytes(cramjam.snappy.decompress_raw(post.body))):
            assert labels.pop("instance") == socket.gethostname()
            found.setdefault(labels.pop("__name__"), []).append((labels, values))
    return found


def test_a_window_is_sent_once_it_changes_no_more(database: Database, clock: VirtualClock, receiver: Receiver) -> None:
    """Not before late lines are given up, then once, at its end; what was there before the outlet is not sent."""
    one = outlet(settings(receiver, "prometheus", secret_env="TOKEN"), database, clock)
    counted(database, clock, lines=1)
    clock.advance(LATE + MINUTE)
    assert one.serve() == 0
    start = counted(database, clock, lines=7)
    whole = datetime.fromtimestamp(start + 60, UTC) + LATE
    clock.advance(whole - clock.now() - timedelta(seconds=1))
    assert one.serve() == 0
    clock.advance(timedelta(seconds=1))
    assert one.serve() == 1
    assert outlet(settings(receiver, "prometheus", secret_env="TOKEN"), database, clock).serve() == 0
    assert written(receiver.posts) == {
        "cloudheal_log_n": [({"log": "shop", "metric": "requests"}, {(start + 60) * 1000: 7.0})]
    }
    assert receiver.posts[0].headers["Authorization"] == "Bearer a-token-of-some-length"
    assert receiver.posts[0].headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def test_a_receiver_that_was_away_gets_everything_later(
    database: Database, clock: VirtualClock, receiver: Receiver
) -> None:
    """Nothing is skipped, and it is not asked again at once."""
    ticks = [0.0]
    one = outlet(settings(receiver, "prometheus"), database, clock)
    one.monotonic = lambda: ticks[0]
    one.serve()
    for number in range(3):
        counted(database, clock, lines=number + 1)
        clock.advance(MINUTE)
    clock.advance(LATE)
    receiver.answer = lambda _post: (503, b"wait\x1b[31m")
    for pause in (4.0, 8.0):
        with pytest.raises(CloudhealError, match="503") as told:
            one.tick()
        assert "\x1b" not in str(told.value)
        ticks[0] += pause - 0.1
        with pytest.raises(RestingError):
            one.tick()
        ticks[0] += 0.1
    receiver.posts.clear()
    receiver.answer = lambda _post: (204, b"")
    assert one.tick() == 3
    assert sorted(value for _, values in written(receiver.posts)["cloudheal_log_n"] for value in values.values()) == [
        1,
        2,
        3,
    ]


def test_a_receiver_that_is_away_is_told_once_and_is_ill_health_until_it_is_back(
    database: Database, clock: VirtualClock, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """A pause between two attempts is no sign that it works; the reason names place, answer and what to look at."""
    ticks, chores = [0.0], Chores(threading.Event(), Outage(), Counters())
    one = outlet(settings(receiver, "prometheus", "/secret-path"), database, clock)
    one.monotonic = lambda: ticks[0]
    counted(database, clock)
    clock.advance(MINUTE + LATE)
    receiver.answer = lambda _post: (404, b"remote write receiver needs to be enabled")
    one.serve()
    counted(database, clock)
    clock.advance(MINUTE + LATE)
    while not chores.ill():
        chores.attempt("outlet out", one.tick)
        ticks[0] += 1.0
    assert ticks[0] == 13.0  # it was asked after 0, 4 and 12 seconds
    told = [record.getMessage() for record in caplog.records if record.message.startswith("outlet.failed ")]
    assert len(told) == 1
    assert f"{receiver.url.removeprefix('http://')} answered 404: remote write receiver needs" in told[0]
    assert "is url right" in told[0]
    assert "secret-path" not in caplog.text
    receiver.answer = lambda _post: (204, b"")
    ticks[0] += 20.0
    assert chores.attempt("outlet out", one.tick)
    assert chores.ill() == []
    assert "outlet.works_again outlet=out" in caplog.text


def test_of_a_body_that_is_refused_the_moments_are_sent_apart(
    database: Database, clock: VirtualClock, receiver: Receiver
) -> None:
    """A receiver that takes a body as a whole or not at all gets what it wants of it, and each moment is tried once."""
    counters = Counters()
    one = outlet(settings(receiver, "prometheus"), database, clock, counters)
    one.serve()
    ends = []
    for number in range(8):
        ends.append((counted(database, clock, lines=number + 1) + 60) * 1000)
        clock.advance(MINUTE)
    clock.advance(LATE)

    def answer(post: Post) -> tuple[int, bytes]:
        moments = {at for _, values in written([post])["cloudheal_log_n"] for at in values}
        return (400, b"out of bounds") if ends[2] in moments else (204, b"")

    receiver.answer = answer
    assert one.serve() == 7
    assert 'cloudheal_outlet_refused_total{outlet="out"} 1' in counters.exposition()
    assert len(receiver.posts) == 7
    receiver.answer = lambda _post: (204, b"")
    assert one.serve() == 0


@pytest.mark.parametrize(("status", "left_out"), [(400, True), (422, True), (401, False), (404, False), (302, False)])
def test_only_what_is_wrong_with_the_samples_is_left_out(
    database: Database,
    clock: VirtualClock,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    status: int,
    left_out: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """A refused body holds nothing up and is counted; a wrong login, a wrong address, a redirect keep everything."""
    counters = Counters()
    one = outlet(settings(receiver, "prometheus"), database, clock, counters)
    one.serve()
    counted(database, clock)
    clock.advance(MINUTE + LATE)
    receiver.answer = lambda _post: (status, b"no")
    if left_out:
        caplog.set_level(logging.WARNING)
        assert one.serve() == 0
        assert "outlet.refused" in caplog.text
        assert 'cloudheal_outlet_refused_total{outlet="out"} 1' in counters.exposition()
    else:
        with pytest.raises(CloudhealError):
            one.serve()
    receiver.answer = lambda _post: (204, b"")
    assert one.serve() == (0 if left_out else 1)


def test_otlp_counts_what_a_collector_refused(database: Database, clock: VirtualClock, receiver: Receiver) -> None:
    """A collector may take a part and say so with 200."""
    counters = Counters()
    one = outlet(settings(receiver, "otlp", "/v1/metrics"), database, clock, counters)
    one.serve()
    counted(database, clock)
    clock.advance(MINUTE + LATE)
    receiver.answer = lambda _post: (200, b'{"partialSuccess": {"rejectedDataPoints": "1"}}')
    assert one.serve() == 0
    document = json.loads(receiver.posts[0].body)
    assert document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"] == "cloudheal_log_n"
    assert 'cloudheal_outlet_refused_total{outlet="out"} 1' in counters.exposition()


def test_clickhouse_gets_minutes_and_late_additions_once(
    database: Database, clock: VirtualClock, receiver: Receiver
) -> None:
    """As soon as they are stored, in a table that is made; what is sent again takes the place of what it was."""
    house = ClickHouse()
    receiver.answer = house.answer
    chosen = settings(receiver, "clickhouse", secret_env="LOGIN", auth="basic")
    one = outlet(chosen, database, clock)
    one.serve()
    counted(database, clock, "per_url", 10, ("/pay",))
    counted(database, clock, "per_url", 3, ("/pay",))
    assert one.serve() == 2
    assert receiver.posts[0].headers["Authorization"].startswith("Basic ")
    before = dict(house.rows)
    assert sum(row["count"] for row in before.values() if row["field"] == "") == 13
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE log_sent SET position = 0 WHERE part = 'web-1'")
    assert outlet(chosen, database, clock).serve() == 2
    assert house.rows == before
    assert house.inserts == 2


@pytest.mark.parametrize("to", ["prometheus", "otlp", "clickhouse", "cloudheal"])
def test_no_raw_line_leaves_its_machine(
    database: Database, clock: VirtualClock, receiver: Receiver, tmp_path: Path, to: str
) -> None:
    """What is followed and sent, whoever it is sent to: groups and counts, and nothing else that a line held."""
    moment = f"{clock.now():%d/%b/%Y:%H:%M:%S +0000}"
    line = (
        f'203.0.113.77 - mallory [{moment}] "GET /pay HTTP/1.1" 0.250 129 200 168 "http://from.example" "Unheard/7"\n'
    )
    (tmp_path / "access.log").write_text(line * 3, encoding="utf-8")
    more = {"source": "agents", "secret_env": "TOKEN"} if to == "cloudheal" else {}
    chosen = Settings.model_validate(
        {
            "logs": [{**LOG, "files": [str(tmp_path / "access.log")]}],
            "outlets": [{"name": "out", "to": to, "url": receiver.url, **more}],
            "follow": {"host": "web-1"},
        }
    )
    one = outlet(chosen, database, clock)
    one.serve()
    following = following_of(chosen, database, definitions_of(chosen), clock, Counters())
    following.catch_up(lambda: False)
    clock.advance(timedelta(minutes=10))
    following.catch_up(lambda: False)
    following.end()
    assert one.serve() >= 2
    bodies = b"".join(
        bytes(cramjam.snappy.decompress_raw(post.body)) if to == "prometheus" else post.body for post in receiver.posts
    )
    assert b"/pay" in bodies
    assert not [word for word in (b"203.0.113.77", b"mallory", b"from.example", b"Unheard", b"GET") if word in bodies]


def test_one_process_serves_an_outlet(database: Database, clock: VirtualClock, receiver: Receiver) -> None:
    """Another one finds it served and sends nothing."""
    chosen = settings(receiver, "prometheus")
    first = outlet(chosen, database, clock)
    first.serve()
    (second,) = outlets_of(chosen, database, "another", clock, Counters())
    counted(database, clock)
    clock.advance(MINUTE + LATE)
    with pytest.raises(CloudhealError, match="Another process"):
        second.serve()
    assert second.tick() == 0
    assert first.serve() == 1


def test_secrets_are_named_and_never_shown(
    receiver: Receiver, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing variable is told by its name; an address with a login in it is refused."""
    monkeypatch.delenv("TOKEN")
    with pytest.raises(SettingsError, match="TOKEN"):
        outlet(settings(receiver, "otlp", secret_env="TOKEN"), database, clock)
    with pytest.raises(ValueError, match="secret_env"):
        Settings.model_validate({"logs": [LOG], "outlets": [{"name": "x", "to": "otlp", "url": "http://a:b@c/"}]})
    with pytest.raises(ValueError, match="signed"):
        settings(receiver, "cloudheal")
    with pytest.raises(ValueError, match="did you mean shop"):
        settings(receiver, "otlp", logs=["shopp"])
