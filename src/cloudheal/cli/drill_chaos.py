"""`drill chaos DEED SERVER`: bring a simulated server down, see it brought back, and tell how long each part took.

Several servers, or `--times`, make several outages, told in one table with the rate and the times. A real account has
no such deeds: preflight refuses, and nothing is sent anywhere. It ends with 0 when every server was brought back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import product, takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import Desk, desk
from cloudheal.cli.drill_run import Signals, drilled_on, ground_on, known_language, staged, tell
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.drills.outages import Outage, Round, Rounds
    from cloudheal.drills.stage.setting_up import Stage

app = typer.Typer()
_NAMES = ("apart", "down", "alarm.down", "alarm.back", "healed", "back", "one")
_COLUMNS = ("round", "server", "result", "to_detect", "to_act", "to_heal", "verdict")


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One outage as people read it."""

    round: int
    server: str
    result: str
    to_detect: timedelta | None
    to_act: timedelta | None
    to_heal: timedelta | None
    verdict: str


@app.command()
def chaos(
    deed: Annotated[str, typer.Argument(help="What befalls them: power_off, hang.", metavar="DEED")],
    servers: Annotated[list[str], typer.Argument(metavar="SERVER", help="Ids of servers, one outage after another.")],
    times: Annotated[int, typer.Option(min=1, max=100, help="So many outages of each server.")] = 1,
    within: Annotated[str, typer.Option(help="The longest time until a server is back.")] = "15m",
    apart: Annotated[
        str, typer.Option(help="Wait so long before each outage but the first: many in a few minutes are a storm.")
    ] = "6m",
    config: Config = HERE,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="On a simulated cloud and a handler of its own; no settings are read.")
    ] = False,
    language: Annotated[str, typer.Option(help="With --simulator: en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Bring servers of a simulated cloud down and see them healed: alarms, one incident, the process back, the time."""
    from cloudheal.drills.outages import rounds_of, stage_of

    known_language(language)
    outages = _outages(deed, servers, times, within, apart)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        ground = stage_of(servers) if simulator else None
        stage = stack.enter_context(staged(ground, language, as_json=as_json)) if ground else None
        at = stack.enter_context(desk(stage.config if stage else config, as_json=as_json))
        names = {name: at.show.text(f"drill.chaos.{name}") for name in _NAMES}
        begun = takewhile(lambda _: not signals.told(), outages)
        found = rounds_of([_round(at, one, names, signals, stage) for one in begun])
        _tell(found, at)
    raise typer.Exit(0 if found.passed and len(found.rounds) == len(outages) else 1)


def _outages(deed: str, servers: Sequence[str], times: int, within: str, apart: str) -> list[Outage]:
    from cloudheal.drills.outages import Outage

    limit, pause = _length(within, "--within"), _length(apart, "--apart")
    pairs = list(product(range(times), servers))
    return [Outage(server, deed, limit, pause if number else timedelta()) for number, (_, server) in enumerate(pairs)]


def _length(text: str, option: str) -> timedelta:
    from cloudheal.settings.durations import duration_of

    try:
        return duration_of(text)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=option) from None


def _round(at: Desk, outage: Outage, names: Mapping[str, str], signals: Signals, stage: Stage | None) -> Round:
    from cloudheal.drills.outages import known_server, round_of, scenario_of

    ground = ground_on(at, signals, stage)
    scenario = scenario_of(outage, known_server(ground, outage.server).resource.id.cloud, names)
    report = drilled_on(ground, at, scenario)
    if not at.show.as_json:
        tell(report, at)
    return round_of(ground, outage, report)


def _tell(found: Rounds, at: Desk) -> None:
    """Tell all rounds in one table, and what that is beside a person's work."""
    from cloudheal.cli.report import rate
    from cloudheal.drills.outages import BY_HAND

    if at.show.as_json:
        at.show.document(document_of(found))
        return
    rows = [_row(number, one, at) for number, one in enumerate(found.rounds, 1)]
    at.show.rows("title.drill.chaos", rows, _COLUMNS)
    numbers = {"healed": found.healed, "count": len(found.rounds), "rate": rate(found.rate)}
    at.show.say("drill.chaos.sum", **numbers, median=found.to_heal.median, p95=found.to_heal.p95)
    if found.to_heal.median is not None:
        saved = 1 - found.to_heal.median / BY_HAND[0]
        at.show.say("drill.chaos.by_hand", least=BY_HAND[0], most=BY_HAND[1], saved=rate(max(saved, 0.0)))


def _row(number: int, one: Round, at: Desk) -> RoundRow:
    result = at.show.text(f"drill.result.{'pass' if one.report.passed else 'fail'}")
    times = one.times
    return RoundRow(
        round=number,
        server=one.server,
        result=result,
        to_detect=times.to_detect if times else None,
        to_act=times.to_act if times else None,
        to_heal=times.to_heal if times else None,
        verdict=one.verdict,
    )


def document_of(found: Rounds) -> dict[str, object]:
    """Return the rounds for programs."""
    from dataclasses import asdict

    from cloudheal.cli.drill_run import document_of as report_document

    rounds = [
        {"server": one.server, "verdict": one.verdict, "times": asdict(one.times) if one.times else None}
        | {"report": report_document(one.report)}
        for one in found.rounds
    ]
    return {"passed": found.passed, "healed": found.healed, "rate": found.rate, "to_heal": asdict(found.to_heal)} | {
        "rounds": rounds
    }
