"""A drill of the plainest kind: one simulated server is brought down, and the chain must bring it back by itself.

It is a scenario like any other, made for one server and one deed, so it is compared, cleaned up and told like any
other. What a deed makes a cloud say is known here for the deeds that take a server away; for others one writes a
scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from cloudheal.drills.ground import Ground
from cloudheal.drills.outcome import DrillReport
from cloudheal.drills.scenario import Scenario
from cloudheal.errors import RefusedError
from cloudheal.model.incident import Healed
from cloudheal.model.inventory import Known
from cloudheal.model.resource import Cloud
from cloudheal.record.inventory import everything
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import INCIDENT
from cloudheal.record.timelines import Spread, Times, spread, times_of
from cloudheal.settings.durations import written

#: What a person takes for the same: to see the alarm, log in, and bring the process back (the vendor's own estimate).
BY_HAND: Final = (timedelta(minutes=20), timedelta(minutes=30))


class OutageError(RefusedError):
    """There is no such outage to drill."""

    code = "drill.outage"


@dataclass(frozen=True, slots=True)
class _News:
    """What a cloud says of an outage: the type of its two alarms, how each is marked, and the trouble they are of."""

    type: str
    down: str
    back: str
    trouble: str
    well: str
    """The state of a server that works."""


_STOP: Final = _News("Instance:StateChange", "Stopped", "Running", "stopped", "Running")
_PING: Final = _News("cvm:ErrorEvent:PingUnreachable", "1", "0", "unreachable", "Running")
_DEEDS: Final[Mapping[Cloud, Mapping[str, _News]]] = {
    Cloud.ALIBABA: {"power_off": _STOP},
    Cloud.TENCENT: {"power_off": _PING, "hang": _PING},
}


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage to be drilled."""

    server: str
    deed: str
    within: timedelta
    """The longest time until the server is back."""
    apart: timedelta = timedelta()
    """How long to wait before, so that guards which count what was lately done let it be done again."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one outage; the times are of its incident, and absent when there was none."""

    report: DrillReport
    server: str
    times: Times | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Rounds:
    """What came of all of them."""

    rounds: tuple[Round, ...]
    healed: int
    to_heal: Spread

    @property
    def passed(self) -> bool:
        """True when every round came out as it must."""
        return all(one.report.passed for one in self.rounds)

    @property
    def rate(self) -> float:
        """Healed of all."""
        return self.healed / len(self.rounds) if self.rounds else 0.0


def stage_of(servers: Sequence[str]) -> Scenario:
    """Return a scenario whose stage has these servers; their ids say of which cloud they are."""
    cloud = Cloud.TENCENT if servers[0].startswith("ins-") else Cloud.ALIBABA
    return Scenario.model_validate(
        {
            "name": "outages",
            "description": {"en": "Outages of servers.", "zh": "服务器故障。"},
            "targets": {"ids": list(servers)},
            "steps": [{"server": {"state": "Running"}}],
            "stage": {"cloud": cloud.value},
        }
    )


def known_server(ground: Ground, id_: str) -> Known:
    """Return the server that people name. Raises OutageError when the inventory has not seen it."""
    with ground.database.snapshot() as connection:
        found = next((one for one in everything(connection) if one.resource.id.id == id_), None)
    if found is None:
        raise OutageError(
            f"{id_} is not in the inventory, so no rule can be for it",
            what_to_do="cloudheal instances lists what is known; a worker looks every few minutes.",
        )
    return found


def scenario_of(outage: Outage, cloud: Cloud, names: Mapping[str, str]) -> Scenario:
    """Return the scenario of an outage; `names` are what steps are called. Raises OutageError for an unknown deed."""
    news = _DEEDS[cloud].get(outage.deed.replace("-", "_"))
    if news is None:
        known = ", ".join(sorted(_DEEDS[cloud]))
        raise OutageError(
            f"what {outage.deed} makes {cloud} say is not known here; known are {known}",
            what_to_do="Write a scenario with a chaos step: cloudheal drill scenarios lists examples.",
        )
    within = written(outage.within)
    alarm, healed = {"type": news.type}, {"trouble": news.trouble, "healed": "healed"}
    steps: list[dict[str, Any]] = [{"name": names["apart"], "wait": written(outage.apart)}] if outage.apart else []
    steps += [
        {"name": names["down"], "chaos": {"do": outage.deed}},
        {"name": names["alarm.down"], "event": alarm | {"status": news.down}, "within": within},
        {"name": names["alarm.back"], "event": alarm | {"status": news.back}, "within": within},
        {"name": names["healed"], "verdict": healed, "within": within},
        {"name": names["back"], "server": {"state": news.well}, "within": within},
        {"name": names["one"], "never": {"verdict": {"trouble": news.trouble}}, "times": 2},
    ]
    return Scenario.model_validate(
        {
            "name": f"outage-{outage.deed.replace('_', '-')}",
            "description": {"en": f"{outage.server}: {outage.deed}", "zh": f"{outage.server}：{outage.deed}"},
            "targets": {"ids": [outage.server]},
            "steps": steps,
        }
    )


def round_of(ground: Ground, outage: Outage, report: DrillReport) -> Round:
    """Return what came of an outage, with the times of the incident that it opened."""
    mine = (INCIDENT.c.resource == outage.server) & (INCIDENT.c.detected >= millis_of(report.began))
    with ground.database.snapshot() as connection:
        chosen = sa.select(INCIDENT).where(mine).order_by(INCIDENT.c.detected).limit(1)
        row = connection.execute(chosen).mappings().one_or_none()
    times = None if row is None else times_of(row)
    return Round(report, outage.server, times, "" if row is None else row["verdict"] or "")


def rounds_of(rounds: list[Round]) -> Rounds:
    """Count what came of all rounds."""
    times = [one.times.to_heal for one in rounds if one.times and one.times.to_heal is not None]
    healed = sum(one.verdict == Healed.HEALED for one in rounds)
    return Rounds(tuple(rounds), healed, spread(times))
