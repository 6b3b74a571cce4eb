"""Points at which a process can be killed or frozen: before and after each commit that writes, and each HTTP call.

Nothing of this is in the product: commits are seen at SQLAlchemy's dialect, calls at the standard library's HTTP
connection, which every vendor's client uses in the end. A point has a name that is the same in every run, such as
`commit event+decision+run #1 after` or `call ecs:StartInstance #1 before`.
"""

from __future__ import annotations

import http.client
import re
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from cloudheal.record.database import Database

_WRITES = re.compile(r"^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+([\w.\"]+)", re.IGNORECASE)
_ACTION = re.compile(r"[?&]Action=(\w+)")


class Points:
    """Counts the points that this process passes, writes their names down, and gets a signal at one of them."""

    def __init__(self, trace: Path, deadly: str = "", number: int = signal.SIGKILL) -> None:
        self._trace = trace.open("a", encoding="utf-8", buffering=1)
        self._deadly = deadly
        self._number = number
        self._passed: Counter[str] = Counter()
        self._guard = threading.Lock()

    def around(self, label: str, do: Callable[[], Any]) -> Any:
        """Do something that is a point on both of its sides."""
        with self._guard:
            self._passed[label] += 1
            name = f"{label} #{self._passed[label]}"
            self._trace.write(f"{time.monotonic():.4f} {name}\n")
        self._signal_at(f"{name} before")
        result = do()
        self._signal_at(f"{name} after")
        return result

    def _signal_at(self, name: str) -> None:
        # To this very thread: sent to the process, another thread may take it, and this one runs on for a while.
        if name == self._deadly:
            signal.pthread_kill(threading.get_ident(), self._number)


def watch_commits(points: Points, database: Database) -> None:
    """Make every commit that wrote something a point, named by the tables that it wrote."""
    engine, wrote = database.writing, defaultdict[int, dict[str, None]](dict)
    commit, rollback = engine.dialect.do_commit, engine.dialect.do_rollback

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection: sa.Connection, _cursor: Any, statement: str, *_rest: object) -> None:
        found = _WRITES.match(statement)
        if found:
            wrote[_key(connection.connection)][found[1].replace('"', "").rpartition(".")[2]] = None

    def do_commit(connection: Any) -> None:
        tables = wrote.pop(_key(connection), None)
        if tables:
            points.around(f"commit {'+'.join(tables)}", lambda: commit(connection))
        else:
            commit(connection)

    def do_rollback(connection: Any) -> None:
        wrote.pop(_key(connection), None)
        rollback(connection)

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign, assignment]
    engine.dialect.do_rollback = do_rollback  # type: ignore[method-assign, assignment]


def _key(connection: Any) -> int:
    return id(getattr(connection, "dbapi_connection", connection))


def watch_calls(points: Points) -> None:
    """Make every call a point: `before` stands before its first byte, `after` behind the head of its answer."""
    connection = http.client.HTTPConnection
    putrequest, putheader = connection.putrequest, connection.putheader
    endheaders, getresponse = connection.endheaders, connection.getresponse
    asked: dict[int, list[str]] = {}

    def begin(self: Any, method: str, url: str, *rest: Any, **more: Any) -> None:
        action = _ACTION.search(url)
        asked[id(self)] = [action[1] if action else f"{method} {url.partition('?')[0]}"]
        putrequest(self, method, url, *rest, **more)

    def head(self: Any, name: Any, *values: Any) -> None:
        if str(name).lower() == "x-acs-action":
            asked[id(self)][0] = str(values[0])
        putheader(self, name, *values)

    def send(self: Any, *rest: Any, **more: Any) -> None:
        # One point has two sides: it is opened here and closed when the answer is there.
        points.around(f"call {asked[id(self)][0]}", lambda: endheaders(self, *rest, **more))

    def answer(self: Any) -> Any:
        return points.around(f"answer {asked[id(self)][0]}", lambda: getresponse(self))

    connection.putrequest = begin  # type: ignore[method-assign]
    connection.putheader = head  # type: ignore[method-assign, assignment]
    connection.endheaders = send  # type: ignore[method-assign]
    connection.getresponse = answer  # type: ignore[method-assign]
