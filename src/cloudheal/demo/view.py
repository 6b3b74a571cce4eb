"""What the demo shows while it runs: read from the engine's own database, through its read connections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cloudheal.demo.fleet import SCENES
from cloudheal.record.database import Database
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, INCIDENT, RESOURCE, RUN, STEP

COLOURS = {
    "healed": "green",
    "not healed": "red",
    "not needed": "cyan",
    "waiting": "yellow",
    "left alone": "blue",
    "unknown": "red",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one server's trouble stands: verdict (or where it is on the way), code, seconds from stop to verdict."""

    verdict: str
    code: str
    seconds: float | None
    steps: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the view shows, at one moment."""

    standings: Mapping[str, Standing]
    events: int
    dead_letters: int
    known: int

    @property
    def settled(self) -> bool:
        """True when every scene has come to its end."""
        return all(one.id in self.standings and self.standings[one.id].verdict in COLOURS for one in SCENES)


def picture(database: Database) -> Picture:
    """Read how everything stands; an empty picture while the engine has not made its tables yet."""
    try:
        with database.snapshot() as connection:
            counts = [_count(connection, table) for table in (EVENT, DEAD_LETTER, RESOURCE)]
            return Picture(_standings(connection), *counts)
    except sa.exc.OperationalError:
        return Picture({}, 0, 0, 0)


def shown(now: Picture, texts: Mapping[str, str]) -> RenderableType:
    """Draw the picture."""
    table = Table(title=texts["table"], title_justify="left", expand=False)
    for column in ("server", "happened", "stands", "because", "steps", "seconds"):
        table.add_column(texts[column], no_wrap=column == "because")
    for scene in SCENES:
        one = now.standings.get(scene.id)
        stands = Text(texts[one.verdict], style=COLOURS.get(one.verdict, "white")) if one else Text("...")
        seconds = f"{one.seconds:.1f}" if one and one.seconds is not None else ""
        steps = str(one.steps) if one and one.steps else ""
        table.add_row(scene.name, texts[scene.happens], stands, one.code if one else "", steps, seconds)
    return Group(table, Text(texts["counts"].format(events=now.events, dead=now.dead_letters), style="dim"))


def _standings(connection: sa.Connection) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    refused = sa.select(EVENT.c.resource, DECISION.c.reason).join(EVENT, EVENT.c.id == DECISION.c.event)
    for row in connection.execute(refused.where(DECISION.c.reason == "not_selected")):
        found[row.resource] = Standing("left alone", row.reason, None, 0)
    steps = sa.select(sa.func.count()).where(STEP.c.run == RUN.c.id).scalar_subquery().label("steps")
    joined = sa.select(INCIDENT, RUN.c.state, RUN.c.waits_for, steps).join(RUN, RUN.c.incident == INCIDENT.c.id)
    for incident in connection.execute(joined.order_by(INCIDENT.c.detected)).mappings():
        found[incident["resource"]] = _standing(incident)
    return found


def _standing(row: sa.RowMapping) -> Standing:
    if row["ended"] is not None:
        code = str(json.loads(row["evidence"]).get("code", ""))
        return Standing(row["verdict"], code, (row["ended"] - row["occurred"]) / 1000, row["steps"])
    patient = row["state"] in {"waiting", "asking"} and row["waits_for"] == "held"
    return Standing("waiting" if patient else "working", row["waits_for"] or row["state"], None, row["steps"])


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
