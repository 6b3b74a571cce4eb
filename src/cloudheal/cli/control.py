"""A person's word to the machine: pause, hold, answer. Every worker reads it in the transaction of its next intent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, approver, desk, operator
from cloudheal.cli.options import HERE, AsJson, Config, moment_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloudheal.model.control import Approval

app = typer.Typer()
#: The scope of a pause; `record.holds` has the same word, which costs an import of the database layer.
EVERYTHING = "*"


@app.command()
def pause(
    why: Annotated[str, typer.Argument(help="The reason, for those who will wonder.", metavar="WHY")],
    config: Config = HERE,
) -> None:
    """Stop all actions of all workers at once; events are still taken in and recorded."""
    from cloudheal.model.control import Hold
    from cloudheal.record.holds import add_hold

    with desk(config) as at:
        with at.database.transaction() as connection:
            add_hold(connection, Hold(EVERYTHING, operator(), why, at.clock.now()))
        at.show.say("paused", why=why)


@app.command()
def resume(config: Config = HERE) -> None:
    """End every pause; what waited for it is looked at again."""
    with desk(config) as at:
        lifted = _lift(at, EVERYTHING)
        at.show.say("resumed" if lifted else "not_paused")


@app.command()
def hold(
    scope: Annotated[str, typer.Argument(help="A resource id or a group.", metavar="SCOPE")],
    why: Annotated[str, typer.Option(help="The reason.")],
    until: Annotated[str, typer.Option(help="When it ends by itself: 2h, or 2026-03-02T11:00 in your zone.")] = "",
    config: Config = HERE,
) -> None:
    """Keep one resource or group from being acted on."""
    from cloudheal.model.control import Hold
    from cloudheal.record.holds import add_hold

    if scope == EVERYTHING:
        raise typer.BadParameter("everything is held with: cloudheal pause WHY", param_hint="SCOPE")
    with desk(config) as at:
        now = at.clock.now()
        end = moment_of(until, now, at.zone, "--until", ahead=True)
        if end is not None and end <= now:
            raise typer.BadParameter("that time is past", param_hint="--until")
        with at.database.transaction() as connection:
            _look_up(at, connection, scope)
            add_hold(connection, Hold(scope, operator(), why, now, end))
        at.show.say("held" if end is None else "held_until", scope=scope, why=why, until=end)


def _look_up(at: Desk, connection: sa.Connection, scope: str) -> None:
    """Warn of a scope that nothing is known by; end with 1 when servers are called so, because a hold goes by ids."""
    from cloudheal.record.holds import meant_by

    meant = meant_by(connection, scope)
    if meant.is_known or scope in {f"rule:{rule.name}" for rule in at.settings.rules}:
        return
    at.show.say("held_name" if meant.named else "held_unknown", scope=scope, ids=", ".join(meant.named))
    if meant.named:
        raise typer.Exit(1)


@app.command()
def holds(config: Config = HERE, as_json: AsJson = False) -> None:
    """List holds and pauses in force."""
    from cloudheal.record.lists import list_holds

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = list_holds(connection, at.clock.now())
        at.show.rows("title.holds", rows, ("scope", "who", "why", "since", "until"))


@app.command()
def unhold(
    scope: Annotated[str, typer.Argument(help="As given to hold.", metavar="SCOPE")], config: Config = HERE
) -> None:
    """End the holds on one scope."""
    if scope == EVERYTHING:
        raise typer.BadParameter("a pause is ended with: cloudheal resume", param_hint="SCOPE")
    with desk(config) as at:
        if not _lift(at, scope):
            at.show.say("no_hold", scope=scope)
            raise typer.Exit(1)
        at.show.say("unheld", scope=scope)


@app.command()
def approvals(config: Config = HERE, as_json: AsJson = False) -> None:
    """List the questions that wait for an answer."""
    from cloudheal.record.approvals import open_questions

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = open_questions(connection, at.clock.now())
        at.show.rows("title.approvals", rows, ("id", "question", "may_answer", "asked", "expires"), brief=("id",))
        if not all(one.may_answer for one in rows):
            at.show.say("approvals.anybody")


@app.command()
def approve(question: Annotated[str, typer.Argument(metavar="ID")], config: Config = HERE) -> None:
    """Answer a question with yes; the run goes on."""
    _answer(config, question, "approved")


@app.command()
def deny(question: Annotated[str, typer.Argument(metavar="ID")], config: Config = HERE) -> None:
    """Answer a question with no; the incident is left alone."""
    _answer(config, question, "denied")


def _answer(config: Config, question: str, said: str) -> None:
    from cloudheal.record.approvals import open_questions

    with desk(config) as at:
        with at.database.snapshot() as connection:
            questions = open_questions(connection, at.clock.now())
        fitting = [one for one in questions if question and one.id.startswith(question)]
        if len(fitting) != 1 or not _said(at, fitting[0], said):
            _refuse(at, question, is_open=len(fitting) > 1)
            raise typer.Exit(1)
        at.show.say(said, question=fitting[0].id)


def _refuse(at: Desk, question: str, *, is_open: bool) -> bool:
    """Say why an answer was not taken: who gave one already, or that no single question is called so."""
    from cloudheal.record.approvals import answered

    with at.database.snapshot() as connection:
        given = answered(connection, question) if question and not is_open else []
    if len(given) != 1:
        at.show.say("no_question", question=question)
        return False
    at.show.say(f"question.{given[0].said}", who=given[0].who, at=given[0].at)
    return True


def _said(at: Desk, question: Approval, said: str) -> bool:
    """Write the answer of whoever may give it; False when another was quicker."""
    from cloudheal.model.control import Answer
    from cloudheal.record.approvals import answer

    who = approver(at, question.run, question.may_answer, "of this question")
    with at.database.transaction() as connection:
        return answer(connection, question.id, Answer(said), who, at.clock.now())


def _lift(at: Desk, scope: str) -> int:
    from cloudheal.record.holds import lift_holds

    with at.database.transaction() as connection:
        return lift_holds(connection, scope, at.clock.now(), operator())
