"""Alarms on logs as they stand: what fires, since when, and what keeps the others from firing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk, operator, settings_of, show_of
from cloudheal.cli.log_definitions import definition_named, no_file
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.logs.alarm_rounds import Line
    from cloudheal.logs.alarms import Alarm
    from cloudheal.logs.counting import Minute
    from cloudheal.logs.definition import Definition
    from cloudheal.pipeline.log_alarms import Guarded
    from cloudheal.record.log_alarms import Name, Standings

app = typer.Typer()
#: Rows of a table in a terminal; programs get all of them.
MOST_TURNS = 40


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One series of one alarm."""

    alarm: str
    log: str
    series: str
    level: str
    since: datetime | None
    value: float | None
    period: datetime | None
    why: str
    why_fires: str
    """The same in the operator's language."""
    muted_until: datetime | None
    untold: int
    fired: int
    shown: str = "-"
    """The value as people read it."""
    seen_to: str = "-"
    """Who has acknowledged the alarm."""


@app.command()
def alarms(
    config: Config = HERE,
    alarm: Annotated[str, typer.Argument(help="Only this alarm.", metavar="ALARM")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what does not fire.")] = False,
    as_json: AsJson = False,
) -> None:
    """List alarms on logs: what fires and since when; --json lists every series."""
    from cloudheal.app.log_alarms import guarded_of
    from cloudheal.record.log_alarms import standings
    from cloudheal.record.log_escalation import acknowledged

    with desk(config, as_json=as_json) as at:
        _known(at, alarm)
        wanted = [one for one in guarded_of(at.settings) if alarm in {"", one.alarm.name}]
        with at.database.snapshot() as connection:
            known = {one.name: one for one in standings(connection)}
            said = {name.alarm: one.who for name, one in acknowledged(connection).items()}
        rows = [replace(row, seen_to=said.get(row.alarm, "-")) for row in _rows(at, wanted, known)]
        shown = rows if everything or as_json else [row for row in rows if row.level not in {"ok", "-"}]
        if not wanted and not as_json:
            at.show.say("log_alarms.none")
        elif not shown and not as_json:
            at.show.say("log_alarms.all_well", alarms=len(wanted))
        else:
            columns = (
                "alarm",
                "log",
                "series",
                "level",
                "since",
                "shown",
                "period",
                "why_fires",
                "muted_until",
                "untold",
                "seen_to",
            )
            at.show.rows("title.log_alarms", shown, columns)


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A series of an alarm that would have turned to another level."""

    at: datetime
    alarm: str
    series: str
    before: str
    level: str
    value: float | None
    told: bool
    """People would have had a message, and not only a count."""
    shown: str
    """The value as people read it."""


@app.command()
def rehearse(
    name: Annotated[str, typer.Argument(help="The log's name.", metavar="NAME")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files; absent: all of the log. - reads standard input.", metavar="FILE")
    ] = None,
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Say what the alarms of a log would have made of what is in its files; nothing is stored, nobody is told."""
    from cloudheal.app.log_alarms import guarded_of
    from cloudheal.cli.log_lines import files_of, minutes_in

    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    definition = definition_named(name, show, settings, config)
    if not files and not files_of(definition.files):
        no_file(definition, show, "rehearse")
    alarms = [one.alarm for one in guarded_of(settings) if one.alarm.definition == name]
    fed, minutes = minutes_in(definition, files)
    rows = sorted(_turns(definition, alarms, minutes, settings.timezone), key=lambda row: row.at)
    if as_json:
        show.rows("title.log_rehearsal", rows, ())
        return
    show.say("log_rehearsal", lines=fed.lines, counted=fed.counted, minutes=len({one.start for one in minutes}))
    if rows:
        columns = ("at", "alarm", "series", "before", "level", "shown", "told")
        show.rows("title.log_rehearsal", rows[:MOST_TURNS], columns)
    if len(rows) > MOST_TURNS:
        show.say("logs.more", more=len(rows) - MOST_TURNS)
    fired = sum(row.before == "ok" for row in rows)
    show.say("log_rehearsal.sum", alarms=len(alarms), fired=fired, told=sum(row.told for row in rows))


def _turns(
    definition: Definition, alarms: Sequence[Alarm], minutes: Sequence[Minute], timezone: str
) -> Iterator[TurnRow]:
    from zoneinfo import ZoneInfo

    from cloudheal.logs.alarm_rehearsal import rehearsed
    from cloudheal.logs.alarm_telling import series_text

    for alarm in alarms:
        for turn in rehearsed(definition, alarm, minutes, ZoneInfo(timezone)):
            value = turn.line.seen.value
            yield TurnRow(
                at=datetime.fromtimestamp(turn.end, UTC),
                alarm=alarm.name,
                series=series_text(alarm.by, turn.line.key),
                before=turn.before.word,
                level=turn.after.word,
                value=value,
                told=turn.telling is not None,
                shown="-" if value is None else f"{value:.6g}",
            )


@app.command()
def acknowledge(
    alarm: Annotated[str, typer.Argument(help="The alarm's name.", metavar="ALARM")], config: Config = HERE
) -> None:
    """Say that you see to an alarm that fires: nobody else is told of it until it has recovered."""
    from cloudheal.record.log_escalation import acknowledge as note

    with desk(config) as at:
        _known(at, alarm)
        with at.database.transaction() as connection:
            firing = note(connection, alarm, operator(), at.clock.now())
        at.show.say("log_alarms.acknowledged" if firing else "log_alarms.none_fires", alarm=alarm, count=firing)
        raise typer.Exit(0 if firing else 1)


def _known(at: Desk, alarm: str) -> str:
    """Return the name of an alarm, if one is named; ends with 1 and the names that there are when it is none."""
    known = [name for log in at.settings.logs for name in log.alarm_names]
    if alarm and known and alarm not in known:
        at.show.say("log_alarms.unknown", name=alarm, known=", ".join(known))
        raise typer.Exit(1)
    return alarm


def _rows(at: Desk, wanted: list[Guarded], known: dict[Name, Standings]) -> Iterator[AlarmRow]:
    for one in wanted:
        stands = known.get(one.name)
        if stands is None or not stands.lines or stands.mark.digest != one.alarm.digest:
            why = "no_data" if stands is not None and stands.mark.digest == one.alarm.digest else "not_evaluated"
            text = at.show.text(f"why.{why}")
            yield AlarmRow(one.alarm.name, one.alarm.definition, "", "-", None, None, None, why, text, None, 0, 0)
        else:
            yield from (_row(at, one, line) for line in stands.lines.values())


def _row(at: Desk, guarded: Guarded, line: Line) -> AlarmRow:
    from cloudheal.logs.alarm_reasons import foremost
    from cloudheal.logs.alarm_telling import series_text

    alarm = guarded.alarm
    why = foremost(alarm, line).why
    return AlarmRow(
        alarm=alarm.name,
        log=alarm.definition,
        series=series_text(alarm.by, line.key),
        level=line.level.word,
        since=datetime.fromtimestamp(line.since, UTC),
        value=line.seen.value,
        period=datetime.fromtimestamp(line.period, UTC),
        why=why.value,
        why_fires=at.show.text(f"why.{why}"),
        muted_until=line.told.muted_until(alarm.mute),
        untold=line.told.untold,
        fired=line.fired,
        shown="-" if line.seen.value is None else f"{line.seen.value:.6g}",
    )
