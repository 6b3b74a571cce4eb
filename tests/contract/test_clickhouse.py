"""The adapter for ClickHouse against its own engine, where that is installed (chdb, half a gigabyte): `make soak`.

The engine runs inside a process; behind a small HTTP server it carries out what the adapter sends. What stays untried
is the server's own HTTP layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cloudheal.logs.counting import cell_of, value_of
from cloudheal.record.database import Database
from cloudheal.testing.clock import START, VirtualClock
from tests.conftest import ROOT
from tests.contract.log_receivers import Post, Receiver, receiving
from tests.contract.test_log_outlets import counted, outlet, settings
from tests.contract.test_log_outlets import database as database  # noqa: PLC0414 - a fixture

chdb_session = pytest.importorskip("chdb.session", reason="chdb is not installed")
pytestmark = pytest.mark.soak


class Engine:
    """ClickHouse's engine, asked as its HTTP interface would be."""

    def __init__(self, folder: Path) -> None:
        self._session = chdb_session.Session(str(folder))
        self._session.query("CREATE DATABASE IF NOT EXISTS db ENGINE = Atomic")
        self._session.query("USE db")

    def answer(self, post: Post) -> tuple[int, bytes]:
        """Carry a statement out."""
        query = parse_qs(urlsplit(post.path).query).get("query", [""])[0]
        whole = f"{query}\n{post.body.decode()}" if query else post.body.decode()
        try:
            return 200, self.ask(whole).encode()
        except RuntimeError as problem:
            return 400, str(problem).encode()

    def ask(self, query: str) -> str:
        """Return what a statement comes to, as lines with tabs."""
        return str(self._session.query(query, "TabSeparated"))

    def close(self) -> None:
        """Let go of the folder."""
        self._session.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with nothing in it."""
    one = Engine(tmp_path / "clickhouse")
    yield one
    one.close()


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the adapter shows."""
    monkeypatch.setenv("LOGIN", "writer:of-some-length")


def test_rows_and_cells_add_up_in_the_engine_itself(database: Database, engine: Engine) -> None:
    """Sent twice they count once, keys are as they were, and the page's query gives the percentile of all hosts."""
    clock, odd = VirtualClock(), "/a'\"\\{id}"
    with receiving(Receiver(engine.answer)) as receiver:
        one = outlet(settings(receiver, "clickhouse", secret_env="LOGIN", auth="basic"), database, clock)
        one.serve()
        counted(database, clock, "per_url", 99, (odd,), "web-1", 20)
        counted(database, clock, "per_url", 3, (odd,), "web-2", 900)
        assert one.serve() == 2
        with database.transaction() as connection:
            connection.exec_driver_sql("UPDATE log_sent SET position = 0 WHERE part LIKE 'web-%'")
        assert one.serve() == 2
    assert engine.ask("SELECT sum(count) FROM cloudheal_log FINAL WHERE field = ''").strip() == "102"
    assert engine.ask("SELECT count() FROM cloudheal_log FINAL WHERE key = ['/a\\'\"\\\\{id}']").strip() == "4"
    for language in ("en", "zh"):
        page = (ROOT / "docs" / language / "howto" / "log-outlets.md").read_text(encoding="utf-8")
        query = re.search(r"```sql\n(.*?)```", page, re.DOTALL)
        assert query is not None
        asked = query[1].replace("now()", f"toDateTime({START.timestamp():.0f} + 60)")
        assert engine.ask(asked).rstrip("\n").split("\t")[-1] == str(value_of(cell_of(900)))
