"""`backtest`: a recorded history before the rules and guards of today, or before two rule files; nothing is done.

It ends with 0 when nothing differs from what it is held against, with 3 when something does, and with 1 or 2 for what
could not be made, as every command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.options import HERE, AsJson, Config, Since, moment_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloudheal.decide.rulebook import RuleBook
    from cloudheal.pipeline.backtest import Report, World, Would
    from cloudheal.record.history import Arrived
    from cloudheal.record.ledger import Written

app = typer.Typer()

#: What a program is told when something differs.
DIFFERS = 3
#: How often the progress is shown, in events.
OFTEN = 2000


@app.command()
def backtest(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Messages as `feed` reads them, or an `audit export`; - is standard input. Absent: our own.",
            metavar="FILE",
        ),
    ] = None,
    config: Config = HERE,
    rules: Annotated[Path | None, typer.Option(help="Rules to try instead of those in force.", metavar="FILE")] = None,
    against: Annotated[Path | None, typer.Option(help="Rules to hold them against.", metavar="FILE")] = None,
    since: Since = "",
    heal_time: Annotated[str, typer.Option(help="How long a run takes that the record does not have.")] = "1m",
    as_promoted: Annotated[
        bool, typer.Option("--as-promoted", help="Trust rules as far as they were promoted then, not as they ask.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, max=100_000, help="So many decisions and differences are shown.")] = 20,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write every decision as a JSON line.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay what was recorded through the rules and guards of today, without doing anything.

    Ends with 3 when something differs from what was decided, or between both rule files.
    """
    from cloudheal.app import rules_in, rules_of
    from cloudheal.pipeline.backtest import Terms, against_record, against_rules, lead_of
    from cloudheal.settings.loader import located

    with desk(config, as_json=as_json) as at, ExitStack() as stack:
        with located(config):
            ours = rules_of(at.settings) if rules is None else rules_in(rules, at.settings)
        theirs = None if against is None else rules_in(against, at.settings)
        begin = moment_of(since, at.clock.now(), at.zone, "--since")
        connection = stack.enter_context(at.database.snapshot())
        world = _world(at, connection, _duration(heal_time), as_promoted=as_promoted)
        listing = _Listing(limit, None if output is None else stack.enter_context(_written_to(output)))
        terms = Terms(begin, limit, listing.hear)
        books = [ours] if theirs is None else [ours, theirs]
        source = _Source(at, file, None if begin is None else begin - lead_of(*books), books)
        history = stack.enter_context(source.opened(connection))
        if theirs is None:
            report = against_record(history, ours, world, terms)
        else:
            report = against_rules(history, ours, theirs, world, terms)
        _Telling(at, report, listing, source, world.heal_time).tell(output)
        raise typer.Exit(DIFFERS if report.differs else 0)


@dataclass(slots=True)
class _Listing:
    """Keeps the first of what would be done, and writes all of it to a file where one is asked for."""

    most: int
    file: IO[str] | None
    count: int = 0
    first: list[Would] = field(default_factory=list)

    def hear(self, one: Would) -> None:
        """Take the next decision."""
        self.count += 1
        if len(self.first) < self.most:
            self.first.append(one)
        if self.file is not None:
            document = asdict(one) | {name: _instant(getattr(one, name)) for name in ("at", "until")}
            self.file.write(json.dumps(document, ensure_ascii=False) + "\n")


@dataclass(slots=True)
class _Source:
    """Where the history comes from."""

    at: Desk
    file: Path | None
    begin: datetime | None
    books: list[RuleBook]
    unreadable: int = 0

    @contextmanager
    def opened(self, connection: sa.Connection) -> Iterator[Iterator[Arrived | Written]]:
        """Have the history, one thing in memory at a time, and show how it goes on."""
        from cloudheal.record.history import recorded

        if self.file is None:
            yield _shown(recorded(connection, self.begin), quiet=self.at.show.as_json)
            return
        with _lines_of(self.file) as lines:
            yield _shown(self._read(lines), quiet=self.at.show.as_json)

    def _read(self, lines: IO[bytes]) -> Iterator[Arrived | Written]:
        from cloudheal.app.attribution import Attribution
        from cloudheal.clouds.entrances import parts_of
        from cloudheal.pipeline.backtest import Lines
        from cloudheal.record.history import STANDING

        reading = Lines(Attribution(self.at.settings.accounts).read_any, self.at.clock.now(), parts_of)
        for one in reading.read(lines):
            self.unreadable = reading.unreadable
            # A person's words may stand for long.
            if self.begin is None or one.at >= self.begin or getattr(one, "kind", "") in STANDING:
                yield one
        self.unreadable = reading.unreadable


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells one operator, or one program."""

    at: Desk
    report: Report
    listing: _Listing
    source: _Source
    heal_time: timedelta

    def tell(self, output: Path | None) -> None:
        """Print everything."""
        if self.at.show.as_json:
            self.at.show.document(self._document())
            return
        self._say_what_was_read()
        self._tables()
        self._verdict()
        if output is not None:
            self.at.show.say("backtest.listed", count=self.listing.count, file=output)

    def _document(self) -> dict[str, Any]:
        would = [asdict(one) for one in self.listing.first]
        return {**asdict(self.report), "unreadable": self.source.unreadable, "would": would}

    def _say_what_was_read(self) -> None:
        say, report = self.at.show.say, self.report
        span = {"first": report.first, "last": report.last}
        say(
            "backtest.read",
            events=report.events,
            duplicates=report.duplicates,
            unreadable=self.source.unreadable,
            **span,
        )
        if report.without_contents:
            say("backtest.without_contents", count=report.without_contents)

    def _tables(self) -> None:
        rows, report = self.at.show.rows, self.report
        counted = ("rule", "reason", "outcome", "would", *(("other",) if report.held_against else ()))
        rows("title.backtest", report.counts, counted)
        if report.later:
            other = () if report.later[0].other is None else ("other",)
            rows("title.backtest.later", report.later, ("rule", "reason", "outcome", "would", *other))
        shown = ("at", "event", "type", "status", "resource")
        if self.listing.first:
            rows("title.backtest.would", self.listing.first, (*shown, "rule", "reason", "until"))
        if report.changes:
            rows("title.backtest.changes", report.changes, ("count", "other", "would"))
        if report.differences:
            rows("title.backtest.differences", report.differences, (*shown, "would", "other"))

    def _verdict(self) -> None:
        say, report = self.at.show.say, self.report
        say("backtest.began", began=report.began, most_at_once=report.most_at_once)
        say("backtest.assumed", heal_time=self.heal_time)
        if not report.held_against:
            say("backtest.no_record")
            return
        key = "differs" if report.differing else "differs_later" if report.differs else "same"
        suffix = "_rules" if report.held_against == "rules" else ""
        say(f"backtest.{key}{suffix}", differing=report.differing, compared=report.compared)


def _world(at: Desk, connection: sa.Connection, heal_time: timedelta, *, as_promoted: bool) -> World:
    from cloudheal.app import extensions_of
    from cloudheal.pipeline.backtest import World
    from cloudheal.record.inventory import everything

    extensions = extensions_of(at.settings)
    known = list(everything(connection))
    return World(extensions.library.playbooks, extensions.trouble_of, known, heal_time, as_promoted)


def _duration(text: str) -> timedelta:
    from cloudheal.settings.durations import duration_of

    try:
        return duration_of(text)
    except ValueError:
        raise typer.BadParameter(f"expected 90s, 5m or 2h, got {text!r}", param_hint="--heal-time") from None


@contextmanager
def _lines_of(file: Path) -> Iterator[IO[bytes]]:
    from cloudheal.errors import SettingsError

    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as problem:
        raise SettingsError(f"{file}: {problem.strerror}") from problem
    with opened:
        yield opened


@contextmanager
def _written_to(file: Path) -> Iterator[IO[str]]:
    from cloudheal.errors import SettingsError

    try:
        opened = file.open("w", encoding="utf-8", newline="\n")
    except OSError as problem:
        raise SettingsError(f"{file}: {problem.strerror}") from problem
    with opened:
        yield opened


def _shown(history: Iterator[Arrived | Written], *, quiet: bool) -> Iterator[Arrived | Written]:
    """Show how many were read, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield from history
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for number, one in enumerate(history, 1):
            if number % OFTEN == 0:
                progress.update(task, completed=number)
            yield one


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
