"""What the demo shows while it runs: read from the engine's own database, through its read connections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cloudheal.demo.scenes import SCENES
from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel
from cloudheal.model.incident import StepKind
from cloudheal.record.database import Database
from cloudheal.record.lists import EventRow, Narrow, RunRow, list_events, list_runs
from cloudheal.record.moments import moment_of
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, INCIDENT, RESOURCE, RUN, STEP
from cloudheal.sense.inventory import STATE_CHANGE

ZONE = ZoneInfo("Asia/Shanghai")
COLOURS = {
    "healed": "green",
    "not healed": "red",
    "not needed": "cyan",
    "waiting": "yellow",
    "left alone": "blue",
    "unknown": "red",
}
#: States of a run that nobody works on: it waits for its cause to end, or for a person.
_PATIENT = frozenset({"waiting", "asking", "parked"})
#: Lines of the two feeds.
FEED = 5
#: Steps that only keep something on record are no acts.
_ACTS = STEP.c.kind != StepKind.READ.value


@dataclass(frozen=True, slots=True)
class Standing:
    """How one server's trouble stands: verdict (or where it is on the way), code, seconds so far, what was done.

    `healed_in` are the seconds that each of its heals took, from the trouble to the verdict.
    """

    verdict: str
    code: str
    seconds: float | None
    steps: int
    healed_in: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the view shows, at one moment; `heard` are the events that the clouds brought."""

    standings: Mapping[str, Standing]
    events: int
    dead_letters: int
    known: int
    heard: int = 0
    latest: Sequence[EventRow] = ()
    runs: Sequence[tuple[RunRow, str]] = ()
    incidents: Mapping[str, int] = field(default_factory=dict)
    """How many there were, by server."""

    @property
    def settled(self) -> bool:
        """True when every scene has come to its end."""
        return all(one.id in self.standings and self.standings[one.id].verdict in COLOURS for one in SCENES)


def picture(database: Database) -> Picture:
    """Read how everything stands; an empty picture while the engine has not made its tables yet."""
    try:
        with database.snapshot() as connection:
            events, dead, known = (_count(connection, table) for table in (EVENT, DEAD_LETTER, RESOURCE))
            latest = [one for one in list_events(connection, Narrow(limit=10 * FEED)) if _is_of_interest(one)][:FEED]
            runs = [(one, _last_step(connection, one.id)) for one in list_runs(connection, Narrow(limit=FEED))]
            told = (Channel.QUEUE.value, Channel.WEBHOOK.value)
            heard = sa.select(sa.func.count()).where(EVENT.c.channel.in_(told))
            queued = connection.scalar(heard) or 0
            return Picture(_standings(connection), events, dead, known, queued, latest, runs, _incidents(connection))
    except sa.exc.OperationalError:
        return Picture({}, 0, 0, 0)


def shown(now: Picture, at: datetime, texts: Mapping[str, str]) -> RenderableType:
    """Draw the picture."""
    counts = texts["counts"].format(events=now.events, dead=now.dead_letters)
    head = Text(f"{at.astimezone(ZONE):%H:%M:%S}  {counts}", style="bold")
    return Group(head, _scenes(now, texts), _events(now.latest, texts), _runs(now.runs, texts))


def _scenes(now: Picture, texts: Mapping[str, str]) -> Table:
    table = _table(texts, "table", ("server", "stands", "because", "steps", "seconds"))
    for scene in SCENES:
        one = now.standings.get(scene.id)
        if one is None:
            table.add_row(scene.name, *("",) * 4, style="dim")
            continue
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        stands = Text(texts[one.verdict], style=COLOURS.get(one.verdict, "white"))
        table.add_row(scene.name, stands, one.code, str(one.steps or ""), seconds)
    return table


def _events(latest: Sequence[EventRow], texts: Mapping[str, str]) -> Table:
    names = {scene.id: scene.name for scene in SCENES}
    table = _table(texts, "events", ("time", "server", "event", "decision"))
    for one in latest:
        when = f"{one.occurred.astimezone(ZONE):%H:%M:%S}"
        what = one.status if one.type == STATE_CHANGE else texts.get(f"event.{one.type}.{one.status}", texts["reclaim"])
        reasons = ", ".join(decision.rpartition(": ")[2] for decision in one.decisions)
        table.add_row(when, names.get(one.resource, one.resource), what, reasons)
    return table


def _runs(runs: Sequence[tuple[RunRow, str]], texts: Mapping[str, str]) -> Table:
    names = {scene.id: scene.name for scene in SCENES}
    table = _table(texts, "runs", ("server", "playbook", "state", "last_step"))
    for run, step in runs:
        table.add_row(names.get(run.resource, run.resource), run.playbook, run.waits_for or run.state, step)
    return table


def _table(texts: Mapping[str, str], title: str, columns: Sequence[str]) -> Table:
    table = Table(title=texts[title], title_justify="left", expand=False)
    for column in columns:
        table.add_column(texts[column], no_wrap=True)
    return table


def _is_of_interest(event: EventRow) -> bool:
    """Say whether a rule decided on an event: most only tell that a server goes through its states."""
    return any(not decision.endswith("no_rule") for decision in event.decisions)


def _last_step(connection: sa.Connection, run: str) -> str:
    newest = sa.select(STEP.c.name, STEP.c.outcome).where(STEP.c.run == run, _ACTS).order_by(STEP.c.number.desc())
    row = connection.execute(newest.limit(1)).one_or_none()
    return "" if row is None else f"{row.name}: {row.outcome or '...'}"


def _standings(connection: sa.Connection) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    refused = sa.select(EVENT.c.resource, DECISION.c.reason).join(EVENT, EVENT.c.id == DECISION.c.event)
    for row in connection.execute(refused.where(DECISION.c.reason == "not_selected")):
        found[row.resource] = Standing("left alone", row.reason, None, 0)
    steps = sa.select(sa.func.count()).where(STEP.c.run == RUN.c.id, _ACTS).scalar_subquery().label("steps")
    # Whoever waits for a person waits for the reason of the last decision, also when nobody answered in time.
    about = (DECISION.c.incident == INCIDENT.c.id) & (DECISION.c.reason != Reason.JOINED.value)
    newest = sa.select(DECISION.c.reason).where(about).order_by(DECISION.c.id.desc())
    why = newest.limit(1).scalar_subquery().label("why")
    joined = sa.select(INCIDENT, RUN.c.state, RUN.c.waits_for, steps, why).join(RUN, RUN.c.incident == INCIDENT.c.id)
    troubles = {scene.id: scene.trouble for scene in SCENES}
    for incident in connection.execute(joined.order_by(INCIDENT.c.detected)).mappings():
        if incident["trouble"] != troubles.get(incident["resource"]):
            continue  # what a reclaim leaves behind is not its end
        before = found.get(incident["resource"])
        found[incident["resource"]] = _standing(incident, before.healed_in if before else ())
    return found


def _standing(row: sa.RowMapping, before: tuple[float, ...]) -> Standing:
    if row["ended"] is not None:
        code = str(json.loads(row["evidence"]).get("code", ""))
        seconds = (moment_of(row["ended"]) - moment_of(row["occurred"])).total_seconds()
        healed = (*before, seconds) if row["verdict"] == "healed" else before
        return Standing(row["verdict"], code, seconds, row["steps"], healed)
    verdict = "waiting" if row["state"] in _PATIENT else "working"
    waits_for = row["why"] if row["waits_for"] == Reason.ASK_EXPIRED else row["waits_for"]
    return Standing(verdict, waits_for or row["state"], None, row["steps"], before)


def _incidents(connection: sa.Connection) -> dict[str, int]:
    counted = sa.select(INCIDENT.c.resource, sa.func.count()).group_by(INCIDENT.c.resource)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
