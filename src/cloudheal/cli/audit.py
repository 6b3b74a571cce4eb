"""Commands on the record itself: prove it, search it, carry it out, and tell how fast things were healed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import desk
from cloudheal.cli.options import HERE, AsJson, Config, Limit, Since, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal.cli.show import Show
    from cloudheal.record.ledger import Kind, Written
    from cloudheal.record.timelines import Spread, Timeline
    from cloudheal.record.verifying import Verified

app = typer.Typer()
audit = typer.Typer(
    no_args_is_help=True, help="The ledger: prove that it is whole, search it, export it, see how far it was sent."
)
app.add_typer(audit, name="audit")

Until = Annotated[str, typer.Option(help="Only before then, written like --since.")]
#: What `pace` looks at when no time is given.
PACE_SINCE = "30d"
#: What kind of word the result of a row is.
_RESULTS = {
    "incident.ended": "verdict",
    "run.added": "state",
    "run.released": "state",
    "approval.answered": "answer",
}
#: How the result of a row begins that tells what an operator wants of a plan.
_ASKED = "asked for "


@audit.command()
def verify(
    config: Config = HERE,
    head: Annotated[str, typer.Option(help="A head that was kept elsewhere; it must be in the chain.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check every sealed row; ends with 1 when one was altered, removed or inserted, or the head is unknown."""
    from cloudheal.record.verifying import knows_head
    from cloudheal.record.verifying import verify as verified

    with desk(config, as_json=as_json) as at:
        found = verified(at.database)
        known = not head or knows_head(at.database, head)
        if as_json:
            at.show.document({**asdict(found), "whole": found.whole, "head_known": known})
        _say(at.show, found)
        if not known:
            at.show.say("audit.head_unknown", head=head)
        raise typer.Exit(0 if found.whole and known else 1)


def _say(show: Show, found: Verified) -> None:
    for name in ("sealed", "unsealed", "removed"):
        show.say(f"audit.{name}", **asdict(getattr(found, name)), segments=found.segments)
    show.say("audit.head", head=found.head)
    for one in found.findings:
        show.say("audit.finding" if one.row else "audit.finding_seal", **asdict(one))
    show.say("audit.whole" if found.whole else "audit.broken", count=len(found.findings))


@audit.command()
def search(
    config: Config = HERE,
    id_: Annotated[
        str, typer.Option("--id", help="A server's id or name, or how an incident's or a run's id begins.")
    ] = "",
    since: Since = "",
    until: Until = "",
    kind: Annotated[str, typer.Option(help="What happened: a code such as step.intended, or its words.")] = "",
    type_: Annotated[str, typer.Option("--type", help="An event's type, a trouble, a playbook or a step.")] = "",
    result: Annotated[str, typer.Option(help="A status, reason, verdict or outcome.")] = "",
    name: Annotated[str, typer.Option(help="Part of a server's, rule's or person's name.")] = "",
    before: Annotated[int | None, typer.Option(help="The next page: only rows before this number.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Search the ledger, newest first."""
    from cloudheal.cli.called import entries_meant
    from cloudheal.record.search import Query
    from cloudheal.record.search import search as found

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        now = at.clock.now()
        span = (moment_of(since, now, at.zone, "--since"), moment_of(until, now, at.zone, "--until"))
        query = Query(
            entries_meant(at, connection, id_), *span, _code_of(at.show, kind), type_, result, name, before, limit
        )
        rows = found(connection, query)
        shown = _in_words(at.show, rows)
        at.show.rows("title.ledger", shown, ("id", "at", "kind", "resource", "type", "result", "name"), limit=limit)


def _in_words(show: Show, rows: Sequence[Written]) -> Sequence[Written]:
    """Return rows with what they tell in words for people, and as it is for programs."""
    if show.as_json:
        return rows
    return [
        replace(one, kind=show.text(f"kind.{one.kind}"), result=_result(show, one))
        if show.knows(f"kind.{one.kind}")
        else one
        for one in rows
    ]


def _result(show: Show, row: Written) -> str:
    """Return the result of a row in words, where its kind says what it is."""
    if row.result.startswith(_ASKED):
        return show.text("value.asked_for", what=show.worded("policy", row.result.removeprefix(_ASKED)))
    return str(show.worded(_RESULTS.get(row.kind, ""), row.result))


def _code_of(show: Show, kind: str) -> str:
    """Return the code of a kind that is given by its code or by the word of the operator's language."""
    codes = {show.text(f"kind.{one.value}"): one.value for one in _kinds() if show.knows(f"kind.{one.value}")}
    if kind and kind not in codes and kind not in codes.values():
        from difflib import get_close_matches

        like = get_close_matches(kind, [*codes, *codes.values()], cutoff=0.4) or list(codes)
        told = show.text("audit.no_kind", kind=kind, kinds=", ".join(like))
        raise typer.BadParameter(told, param_hint="--kind")
    return codes.get(kind, kind)


def _kinds() -> Iterable[Kind]:
    from cloudheal.record.ledger import Kind

    return Kind


@audit.command()
def export(
    config: Config = HERE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; absent: standard output.")] = None,
    since: Since = "",
) -> None:
    """Write the ledger as JSON lines, oldest first, events with what they say; `backtest` reads them."""
    from cloudheal.record.history import exported
    from cloudheal.settings.discretion import discreet

    with desk(config) as at, at.database.snapshot() as connection:
        lines = map(discreet, exported(connection, moment_of(since, at.clock.now(), at.zone, "--since")))
        if output is None:
            _write(lines, sys.stdout.fileno())
            return
        count = _write(lines, output)
        at.show.say("audit.exported", count=count, file=output)


@dataclass(frozen=True, slots=True)
class SentRow:
    """How far one outlet of the ledger was served."""

    name: str
    to: str
    taken: int
    waits: int
    seal: str


@audit.command()
def sent(config: Config = HERE, as_json: AsJson = False) -> None:
    """Say how far the ledger was carried to the outlets that take it; ends with 1 when there is none."""
    from cloudheal.record.ledger_outlets import carried

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        takers = [one for one in at.settings.outlets if one.takes_ledger]
        places = [(one, carried(connection, one.name)) for one in takers]
        rows = [SentRow(one.name, one.to, here.last, here.waits, here.seal) for one, here in places]
        at.show.rows("title.sent", rows, ("name", "to", "taken", "waits", "seal"))
        raise typer.Exit(0 if rows else 1)


def _write(lines: Iterable[str], to: Path | int) -> int:
    """Write lines of UTF-8; returns how many. A reader that goes away early ends it in peace."""
    count = 0
    with open(to, "w", encoding="utf-8", newline="\n", closefd=isinstance(to, Path)) as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


@dataclass(frozen=True, slots=True)
class PaceRow:
    """One of the three times, over many incidents."""

    stage: str
    count: int
    median: timedelta | None
    p95: timedelta | None
    longest: timedelta | None


@app.command()
def timeline(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="A server's id or name, or how an incident's or a run's id begins.")
    ],
    config: Config = HERE,
    since: Since = "",
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a server or in an incident, oldest first."""
    from cloudheal.cli.called import meant
    from cloudheal.record.inventory import instances_called
    from cloudheal.record.timelines import incident_timeline, resource_timeline

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        which = meant(at, connection, id_)
        found = incident_timeline(connection, which)
        if found is None:
            found = resource_timeline(connection, which, moment_of(since, at.clock.now(), at.zone, "--since"))
        if not found.entries and not since:
            is_known = bool(instances_called(connection, which))
            at.show.fault("timeline.nothing" if is_known else "timeline.nobody", called=id_)
            raise typer.Exit(1)
        _tell(at.show, found)
        raise typer.Exit(0 if found.entries else 1)


def _tell(show: Show, found: Timeline) -> None:
    if show.as_json:
        entries = [asdict(one) for one in found.entries]
        show.document({"entries": entries, "times": asdict(found.times) if found.times else None})
        return
    columns = ("at", "kind", "type", "result", "name", "run")
    show.rows("title.timeline", _in_words(show, found.entries), columns, brief=("run",))
    if found.times:
        show.say("timeline.times", **asdict(found.times))


@app.command()
def evidence(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As given to timeline.")],
    config: Config = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
) -> None:
    """Print how things were before anything was done about it, as one JSON document."""
    from cloudheal.cli.called import meant
    from cloudheal.record.deeds import evidence_of

    with desk(config) as at:
        with at.database.snapshot() as connection:
            found = evidence_of(connection, id_) or evidence_of(connection, meant(at, connection, id_))
        if found is None:
            at.show.say("evidence.none", id=id_)
            raise typer.Exit(1)
        if output is None:
            at.show.document(found)
            return
        output.write_text(f"{json.dumps(found, ensure_ascii=False, indent=2)}\n", encoding="utf-8")
        at.show.say("evidence.written", file=output)


@app.command()
def pace(config: Config = HERE, since: Since = PACE_SINCE, until: Until = "", as_json: AsJson = False) -> None:
    """Say how fast incidents were detected, acted on and healed."""
    from cloudheal.record.timelines import pace as measured

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        now = at.clock.now()
        begin = moment_of(since or PACE_SINCE, now, at.zone, "--since") or now
        end = moment_of(until, now, at.zone, "--until") or now
        found = measured(connection, begin, end)
        if as_json:
            at.show.document(asdict(found))
            return
        rows = [_stage(at.show, name, getattr(found, name)) for name in ("to_detect", "to_act", "to_heal")]
        at.show.rows("title.pace", rows, ("stage", "count", "median", "p95", "longest"))
        at.show.say("pace.sum", incidents=found.incidents, healed=found.healed)


def _stage(show: Show, name: str, spread: Spread) -> PaceRow:
    return PaceRow(show.text(f"pace.{name}"), spread.count, spread.median, spread.p95, spread.longest)
