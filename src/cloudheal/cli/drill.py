"""Drills: have a cloud simulate system events, see them, take them back. Nothing real happens unless asked for.

Real actions are asked about once more, with everything that they would reach. Exit code 1 says that something was not
done or is left open; sentences and document say what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk, operator
from cloudheal.cli.options import HERE, AsJson, Config, moment_of

if TYPE_CHECKING:
    from cloudheal.app import Accounts
    from cloudheal.cli.drill_lines import CancelLine
    from cloudheal.drills.scope import Answering
    from cloudheal.model.drill import DrillOrder, DrillRow
    from cloudheal.pipeline.drills import DrillDesk
    from cloudheal.settings.accounts import AccountSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Drills: run a scenario, bring servers down, simulate system events, list them, take them back.",
)


@app.command()
def create(
    servers: Annotated[list[str] | None, typer.Argument(metavar="SERVER", help="Ids of servers.")] = None,
    type_: Annotated[
        str, typer.Option("--type", help="Type of the events, such as SystemFailure.Reboot.")
    ] = "SystemMaintenance.Reboot",
    in_: Annotated[str, typer.Option("--in", help="They begin by themselves after so long, such as 2h.")] = "",
    at_: Annotated[str, typer.Option("--at", help="They begin at this time: 2026-03-02T11:00 in your zone.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Servers with this tag: key=value.")] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="Servers of this group.")] = None,
    names: Annotated[list[str] | None, typer.Option("--name", help="Servers of this name, * and ? are open.")] = None,
    regions: Annotated[list[str] | None, typer.Option("--region", help="Servers in this region.")] = None,
    account: Annotated[str, typer.Option(help="Only servers of this account, by its name.")] = "",
    label: Annotated[str, typer.Option(help="What the drill is for.")] = "",
    real: Annotated[
        bool, typer.Option("--real-actions", help="Rules really act on these servers; asks first.")
    ] = False,
    expires: Annotated[str, typer.Option(help="How long they may; absent: until the events begin.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Create one simulated event for each server; actions are dry unless --real-actions says otherwise."""
    from cloudheal.app import accounts_of, rules_for, rules_of
    from cloudheal.cli.drill_scope import selector_of, servers_of
    from cloudheal.drills.scope import answering
    from cloudheal.model.drill import DrillOrder

    selector = selector_of(servers, names, regions, groups, tags)
    with desk(config, as_json=as_json) as at:
        now, accounts = at.clock.now(), accounts_of(at.settings, now=at.clock.now)
        begin = _begin(at, in_, at_, now)
        until = moment_of(expires, now, at.zone, "--expires", ahead=True) or begin
        found = servers_of(at, accounts, selector, _accounts(at, account))
        named = f"Instance:{type_.removeprefix('Instance:')}"
        who = [one for one, _ in found]
        order = DrillOrder(_new_id(), label, who, named, begin, real, operator(), now, min(until, begin))
        drills = _drills(at, accounts)
        drills.check(order)
        rules = answering(at.database, rules_of(at.settings), rules_for(at.settings), found, [named], now)
        _preflight(at, order, rules)
        if real and not _is_sure(at, order, yes=yes):
            raise typer.Exit(1)
        rows = drills.order(order)
        _tell(at, order, rules, rows)
    raise typer.Exit(0 if all(one.event for one in rows) else 1)


@app.command()
def cancel(
    what: Annotated[list[str] | None, typer.Argument(metavar="WHAT", help="Ids of drills or events.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every drill on record that is not over.")] = False,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Take simulated events back; real ones and finished ones are left alone, and named."""
    from cloudheal.app import accounts_of
    from cloudheal.cli.drill_lines import why_told

    if bool(what) == everything:
        raise typer.BadParameter("name a drill or an event, or say --all", param_hint="WHAT")
    with desk(config, as_json=as_json) as at:
        drills = _drills(at, accounts_of(at.settings, now=at.clock.now))
        lines = _taken_back(at, drills, None if everything else what or [])
        if as_json:
            at.show.document(at.show.records(lines))
        at.show.say("drill.cancelled", count=sum(one.cancelled for one in lines))
        for one in lines:
            if not one.cancelled:
                key, why = ("drill.kept" if one.resource else "drill.kept_stranger"), why_told(at, one)
                at.show.say(key, event=one.event or "-", resource=one.resource, why=why)
    raise typer.Exit(1 if any(one.open for one in lines) else 0)


@app.command("list")
def list_(
    over: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    look: Annotated[bool, typer.Option(help="Ask the clouds how the events are now.")] = True,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """List drills with their events, and simulated events of others; exits with 1 when a region could not be read."""
    from cloudheal.app import accounts_of
    from cloudheal.cli.drill_lines import COLUMNS, lines_of, look_at, places_of, statuses_of

    with desk(config, as_json=as_json) as at:
        drills = _drills(at, accounts_of(at.settings, now=at.clock.now))
        seen = [look_at(drills, place) for place in places_of(at)] if look else []
        rows = drills.rows(live=not over)
        lines = lines_of(rows, statuses_of(at, rows, seen))
        at.show.rows("title.drills", [*lines, *(line for one in seen for line in one.strangers)], COLUMNS)
        broken = [one for one in seen if one.code]
        for one in broken:
            at.show.say("drill.unread", region=one.place[2], account=one.place[1], code=one.code)
    raise typer.Exit(1 if broken else 0)


# --- create ---------------------------------------------------------------------------------------


def _begin(at: Desk, in_: str, at_: str, now: datetime) -> datetime:
    """Return when the events begin by themselves, to the second, as clouds take it."""
    if bool(in_) == bool(at_):
        raise typer.BadParameter("say when they begin: --in 2h or --at 2026-03-02T11:00", param_hint="--in")
    begin = moment_of(in_ or at_, now, at.zone, "--in" if in_ else "--at", ahead=True)
    if begin is None or begin <= now:
        raise typer.BadParameter("that time has passed", param_hint="--in" if in_ else "--at")
    return begin.replace(microsecond=0)


def _accounts(at: Desk, name: str) -> Sequence[AccountSettings]:
    chosen = [one for one in at.settings.accounts if name in {"", one.name}]
    if not chosen:
        known = ", ".join(one.name for one in at.settings.accounts)
        raise typer.BadParameter(f"name one of {known}", param_hint="--account")
    return chosen


def _preflight(at: Desk, order: DrillOrder, rules: Sequence[Answering]) -> None:
    """Say what is about to happen, before anything does."""
    counted = Counter(f"{one.account}/{one.region}" for one in order.servers)
    places = ", ".join(f"{place} {count}" for place, count in sorted(counted.items()))
    at.show.say("drill.servers", count=len(order.servers), places=places)
    at.show.say("drill.what", type=order.type, not_before=order.not_before)
    for one in rules:
        at.show.say("drill.rule", rule=one.rule, playbook=one.playbook, mode=one.mode, count=one.servers)
    if not rules:
        at.show.say("drill.no_rule")
    at.show.say("drill.real" if order.real else "drill.dry", expires=order.expires)


def _is_sure(at: Desk, order: DrillOrder, *, yes: bool) -> bool:
    """Ask whether real actions are really meant."""
    if yes:
        return True
    if at.show.as_json:
        raise typer.BadParameter(at.show.text("drill.needs_yes"), param_hint="--real-actions")
    if typer.confirm(at.show.text("drill.confirm", count=len(order.servers))):
        return True
    at.show.say("drill.declined")
    return False


def _tell(at: Desk, order: DrillOrder, rules: Sequence[Answering], rows: Sequence[DrillRow]) -> None:
    """Say what was created, and for whom it was not."""
    from cloudheal.cli.drill_lines import COLUMNS, lines_of

    lines = lines_of(rows, {})
    if at.show.as_json:
        about = {"type": order.type, "not_before": order.not_before, "real": order.real, "expires": order.expires}
        parts = {"rules": at.show.records(rules), "events": at.show.records(lines)}
        at.show.document({"drill": order.id, **about, **parts})
        return
    at.show.rows("title.drills", lines, [one for one in COLUMNS if one not in {"drill_id", "real", "in_cloud"}])
    at.show.say("drill.created", drill=order.id, count=sum(bool(one.event) for one in rows))
    missing = Counter((one.state.value, one.problem) for one in rows if not one.event)
    for (state, problem), count in missing.items():
        at.show.say("drill.waits" if state == "creating" else "drill.not_created", count=count, problem=problem)


# --- cancel ---------------------------------------------------------------------------------------


def _taken_back(at: Desk, drills: DrillDesk, what: Sequence[str] | None) -> list[CancelLine]:
    """Take back what is named, or every drill that is not over; returns what came of each."""
    from cloudheal.cli.drill_lines import cancelled_line, kept_line, places_of, stranger_line
    from cloudheal.record.drills import drill_rows

    with at.database.snapshot() as connection:
        rows = drill_rows(connection, live=True) if what is None else drill_rows(connection, drills=what, events=what)
    told = drills.take_back(rows)
    known = {name for one in rows for name in (one.drill, one.event)}
    strangers = [one for one in what or () if one not in known]
    refused = drills.cancel_events(places_of(at), strangers)
    return [
        *(cancelled_line(one) for one in told.cancelled),
        *(kept_line(one) for one in told.kept),
        *(stranger_line(one, refused.get(one, "")) for one in strangers),
    ]


def _drills(at: Desk, accounts: Accounts) -> DrillDesk:
    from cloudheal.app import drill_desk

    return drill_desk(at.settings, accounts, at.database, at.clock)


def _new_id() -> str:
    import secrets

    return f"drill-{secrets.token_hex(4)}"
