"""The plan of maintenance: what is done when and why, and an operator's word on it.

Words are written down; slots are given by the planner of a running worker, within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk, operator
from cloudheal.cli.options import HERE, AsJson, Config, moment_of

if TYPE_CHECKING:
    from cloudheal.record.plans import PlanRow, Wish

app = typer.Typer(help="The plan of maintenance: show it, move it, do it now, leave it to the cloud.")

What = Annotated[str, typer.Argument(help="A server's id, the id of the cloud's event, or a run.", metavar="WHAT")]
#: Slots begin on steps of this.
_STEP = timedelta(minutes=5)
#: How long it may take until a worker has looked at a word.
_TAKEN_UP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One row as people read it."""

    run: str
    resource: str
    name: str
    group: str
    event: str
    begin: datetime | None
    deadline: datetime | None
    not_before: datetime | None
    policy: str
    state: str
    why: str
    said_by: str


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    config: Config = HERE,
    ended: Annotated[bool, typer.Option("--ended", help="Also what is over.")] = False,
    chart: Annotated[bool, typer.Option(help="Draw groups over time under the table.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show the plan: each server's slot, why it lies there, and by when it must begin."""
    from cloudheal.record.plans import plan_rows

    if context.invoked_subcommand is not None:
        return
    with desk(config, as_json=as_json) as at:
        with at.database.snapshot() as connection:
            rows = plan_rows(connection, ended=ended)
        columns = ("resource", "name", "group", "event", "begin", "deadline", "policy", "state", "why")
        at.show.rows("title.plan", [_line(one, at) for one in rows], columns)
        if chart and rows and not as_json:
            _draw(rows, at)


@app.command()
def move(
    what: What,
    begin: Annotated[
        str, typer.Argument(help="When: 2h, or 2026-03-02T11:00 in your zone; on steps of 5 minutes.", metavar="BEGIN")
    ],
    anywhere: Annotated[bool, typer.Option("--anywhere", help="Outside the group's windows too.")] = False,
    config: Config = HERE,
) -> None:
    """Put a server into a slot of your choice; it is kept unless a limit or the deadline is in the way."""
    from cloudheal.record.plans import Wish

    with desk(config) as at:
        when = moment_of(begin, at.clock.now(), at.zone, "BEGIN", ahead=True)
        if when is None:
            raise typer.BadParameter("say when", param_hint="BEGIN")
        slot = _on_grid(when)
        if slot <= at.clock.now():
            raise typer.BadParameter("that has passed; cloudheal plan now WHAT does it at once", param_hint="BEGIN")
        _say(at, what, Wish(operator(), slot, anywhere), "plan.moved", begin=slot)


@app.command()
def now(what: What, config: Config = HERE) -> None:
    """Do it now, outside the group's windows too; limits and guards are kept."""
    from cloudheal.record.plans import Wish

    with desk(config) as at:
        slot = present_slot(at.clock.now(), at.settings.maintenance.catch_up)
        _say(at, what, Wish(operator(), slot, anywhere=True), "plan.now")


@app.command()
def cancel(what: What, config: Config = HERE) -> None:
    """Take it out of the plan: the cloud does it in its own time."""
    from cloudheal.record.plans import Wish

    with desk(config) as at:
        _say(at, what, Wish(operator(), leave=True), "plan.left")


@app.command()
def auto(what: What, config: Config = HERE) -> None:
    """Take back what was said by move, now or cancel: the planner chooses again."""
    from cloudheal.record.plans import Wish

    with desk(config) as at:
        _say(at, what, Wish(operator()), "plan.auto")


def _say(at: Desk, what: str, said: Wish, sentence: str, **facts: object) -> None:
    """Write an operator's word on every run that `what` means; exit 1 when there is none that has not begun."""
    from cloudheal.record.plans import plan_rows, runs_of, wish

    with at.database.transaction() as connection:
        meant = runs_of(plan_rows(connection), what)
        written = [one for one in meant if wish(connection, one.run, said, at.clock.now())]
    if not written:
        at.show.say("plan.begun" if meant else "plan.none", what=what)
        raise typer.Exit(1)
    for one in written:
        at.show.say(sentence, resource=one.subject.id, event=one.trouble.id, **facts)


def present_slot(now: datetime, catch_up: timedelta) -> datetime:
    """Return the step that has begun, or the next one where a worker might come too late to take that up."""
    slot = _on_grid(now)
    return slot if now - slot < catch_up - _TAKEN_UP else slot + _STEP


def _on_grid(moment: datetime) -> datetime:
    """Return the last step at or before a moment."""
    return moment - timedelta(seconds=moment.timestamp() % _STEP.total_seconds())


def _line(row: PlanRow, at: Desk) -> PlanLine:
    from cloudheal.cli.plan_texts import why_row

    why = why_row(row, at.settings.language, at.zone)
    return PlanLine(
        run=row.run,
        resource=row.subject.id,
        name=row.name,
        group=row.group,
        event=row.trouble.id,
        begin=row.begin,
        deadline=row.deadline,
        not_before=row.not_before,
        policy=row.policy,
        state=row.state.value,
        why=why,
        said_by=row.said_by,
    )


def _draw(rows: Sequence[PlanRow], at: Desk) -> None:
    import os
    import sys

    from rich.console import Console

    from cloudheal.cli.show import WIDE
    from cloudheal.cli.timeline import Look, timeline
    from cloudheal.pipeline.plans import schedule_of, terms_of

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if known else WIDE, highlight=False)
    terms = terms_of(at.settings.maintenance, {one.group for one in rows})
    look = Look(at.settings.language, at.zone, min(console.width, 120))
    console.print(timeline(schedule_of(rows), terms, at.clock.now(), look))
