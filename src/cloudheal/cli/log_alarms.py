"""Alarms on logs as they stand: what fires, since when, and what keeps the others from firing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.logs.alarm_rounds import Line
    from cloudheal.pipeline.log_alarms import Guarded
    from cloudheal.record.log_alarms import Name, Standings

app = typer.Typer()


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


@app.command()
def alarms(
    config: Config = HERE,
    alarm: Annotated[str, typer.Argument(help="Only this alarm.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what does not fire.")] = False,
    as_json: AsJson = False,
) -> None:
    """List alarms on logs: what fires and since when; --json lists every series."""
    from cloudheal.app.log_alarms import guarded_of
    from cloudheal.record.log_alarms import standings

    with desk(config, as_json=as_json) as at:
        wanted = [one for one in guarded_of(at.settings) if alarm in {"", one.alarm.name}]
        with at.database.snapshot() as connection:
            known = {one.name: one for one in standings(connection)}
        rows = list(_rows(at, wanted, known))
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
                "value",
                "period",
                "why_fires",
                "muted_until",
                "untold",
            )
            at.show.rows("title.log_alarms", shown, columns)


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
    )
