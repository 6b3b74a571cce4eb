"""What the worker's listener shows of logs, and takes in from agents: asked over HTTP as others would."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app.log_outlets import GRACE_SECONDS, Outlet, outlets_of
from cloudheal.app.log_pages import LogPages
from cloudheal.errors import CloudhealError, SettingsError
from cloudheal.logs.counting import Fed, Minute, Row, Values, added, cell_of, value_of
from cloudheal.logs.declared import definitions_of
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.shipment import Shipment, packed, shipped
from cloudheal.pipeline.log_readings import StoredReadings
from cloudheal.ports.clock import Clock
from cloudheal.record.database import open_database
from cloudheal.record.log_following import Progress, advance, standing
from cloudheal.record.log_series import Stored, windows_of
from cloudheal.record.nonces import is_spent, spend_nonce
from cloudheal.record.schema import migrate
from cloudheal.settings.listen import ListenSettings
from cloudheal.settings.schema import Settings
from cloudheal.sources.readers import readers_of
from cloudheal.sources.webhook import Desk, Listener, LogDesk, sources_of
from cloudheal.testing.clock import START, VirtualClock
from tests.contract.log_receivers import ClickHouse, Post, Receiver, receiving
from tests.unit.prometheus_text import lines_of

LOG = {
    "name": "shop",
    "files": ["/nowhere/*.log"],
    "format": "timed",
    "metrics": [
        {"name": "requests", "measures": ["count() as n"]},
        {"name": "per_url", "by": ["url"], "measures": ["count() as n", "p99(request_time) as p99"]},
    ],
}
SECRET, TOKEN = "0123456789abcdef0123456789abcdef", "a-token-of-some-length"
LISTEN = {
    "port": 0,
    "token_env": "TOKEN",
    "sources": [
        {"name": "agents", "proof": "signed", "secret_env": "SHIP", "hosts": ["*"]},
        {"name": "hook", "proof": "path", "secret_env": "SHIP"},
    ],
}
#: As a client may write it to look like something else; what counts it makes it printable, and no more.
FORGED = '/x"} 1 cloudheal_log_n{log="shop",metric="requests"} 99 \\'


class Place:
    """A cloudheal: a database, and a listener in front of it."""

    def __init__(self, file: Path | str, clock: Clock | None = None, **more: Any) -> None:
        self.time = VirtualClock()
        self.clock: Clock = clock or self.time
        self.settings = Settings.model_validate({"logs": [LOG], "listen": LISTEN, **more})
        self.database = open_database(file if isinstance(file, str) else f"sqlite:///{file}")
        migrate(self.database)
        self.counters = Counters()
        self.pages = LogPages(self.database, definitions_of(self.settings), self.clock, self.counters)
        self.ship = self.pages.ship
        desk = Desk(
            read=lambda *_: (_ for _ in ()).throw(NotImplementedError),
            take=lambda *_: None,
            parts=lambda body: [body],
            answer=lambda _: {},
            is_spent=self._is_spent,
            spend=self._spend,
            now=self.clock.now,
            health=lambda: {"ok": True, "problems": []},
            metrics=str,
            logs=LogDesk(lambda *sent: self.ship(*sent), self.pages.metrics, self.pages.page),  # noqa: PLW0108 - changes
        )
        listen, held = self.settings.listen or ListenSettings(), {"SHIP": SECRET, "OTHER": SECRET[::-1], "TOKEN": TOKEN}
        sources, readers = sources_of(listen.sources, held), readers_of(listen, held)
        self.listener = Listener("127.0.0.1", 0, sources, readers, desk, self.counters)

    def _is_spent(self, source: str, nonce: str) -> bool:
        with self.database.snapshot() as connection:
            return is_spent(connection, source, nonce, self.clock.now())

    def _spend(self, source: str, nonce: str, until: datetime) -> bool:
        with self.database.transaction() as connection:
            return spend_nonce(connection, source, nonce, until, self.clock.now())

    def get(self, path: str, method: str = "GET", body: bytes = b"", token: str = TOKEN) -> tuple[int, str]:
        """Ask the listener, with the token of its readers unless told otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.port, timeout=10)
        try:
            connection.request(method, path, body or None, {"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def count(self, minute: Minute, host: str = "here", closed: int = 0) -> None:
        """Store a minute as whoever follows the log does."""
        self._advance(host, Progress((minute,), b"", Fed(), (), closed))

    def say(self, host: str, closed: int) -> None:
        """Note that nothing came up to a second, as whoever follows the log does."""
        self._advance(host, Progress((), b"", Fed(), (), closed))

    def _advance(self, host: str, progress: Progress) -> None:
        with self.database.transaction() as connection:
            before = standing(connection, "shop", host)
            advance(connection, "shop", host, before, progress, self.clock.now())

    def rows(self, metric: int = 1) -> tuple[Row, ...]:
        """Return what is stored of a metric in the minute of the beginning, all hosts together."""
        (definition,) = definitions_of(self.settings)
        at = int(START.timestamp())
        with self.database.snapshot() as connection:
            windows = windows_of(connection, definition, definition.metrics[metric], at, at + 60, 1)
        return windows[0].rows if windows else ()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Make places that listen, each with a database of its own."""
    made: list[Place] = []

    def one(name: str, **more: Any) -> Place:
        place = Place(tmp_path / f"{name}.db", **more)
        place.listener.start()
        made.append(place)
        return place

    yield one
    for place in made:
        place.listener.stop()
        place.database.close()


def minute(metric: str, *rows: tuple[tuple[str, ...], int, int]) -> Minute:
    """Return the minute of the beginning: by key, so many lines of so many milliseconds."""
    made = (Row(key, n, {"request_time": Values(n, n * ms, ms, ms, {cell_of(ms): n})}) for key, n, ms in rows)
    return Minute(metric, int(START.timestamp()), tuple(made))


def agent(place: Place, centre: str, source: str = "agents") -> Outlet:
    """Return the outlet by which a place ships to another."""
    shipping = {"name": "up", "to": "cloudheal", "url": centre, "source": source, "secret_env": "SHIP"}
    settings = Settings.model_validate({"logs": [LOG], "outlets": [shipping]})
    (one,) = outlets_of(settings, place.database, "agent", place.clock, place.counters)
    return one


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both sides hold."""
    monkeypatch.setenv("SHIP", SECRET)


def test_prometheus_reads_the_last_whole_window(make: Callable[..., Place]) -> None:
    """Each series as a gauge; words of a log are in labels only, and an old window is not shown for ever."""
    place = make("one")
    place.count(minute("requests", ((), 60, 1)))
    place.count(minute("per_url", ((FORGED,), 6, 250), (("/pay",), 4, 32)))
    place.time.advance(timedelta(seconds=60 + 60 + GRACE_SECONDS))
    status, page = place.get("/metrics/logs")
    assert status == 200
    found = {(name, labels.get("by_url", "")): value for name, labels, value in lines_of(page)}
    assert found == {
        ("cloudheal_log_n", ""): 60,
        ("cloudheal_log_n", FORGED): 6,
        ("cloudheal_log_n", "/pay"): 4,
        ("cloudheal_log_p99", FORGED): pytest.approx(0.25, rel=0.01),
        ("cloudheal_log_p99", "/pay"): 0.032,
    }
    place.time.advance(timedelta(minutes=1))
    assert lines_of(place.get("/metrics/logs")[1]) == []


def test_programs_read_windows_of_any_length(make: Callable[..., Place]) -> None:
    """What there is, and of a metric its windows with the largest series."""
    place = make("one")
    place.count(minute("per_url", (("/a",), 6, 250), (("/b",), 40, 32)))
    listed = json.loads(place.get("/api/logs")[1])
    assert [one["name"] for one in listed["logs"][0]["metrics"]] == ["requests", "per_url"]
    until = (START + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    status, text = place.get(f"/api/logs/shop/per_url?since={START.timestamp():.0f}&until={until}&minutes=5&limit=1")
    (window,) = json.loads(text)["windows"]
    assert status == 200
    assert (window["minutes"], window["of"]) == (5, 2)
    assert window["series"] == [{"key": ["/b"], "lines": 40, "figures": {"n": 40, "p99": 0.032}}]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/logs/shop/none", 404, "no such log"),
        ("/api/logs/shop", 404, "no such log"),
        ("/api/logs/shop/requests?minutes=7", 400, "minutes"),
        ("/api/logs/shop/requests?minutes=0", 400, "minutes"),
        ("/api/logs/shop/requests?limit=x", 400, "limit"),
        ("/api/logs/shop/requests?since=yesterday", 400, "since"),
        ("/api/logs/shop/requests?since=0", 400, "at most"),
        ("/api/logs/shop/requests?sinze=0", 400, "known are"),
        (f"/api/logs/shop/requests?since={START.timestamp() - 86_400:.0f}&limit=200", 400, "more than 200000"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_why(
    make: Callable[..., Place], path: str, status: int, said: str
) -> None:
    """By the name of the parameter, never with a trace."""
    answered, text = make("one").get(path)
    assert answered == status
    assert said in json.loads(text)["result"]


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_a_long_range_is_read_by_the_hour_and_is_the_same(make: Callable[..., Place], minutes: int) -> None:
    """No window is missing, cut or there twice where an hour begins, wherever the range begins and ends."""
    place = make("one")
    begin = int(START.timestamp())
    for at in (-7_260, -3_600, -60, 0, 60, 3_540, 3_600):
        place.count(replace(minute("requests", ((), 5, 1)), start=begin + at))
    for since, until in ((begin - 8_000, begin + 4_000), (begin - 3_600, begin), (begin + 30, begin + 3_599)):
        asked = {"since": str(since), "until": str(until), "minutes": str(minutes)}
        page: Any = place.pages.page(["shop", "requests"], asked)
        (definition,) = definitions_of(place.settings)
        with place.database.snapshot() as connection:
            whole = windows_of(connection, definition, definition.metrics[0], since, until, minutes)
        found = [
            (datetime.fromisoformat(one["start"]).timestamp(), one["series"][0]["lines"]) for one in page["windows"]
        ]
        assert found == [(one.start, one.rows[0].count) for one in whole]


def test_machines_are_added_up_by_cells(make: Callable[..., Place]) -> None:
    """Two agents, one centre: counts add up, and the percentile is that of all lines, not a mean of two."""
    centre, web1, web2 = make("centre"), make("web1"), make("web2")
    up = [
        agent(web1, f"http://127.0.0.1:{centre.listener.port}"),
        agent(web2, f"http://127.0.0.1:{centre.listener.port}"),
    ]
    assert [one.serve() for one in up] == [0, 0]
    web1.count(minute("per_url", (("/a",), 99, 20)), "web-1")
    web2.count(minute("per_url", (("/a",), 3, 900), (("/b",), 1, 5)), "web-2")
    assert [one.serve() for one in up] == [1, 1]
    (a, b) = centre.rows()
    assert (a.key, a.count, b.key, b.count) == (("/a",), 102, ("/b",), 1)
    assert a.values["request_time"].cells == added({cell_of(20): 99}, {cell_of(900): 3})
    assert a.values["request_time"].percentile(99) == value_of(cell_of(900))
    assert [one.serve() for one in up] == [0, 0]


def test_alarms_of_the_centre_wait_for_what_machines_have_yet_to_send(make: Callable[..., Place]) -> None:
    """By each one's own word, which comes with its minutes and without any; one that is not heard of is given up."""
    centre, web = make("centre"), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    readings = StoredReadings({"shop": centre.pages.definitions[0]}, START - timedelta(hours=1))

    def closed() -> int:
        with centre.database.snapshot() as connection:
            return readings.closed(connection, "shop", centre.clock.now())

    start = int(START.timestamp())
    centre.time.advance(timedelta(minutes=3))
    assert closed() == start + 180 - 60 - 10
    one.serve()
    web.count(minute("requests", ((), 5, 1)), "web-1", closed=start + 60)
    one.serve()
    assert closed() == start + 60
    web.say("web-1", start + 75)
    one.monotonic = lambda: float("inf")
    one.serve()
    assert closed() == start + 75
    centre.time.advance(timedelta(minutes=1))
    assert closed() == start + 75
    centre.time.advance(timedelta(minutes=2))
    assert closed() == start + 360 - 60 - 10


def test_what_comes_again_is_not_added(make: Callable[..., Place]) -> None:
    """An answer that was lost, a cursor that was: the minute has its number, and late lines have their own."""
    centre, web = make("centre"), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    one.serve()
    web.count(minute("requests", ((), 5, 1)), "web-1")
    web.count(minute("requests", ((), 2, 1)), "web-1")
    for _ in range(3):
        one.serve()
        with web.database.transaction() as connection:
            connection.exec_driver_sql("UPDATE log_sent SET position = 0 WHERE part = 'web-1'")
    assert [row.count for row in centre.rows(0)] == [7]
    assert 'cloudheal_shipped_minutes_total{log="shop",outcome="known"} 4' in centre.counters.exposition()


def test_a_centre_on_either_database_adds_and_passes_on_once(
    make: Callable[..., Place], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes again is known, and what it sends onward itself is noted, on SQLite as on PostgreSQL."""
    monkeypatch.setenv("LOGIN", "writer:of-some-length")
    centre, web, house = Place(database_url), make("web"), ClickHouse()
    centre.listener.start()
    try:
        up = agent(web, f"http://127.0.0.1:{centre.listener.port}")
        up.serve()
        with receiving(Receiver(house.answer)) as receiver:
            onward = {"name": "house", "to": "clickhouse", "url": receiver.url, "secret_env": "LOGIN", "auth": "basic"}
            settings = Settings.model_validate({"logs": [LOG], "outlets": [onward]})
            (out,) = outlets_of(settings, centre.database, "centre", centre.clock, centre.counters)
            out.serve()
            for lines in (3, 4):
                web.count(minute("requests", ((), lines, 1)), "web-1")
                up.serve()
                with web.database.transaction() as connection:
                    connection.exec_driver_sql("UPDATE log_sent SET position = 0 WHERE part = 'web-1'")
                up.serve()
                assert out.serve() == 1
            assert out.serve() == 0
        assert [row.count for row in centre.rows(0)] == [7]
        assert sorted(row["count"] for row in house.rows.values() if not row["field"]) == [3, 4]
    finally:
        centre.listener.stop()
        centre.database.close()


def test_a_machine_that_began_anew_is_counted_on(make: Callable[..., Place], tmp_path: Path) -> None:
    """Its numbers begin at one again in a new database: they are others, and are added."""
    centre = make("centre")
    for name in ("first", "second"):
        web = make(name)
        one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
        one.serve()
        web.count(minute("requests", ((), 5, 1)), "web-1")
        assert one.serve() == 1
    assert [row.count for row in centre.rows(0)] == [10]


def test_a_log_that_was_forgotten_is_numbered_anew(make: Callable[..., Place]) -> None:
    """Its next minutes have low numbers again, and are added all the same, once."""
    centre, web = make("centre"), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    one.serve()
    for _ in range(2):
        web.count(minute("requests", ((), 5, 1)), "web-1")
    one.serve()
    with web.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM log_open")
        connection.exec_driver_sql("DELETE FROM log_minute")
    web.count(minute("requests", ((), 2, 1)), "web-1")
    assert [one.serve(), one.serve()] == [1, 0]
    assert [row.count for row in centre.rows(0)] == [12]


def test_what_the_centre_does_not_know_waits_on_its_machine(make: Callable[..., Place]) -> None:
    """Refused by name, and sent when it is defined there."""
    centre, web = make("centre", logs=[{**LOG, "name": "other"}]), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    one.serve()
    web.count(minute("requests", ((), 5, 1)), "web-1")
    with pytest.raises(CloudhealError, match="no metric shop/requests"):
        one.serve()
    centre.ship = replace(centre.pages, definitions=web.pages.definitions).ship
    assert one.serve() == 1


def test_a_key_ships_for_its_own_hosts_only(make: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another host's name nothing is taken, by patterns whole names are meant, and no hosts are none."""
    agents = {"name": "agents", "proof": "signed", "secret_env": "SHIP", "hosts": ["web-1", "db-*"]}
    other = {"name": "other", "proof": "signed", "secret_env": "OTHER"}
    centre, web = make("centre", listen={"port": 0, "sources": [agents, other]}), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    one.serve()
    for host in ("web-1", "db-7"):
        web.count(minute("requests", ((), 5, 1)), host)
    assert one.serve() == 2
    for host in ("web-10", "web-2", "db", "WEB-1"):
        web.count(minute("requests", ((), 90, 1)), host)
        with pytest.raises(CloudhealError, match=f"422: .*may not ship for the host {host}: name it in hosts"):
            one.serve()
        with web.database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM log_open WHERE host NOT IN ('web-1', 'db-7')")
    assert [row.count for row in centre.rows(0)] == [10]
    monkeypatch.setenv("SHIP", SECRET[::-1])
    nobody = agent(web, f"http://127.0.0.1:{centre.listener.port}", "other")
    web.count(minute("requests", ((), 90, 1)), "web-1")
    with pytest.raises(CloudhealError, match="may not ship for the host"):
        nobody.serve()
    assert [row.count for row in centre.rows(0)] == [10]
    with pytest.raises(ValueError, match="signed"):
        Settings.model_validate({"listen": {"sources": [{**agents, "proof": "path"}]}})


def test_nothing_of_a_time_that_is_not_yet_is_taken(make: Callable[..., Place]) -> None:
    """Neither minutes of tomorrow nor the word that all was sent up to then; what clocks differ by is no matter."""
    centre = make("centre")
    begin = int(START.timestamp())
    for ahead, said in ((0, ""), (600, ""), (86_400, "is of a time that is not yet")):
        sent = shipped(Stored("shop", "web-1", 1, 1, replace(minute("requests", ((), 5, 1)), start=begin + ahead)))
        told = centre.pages.ship(packed(Shipment("web-1", f"e{ahead}", (sent,))), lambda _: True)
        closed = centre.pages.ship(packed(Shipment("web-2", "e1", (), (("shop", begin + ahead),))), lambda _: True)
        assert (said in told, said in closed, bool(told)) == (True, True, bool(said))


@pytest.mark.parametrize(
    ("listen", "own"),
    [
        ({"token_env": "TOKEN"}, False),
        ({"token_env": "TOKEN", "host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"sources": LISTEN["sources"]}, True),
    ],
)
def test_a_stranger_reads_nothing_of_a_log(
    make: Callable[..., Place],
    listen: Mapping[str, Any],
    own: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """Nor does one with a wrong token, or the token in another form; health says no more than whether all is well."""
    place = make("one", listen={"port": 0, **listen})
    place.count(minute("per_url", (("/secret-plan",), 5, 1)))
    place.time.advance(timedelta(seconds=60 + 60 + GRACE_SECONDS))
    for token in ("", "wrong-token-of-length", TOKEN[:-1]):
        for path in ("/metrics/logs", "/api/logs", "/api/logs/shop/per_url", "/api/logs/nothing", "/api/logs/shop?x=1"):
            status, text = place.get(path, token=token)
            assert (status, "shop" in text, "secret-plan" in text) == (401, False, False)
            assert "listen.token_env" in text
        assert place.get("/metrics", token=token)[0] == (200 if own else 401)
        assert (json.loads(place.get("/healthz", token=token)[1]) == {"ok": True}) is not own
    if not own:
        assert "secret-plan" in place.get("/api/logs/shop/per_url?since=1")[1] or place.get("/metrics/logs")[0] == 200
        assert json.loads(place.get("/healthz")[1])["problems"] == []


def test_on_a_machine_of_its_own_no_token_is_needed(make: Callable[..., Place]) -> None:
    """Nobody else can reach a loopback address, until something pushes from elsewhere."""
    place = make("one", listen={"port": 0})
    assert [place.get(path, token="")[0] for path in ("/metrics/logs", "/api/logs", "/metrics", "/healthz")] == [
        200
    ] * 4
    with pytest.raises(SettingsError, match="SHORT is not set in the environment or is shorter than 16"):
        readers_of(ListenSettings(token_env="SHORT"), {"SHORT": "short"})


def test_two_machines_of_one_name_do_not_mix(make: Callable[..., Place]) -> None:
    """A log that the centre follows itself under that host's name is refused with the reason."""
    centre, web = make("centre"), make("web")
    one = agent(web, f"http://127.0.0.1:{centre.listener.port}")
    one.serve()
    centre.count(minute("requests", ((), 1, 1)), "web-1")
    web.count(minute("requests", ((), 5, 1)), "web-1")
    with pytest.raises(CloudhealError, match="name the hosts apart"):
        one.serve()
    assert [row.count for row in centre.rows(0)] == [1]


def test_only_those_who_sign_may_ship(make: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """A source with a secret in its path may not, a wrong secret, an unknown source; a replay is refused."""
    centre, web = make("centre"), make("web")
    assert centre.get("/ship/hook", "POST", b"x")[0] == 403
    assert centre.get("/ship/agents", "POST", b"x")[0] == 401
    assert centre.get("/ship/nobody", "POST", b"x")[0] == 404
    with receiving(Receiver()) as tape:
        one = agent(web, tape.url)
        one.serve()
        web.count(minute("requests", ((), 5, 1)), "web-1")
        one.serve()
    (post,) = tape.posts
    assert replayed(centre, post) == [200, 409]
    assert replayed(centre, Post(post.path, post.headers, post.body + b"x")) == [401, 401]
    assert [row.count for row in centre.rows(0)] == [5]
    monkeypatch.setenv("SHIP", SECRET[::-1])
    other = make("other")
    stranger = agent(other, f"http://127.0.0.1:{centre.listener.port}")
    stranger.serve()
    other.count(minute("requests", ((), 5, 1)), "web-9")
    with pytest.raises(CloudhealError, match="401"):
        stranger.serve()


def replayed(centre: Place, post: Post) -> list[int]:
    """Send a recorded shipment twice; returns the answers."""
    signed = {name: value for name, value in post.headers.items() if name.lower().startswith("x-cloudheal")}
    found = []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", centre.listener.port, timeout=10)
        connection.request("POST", "/ship/agents", post.body, signed)
        found.append(connection.getresponse().status)
        connection.close()
    return found
