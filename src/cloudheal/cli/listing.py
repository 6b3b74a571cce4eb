"""Commands that list what is on record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.options import HERE, AsJson, Config, Limit, Open, Resource, Since, moment_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloudheal.record.lists import Narrow
    from cloudheal.settings.schema import Settings

app = typer.Typer()
runs = typer.Typer()


@app.command()
def events(
    config: Config = HERE, since: Since = "", resource: Resource = "", limit: Limit = 50, as_json: AsJson = False
) -> None:
    """List events and what was decided about each."""
    from cloudheal.record.lists import list_events

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = list_events(connection, _narrow(at, connection, since, resource, limit))
        columns = ("number", "occurred", "type", "status", "resource", "decisions")
        at.show.rows("title.events", rows, columns, limit=limit)


@app.command()
def incidents(
    config: Config = HERE,
    since: Since = "",
    resource: Resource = "",
    limit: Limit = 50,
    open_only: Open = False,
    as_json: AsJson = False,
) -> None:
    """List incidents from the first event to the verdict."""
    from cloudheal.record.lists import list_incidents

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = list_incidents(connection, _narrow(at, connection, since, resource, limit), open_only=open_only)
        columns = ("id", "occurred", "resource", "trouble", "acted", "ended", "verdict", "code")
        at.show.rows("title.incidents", rows, columns, brief=("id",), limit=limit)


@runs.callback(invoke_without_command=True)
def list_runs_(
    context: typer.Context,
    config: Config = HERE,
    since: Since = "",
    resource: Resource = "",
    limit: Limit = 50,
    open_only: Open = False,
    as_json: AsJson = False,
) -> None:
    """List runs: which playbook, in which state, what they wait for."""
    from cloudheal.record.lists import list_runs

    if context.invoked_subcommand is not None:
        return
    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        rows = list_runs(connection, _narrow(at, connection, since, resource, limit), open_only=open_only)
        columns = ("id", "resource", "rule", "playbook", "state", "attempts", "waits_for", "next_eligible", "escalated")
        at.show.rows("title.runs", rows, columns, brief=("id",), limit=limit)


@app.command()
def maintenance(
    config: Config = HERE,
    since: Since = "",
    resource: Resource = "",
    type_: Annotated[str, typer.Option("--type", help="Only types that contain this, such as Reboot.")] = "",
    over: Annotated[bool, typer.Option("--all", help="Also events that are over.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List what clouds plan for servers or did to them; exits with 1 when a region could not be read whole."""
    from cloudheal.record.system_lists import list_readings, list_system_events

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        narrow = _narrow(at, connection, since, resource, limit)
        rows = list_system_events(connection, narrow, type_=type_, over=over)
        readings = list_readings(connection, _regions(at.settings))
    unread = [one for one in readings if not one.whole]
    if as_json:
        at.show.document({"events": at.show.records(rows), "regions": at.show.records(readings)})
    elif rows or not unread:
        columns = ("id", "resource", "type", "status", "not_before", "published", "finished", "simulated", "channels")
        at.show.rows("title.maintenance", rows, columns, limit=limit)
    for one in unread:
        text = "unread.broken" if one.outcome else "unread.never"
        at.show.say(text, region=one.region, account=one.account, at=one.read, code=one.outcome)
    raise typer.Exit(1 if unread else 0)


@app.command()
def explain(
    event: Annotated[
        str,
        typer.Argument(
            help="An event's number or key, a server's id or name (its newest event that was decided on), how the id"
            " of an incident or a run begins, or an alarm's name.",
            metavar="WHAT",
        ),
    ],
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of an event, or why an alarm on a log fires or does not."""
    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        story = _of_alarm(at, connection, event) or _of_event(at, connection, event) or _of_known(at, connection, event)
        if not story:
            at.show.fault("no_event", event=event)
            raise typer.Exit(1)
        if as_json:
            at.show.document(story)
        at.show.lines(story)


def _of_event(at: Desk, connection: sa.Connection, called: str) -> list[str] | None:
    """Return the story of the event that is meant; None when there is none."""
    from cloudheal.cli.called import events_meant
    from cloudheal.pipeline.explaining import explained

    rules, language = at.settings.rules, at.settings.language
    stories = (explained(connection, rules, one, language, at.zone) for one in events_meant(at, connection, called))
    return next((story for story in stories if story is not None), None)


def _of_known(at: Desk, connection: sa.Connection, called: str) -> list[str]:
    """Return what there is to tell of a server that no event was about; nothing when there is no such server."""
    from cloudheal.record.inventory import instances_called

    found = [(one, one.resource) for one in instances_called(connection, called)]
    return [
        at.show.text(
            "explain.known", id=who.id.id, name=who.name or "-", state=who.state, since=one.since, as_of=who.as_of
        )
        for one, who in found
    ]


def _of_alarm(at: Desk, connection: sa.Connection, name: str) -> list[str] | None:
    """Return why an alarm of that name fires or does not; None when there is none."""
    if not any(name in log.alarm_names for log in at.settings.logs):
        return None
    from cloudheal.app.log_alarms import guarded_of
    from cloudheal.record.explain_alarm import explain_alarm
    from cloudheal.record.log_alarms import standings
    from cloudheal.record.log_escalation import spells

    alarm = next((one.alarm for one in guarded_of(at.settings) if one.alarm.name == name), None)
    if alarm is None:
        return None
    # What stands there of an earlier version of it says nothing.
    same = (one for one in standings(connection) if one.name.alarm == name and one.mark.digest == alarm.digest)
    stands = next(same, None)
    spell = next((one for one in spells(connection) if one.name.alarm == name), None)
    return explain_alarm(alarm, stands, at.clock.now(), at.settings.language, at.zone, spell)


def _regions(settings: Settings) -> list[tuple[str, str, str]]:
    """Return every place whose system events are read: cloud, account, region; none when they are not."""
    if settings.poll.system_events is None:
        return []
    return [(one.cloud.value, one.id, region) for one in settings.accounts for region in one.regions]


def _narrow(at: Desk, connection: sa.Connection, since: str, resource: str, limit: int) -> Narrow:
    """Return what a list is narrowed to; a resource may be given by a server's name."""
    from cloudheal.cli.called import server_called
    from cloudheal.record.lists import Narrow

    return Narrow(_since(at, since), server_called(at, connection, resource), limit)


def _since(at: Desk, text: str) -> datetime | None:
    return moment_of(text, at.clock.now(), at.zone, "--since")
