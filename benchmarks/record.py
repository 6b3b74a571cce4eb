"""The record: searches of 100,000 ledger rows, each beside a full scan in the same run; appending, sealing, verifying.

Goal: every search under a second. Run: make bench, or python benchmarks/record.py [postgresql://...]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.schema import migrate
from cloudheal.record.seal import Sealer
from cloudheal.record.search import Query, search
from cloudheal.record.tables import LEDGER
from cloudheal.record.verifying import verify

ROWS, BATCH = 100_000, 1_000
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def timed(do: Callable[[], object], rounds: int = 5) -> float:
    """Return the fastest of several rounds, in seconds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        do()
        times.append(time.perf_counter() - begin)
    return min(times)


def entry(number: int) -> Entry:
    """Make a row of a fleet of a thousand servers."""
    return Entry(
        Kind.EVENT,
        BEGIN + timedelta(seconds=number),
        resource=f"i-bp{number % 1000:04}",
        type=f"Instance:Type{number % 7}" if number % 5000 else "Instance:Rare",
        result="Stopped" if number % 10 else "healed",
        name=f"web-{number % 1000:04}",
        event=number,
        incident=f"inc{number // 100}" if number % 10 == 0 else "",
        body={"key": f"state|alibaba|{number}", "channel": "queue", "sha256": "0" * 64},
    )


def fill(database: Database) -> float:
    """Append all rows; returns the seconds."""
    begin = time.perf_counter()
    for start in range(0, ROWS, BATCH):
        with database.transaction() as connection:
            append(connection, (entry(number) for number in range(start, start + BATCH)))
    return time.perf_counter() - begin


def scan(database: Database) -> int:
    """Read every row and look at it, as a search without any index would."""
    with database.snapshot() as connection:
        rows = connection.execution_options(yield_per=BATCH).execute(sa.select(LEDGER))
        return sum("no such name" in row.name or "key" not in json.loads(row.body) for row in rows)


QUERIES = {
    "by id": Query(id="i-bp0500"),
    "by incident": Query(id="inc500"),
    "by time range": Query(since=BEGIN + timedelta(seconds=50_000), until=BEGIN + timedelta(seconds=50_100)),
    "by rare type": Query(type="Instance:Rare"),
    "by type and result": Query(type="Instance:Type3", result="healed"),
    "by part of a name": Query(name="-0777"),
    "by a name that is not there": Query(name="nobody"),
}


def measure(database: Database) -> None:
    """Print one line for each figure."""
    migrate(database)
    seconds = fill(database)
    print(f"append       {ROWS / seconds:10,.0f} rows/s")
    full = timed(lambda: scan(database), rounds=2)
    print(f"full scan    {full * 1000:10.1f} ms")
    for name, query in QUERIES.items():

        def once(query: Query = query) -> None:
            with database.snapshot() as connection:
                search(connection, query)

        took = timed(once)
        met = "ok" if took < 1 else "MISSED"
        print(f"search       {took * 1000:10.1f} ms  1/{full / took:,.0f} of the scan  {name} (goal < 1 s: {met})")
    sealer = Sealer(database, "benchmark")
    begin = time.perf_counter()
    sealed = sealer.seal()
    print(f"seal         {sealed / (time.perf_counter() - begin):10,.0f} rows/s")
    begin = time.perf_counter()
    found = verify(database)
    print(f"verify       {found.sealed.rows / (time.perf_counter() - begin):10,.0f} rows/s, whole: {found.whole}")


def main() -> None:
    """Measure on the database that was named, or on a new SQLite file."""
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'record.db'}"
        database = open_database(url)
        print(f"{ROWS:,} rows, {database.writing.dialect.name}")
        measure(database)
        database.close()


if __name__ == "__main__":
    main()
