"""Back-test: a year of a fleet, a million events by default, through today's rules and guards.

Two thousand servers stop now and then, all the year round; every stop is selected, counted and decided on. The history
is read three ways: from the own record in SQLite, from an `audit export`, and from messages as a queue holds them; then
two rule files side by side. The baseline of the same run is reading the export's lines as JSON and nothing more.

Run: make bench, or python benchmarks/backtest.py [EVENTS]
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from bench.feed import ACCOUNT, BEGIN, REGION, STATES, body, rules
from bench.figures import Spent, met, resident_mib, shown, spending

from cloudheal import playbooks as built_in
from cloudheal.act.library import library_of
from cloudheal.act.playbook import Playbook
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.decide.rulebook import RuleBook, rule_book
from cloudheal.model.event import Channel, Event
from cloudheal.model.inventory import Known
from cloudheal.model.resource import Cloud, Resource, named
from cloudheal.pipeline.backtest import Lines, Report, Terms, World, against_record, against_rules
from cloudheal.plugins import in_package, of_kind
from cloudheal.record.database import Database, open_database
from cloudheal.record.history import exported, recorded
from cloudheal.record.inbox import add_events
from cloudheal.record.schema import migrate
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.rules import RuleFile

EVENTS, SERVERS, RULES, GOAL_SECONDS, BATCH = 1_000_000, 2_000, 10, 60, 1_000
#: Between two events, so that a million are a year.
APART = timedelta(seconds=30)
#: A whole history must not need more than this beside its first tenth.
MOST_GROWTH_MIB = 16


def messages(count: int) -> Iterator[bytes]:
    """Yield what the fleet says: each time one server goes on to its next state."""
    chance, states = random.Random(7), [0] * SERVERS
    for number in range(count):
        server = chance.randrange(SERVERS)
        states[server] = (states[server] + 1) % len(STATES)
        yield body(f"i-bp1{server:06d}", STATES[states[server]], BEGIN + number * APART)


def events(count: int) -> Iterator[Event]:
    """Yield the same, read."""
    for message in messages(count):
        event = event_of(message, BEGIN, Channel.QUEUE)
        yield event._replace(received=event.time)


def fill(database: Database, count: int) -> None:
    """Record the events, as a worker without rules would."""
    source = events(count)
    while batch := list(islice(source, BATCH)):
        with database.transaction() as connection:
            add_events(connection, batch)


def world() -> World:
    """Return the fleet as its inventory knows it."""
    library = library_of(of_kind(in_package(built_in), Playbook), TRIGGERS)
    names = [named(Cloud.ALIBABA, ACCOUNT, REGION, "instance", f"i-bp1{one:06d}") for one in range(SERVERS)]
    servers = [
        Resource(one, BEGIN, "Running", group=f"g{number % 20}", tags={"env": "prod"})
        for number, one in enumerate(names)
    ]
    return World(library.playbooks, trouble_of, [Known(one, BEGIN, BEGIN, described=BEGIN) for one in servers])


def timed(what: str, count: int, make: Callable[[], Report], baseline: Spent, sides: int = 1) -> Spent:
    """Measure one backtest and print it; two sides decide on everything twice."""
    before = resident_mib()
    with spending() as spent:
        report = make()
    seconds = spent.cpu * EVENTS / count
    acts = sum(one.would for one in report.counts if one.reason == "act")
    assert report.events == count
    assert acts > count // 100
    goal = GOAL_SECONDS * sides
    shown(f"{what}: seconds of CPU a million", f"{seconds:.1f}", f"<= {goal}: {met(seconds <= goal)}")
    shown("  events a second of CPU (of wall clock)", f"{count / spent.cpu:,.0f} ({count / spent.wall:,.0f})")
    shown("  as a multiple of reading JSON", f"{spent.cpu / baseline.cpu:.1f}")
    grown = resident_mib() - before
    shown(
        "  memory beside that of the first tenth, MiB",
        f"{grown:.0f}",
        f"<= {MOST_GROWTH_MIB}: {met(grown <= MOST_GROWTH_MIB)}",
    )
    return spent


def parse(path: Path) -> Spent:
    """Read every line as JSON."""
    with spending() as spent, path.open("rb") as lines:
        for line in lines:
            json.loads(line)
    return spent


def from_file(path: Path, book: RuleBook, place: World) -> Report:
    """Hold the rules against a file."""
    with path.open("rb") as lines:
        return against_record(Lines(event_of).read(lines), book, place, Terms())


def from_record(database: Database, book: RuleBook, place: World, most: int | None = None) -> Report:
    """Hold the rules against the own record, or so much of it."""
    with database.snapshot() as connection:
        return against_record(islice(recorded(connection), most), book, place, Terms())


def side_by_side(database: Database, book: RuleBook, other: RuleBook, place: World) -> Report:
    """Hold two files against each other."""
    with database.snapshot() as connection:
        return against_rules(recorded(connection), book, other, place, Terms())


def main() -> int:
    """Measure and print everything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    book, place = rule_book(RuleFile.model_validate({"rules": rules(RULES)}).rules), world()
    other = rule_book(RuleFile.model_validate({"rules": rules(1)}).rules)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'record.db'}")
        migrate(database)
        fill(database, count)
        export, queue = Path(folder) / "export.jsonl", Path(folder) / "queue.jsonl"
        with database.snapshot() as connection, export.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in exported(connection))
        with queue.open("wb") as raw:
            raw.writelines(message + b"\n" for message in messages(count))
        baseline = parse(export)
        shown(
            "reading the export as JSON: seconds of CPU a million",
            f"{baseline.cpu * EVENTS / count:.1f}",
            "- (baseline)",
        )
        from_record(database, book, place, count // 10)
        timed("own record", count, lambda: from_record(database, book, place), baseline)
        timed("audit export", count, lambda: from_file(export, book, place), baseline)
        timed("messages of a queue", count, lambda: from_file(queue, book, place), baseline)
        timed("two rule files", count, lambda: side_by_side(database, book, other, place), baseline, sides=2)
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
