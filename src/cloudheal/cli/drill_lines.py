"""Drills as lines for people and programs: what stands on record beside what the cloud shows now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.cli.desk import Desk
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.drill import DrillRow, DrillState
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import FINAL, SystemEvent
from cloudheal.pipeline.drills import NO_EVENT, NOT_SENT, NOT_SHOWN, NOT_SIMULATED, DrillDesk, Kept, Place
from cloudheal.record.system_events import known_events

COLUMNS = ("drill_id", "resource", "region", "event", "type", "not_before", "real", "state", "in_cloud", "problem")
_PREFIX = "Instance:"


@dataclass(frozen=True, slots=True)
class DrillLine:
    """The drill of one server; `status` is the cloud's word. Somebody else's event has no drill, state and person."""

    drill_id: str
    label: str
    resource: str
    region: str
    account: str
    event: str
    type: str
    not_before: datetime | None
    real: bool
    state: str
    status: str
    problem: str
    who: str
    created: datetime | None
    expires: datetime | None

    @property
    def in_cloud(self) -> str:
        """How the event stands there, beside the state of the drill."""
        return self.status


@dataclass(frozen=True, slots=True)
class CancelLine:
    """What came of taking one event back; `why` says why it was left alone, `open` that it may still go on."""

    drill_id: str
    resource: str
    event: str
    cancelled: bool
    why: str
    open: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one place showed; `code` is the vendor's code of what broke it off, empty where nothing did."""

    place: Place
    code: str
    strangers: tuple[DrillLine, ...]
    statuses: Mapping[str, str]


def lines_of(rows: Sequence[DrillRow], statuses: Mapping[str, str]) -> list[DrillLine]:
    """Return rows as lines, with the statuses of their events by id."""
    return [_line(one, statuses.get(one.event, "")) for one in rows]


def line_of_stranger(event: SystemEvent) -> DrillLine:
    """Return the line of a simulated event that no drill on record is about."""
    place, at = event.resource, event.published
    type_ = event.type.removeprefix(_PREFIX)
    about = (place.id, place.region, place.account, event.id, type_, event.not_before)
    return DrillLine(
        "", "", *about, real=False, state="", status=event.status, problem="", who="", created=at, expires=None
    )


def look_at(drills: DrillDesk, place: Place) -> Seen:
    """Look at one place: settle its drills, and list the simulated events of others."""
    try:
        rows = [one for one in drills.rows(live=True) if _place_of(one.resource) == place]
        statuses = {id_: one.status for id_, one in drills.settle(rows).items()}
        return Seen(place, "", tuple(line_of_stranger(one) for one in drills.strangers(place)), statuses)
    except (CloudTransientError, CloudPermanentError) as problem:
        return Seen(place, problem.vendor_code or problem.code, (), {})


def statuses_of(at: Desk, rows: Sequence[DrillRow], seen: Sequence[Seen]) -> Mapping[str, str]:
    """Return the statuses of events by id: as the cloud shows them, or as last heard where it was not read."""
    names = [(one.resource.cloud, one.resource.account, one.event) for one in rows if one.event]
    with at.database.snapshot() as connection:
        heard = {name[2]: one.event.status for name, one in known_events(connection, names).items()}
    ended = {one.event: one.problem for one in rows if one.event and one.state is DrillState.OVER}
    shown = {id_: status for one in seen for id_, status in one.statuses.items()}
    return {**heard, **ended, **shown}


def kept_line(one: Kept) -> CancelLine:
    """Return the line of a drill that was not taken back."""
    row, is_over = one.row, one.row.state is DrillState.OVER or one.why in FINAL
    return CancelLine(row.drill, row.resource.id, row.event, cancelled=False, why=one.why, open=not is_over)


def cancelled_line(row: DrillRow) -> CancelLine:
    """Return the line of a drill that was taken back."""
    return CancelLine(row.drill, row.resource.id, row.event, cancelled=True, why="", open=False)


def stranger_line(event: str, why: str) -> CancelLine:
    """Return the line of an event that no drill on record is about."""
    return CancelLine("", "", event, cancelled=not why, why=why, open=bool(why) and why not in FINAL)


def why_told(at: Desk, line: CancelLine) -> str:
    """Say why an event was left alone, one of our drills or of somebody else."""
    why = line.why
    if why == NOT_SHOWN and not line.resource:
        return at.show.text("drill.why.unknown")
    if why in {NOT_SHOWN, NOT_SIMULATED, NO_EVENT, NOT_SENT}:
        return at.show.text(f"drill.why.{why}")
    return at.show.text("drill.why.over", status=why) if why in FINAL else at.show.text("drill.why.code", code=why)


def places_of(at: Desk) -> list[Place]:
    """Return every place of the settings: cloud, account, region."""
    return [(one.cloud, one.id, region) for one in at.settings.accounts for region in one.regions]


def _place_of(resource: ResourceId) -> Place:
    return resource.cloud, resource.account, resource.region


def _line(row: DrillRow, status: str) -> DrillLine:
    return DrillLine(
        drill_id=row.drill,
        label=row.label,
        resource=row.resource.id,
        region=row.resource.region,
        account=row.resource.account,
        event=row.event,
        type=row.type.removeprefix(_PREFIX),
        not_before=row.not_before,
        real=row.real,
        state=row.state.value,
        status=status,
        problem=row.problem,
        who=row.who,
        created=row.created,
        expires=row.expires,
    )
