"""The inventory: every resource that was ever seen, with its state as of a time; released ones stay, with everything.

Three things fill it: events (which know a state), descriptions by the cloud (which know all), and the absence of a
resource from both. An older observation never replaces a newer one, in whatever order they arrive. A description that
claims that a released resource is there is believed only when it is newer than any stale answer can be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.inventory import DELETED, RUNNING, STOPPED, Change, Description, Known, Sighting
from cloudheal.model.resource import Cloud, Resource, ResourceId, named
from cloudheal.record.bulk import Bulk, Row, among, texts, write
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import RESOURCE

#: A cloud's read may be as old as this.
STALE_READ = timedelta(seconds=60)
#: Names in one statement.
SLICE = 1000
_NAME = ("cloud", "account", "region", "kind", "id")
_PLACES = tuple(RESOURCE.c[name] for name in _NAME)
_ONE, _SOME = sa.select(RESOURCE).where(about(RESOURCE, "id")), sa.select(RESOURCE).where(among(RESOURCE.c.id, "ids"))
_DESCRIBED = sa.select(*_PLACES, *(RESOURCE.c[name] for name in ("as_of", "state", "name", "zone", "group", "tags")))
_DESCRIBED = _DESCRIBED.where(among(RESOURCE.c.id, "ids"), RESOURCE.c.described.is_not(None))
_OF_PLACE = ("of_cloud", "of_account", "of_region", "of_kind")
_AT: sa.BindParameter[int] = sa.bindparam("at", type_=sa.BigInteger)
_IN_PLACE = [RESOURCE.c[name] == sa.bindparam(f"of_{name}") for name in _NAME[:-1]]
_IS_THERE = sa.and_(*_IN_PLACE, among(RESOURCE.c.id, "ids"), RESOURCE.c.released.is_(None), RESOURCE.c.as_of <= _AT)
#: Rows are locked in one order before they are changed; SQLite has one writer and needs no locks.
_THERE = sa.select(RESOURCE.c.id).where(_IS_THERE).order_by(RESOURCE.c.id).with_for_update()
_RELEASE = sa.update(RESOURCE).where(_IS_THERE).values(state=DELETED, since=_AT, as_of=_AT, released=_AT)
_OLDER = RESOURCE.c.described.is_(None) | (RESOURCE.c.described <= sa.bindparam("at"))
_OTHERWISE_TAGGED = about(RESOURCE, "id") & _OLDER & (RESOURCE.c.tags != sa.bindparam("written"))
_RETAG = sa.update(RESOURCE).where(_OTHERWISE_TAGGED).values(tags=sa.bindparam("written"))
_ARE_NEWS = sa.select(RESOURCE.c.id).where(_OTHERWISE_TAGGED)
#: What wins when two observations bear the same instant: the end of a movement over the movement.
_RANKS = {DELETED: 2, RUNNING: 1, STOPPED: 1}


def known(connection: sa.Connection, subjects: Iterable[ResourceId]) -> dict[ResourceId, Known]:
    """Return what is known of resources; those never seen are absent."""
    found: dict[ResourceId, Known] = {}
    wanted = set(subjects)
    for part in _slices(sorted(wanted, key=_order)):
        # One is asked for with every run that is walked again.
        one = len(part) == 1
        asked: tuple[sa.Select[Any], dict[str, Any]]
        asked = (_ONE, names_of(part[0])) if one else (_SOME, {"ids": texts(subject.id for subject in part)})
        rows = ((_id(row), row) for row in connection.execute(*asked))
        found.update((name, _known(row, name)) for name, row in rows if name in wanted)
    return found


def described(connection: sa.Connection, subjects: Iterable[ResourceId]) -> dict[ResourceId, Resource]:
    """Return resources that their cloud has described; asked for every event that tells of a trouble."""
    wanted, found = set(subjects), dict[ResourceId, Resource]()
    for part in _slices(list(wanted)):
        rows = connection.execute(_DESCRIBED, {"ids": texts(subject.id for subject in part)})
        found.update((name, _resource(row, name)) for row in rows if (name := _id(row)) in wanted)
    return found


def everything(connection: sa.Connection) -> Iterator[Known]:
    """Yield all that is known of all resources, the released ones included."""
    streamed = connection.execution_options(yield_per=1000).execute(sa.select(RESOURCE))
    return map(_known, streamed)


def sight(connection: sa.Connection, sightings: Iterable[Sighting]) -> int:
    """Take in what events say; returns how many resources are known better now."""
    ordered = sorted(sightings, key=lambda one: (*_order(one.id), one.at, _RANKS.get(one.state, 0)))
    before = known(connection, (one.id for one in ordered if one.lock))
    better = 0
    for locks, some in groupby(ordered, key=lambda one: bool(one.lock)):
        part = list(some)
        better += (
            sum(_sight_lock(connection, one, before) for one in part) if locks else _sight_states(connection, part)
        )
    return better


def describe(connection: sa.Connection, descriptions: Iterable[Description]) -> list[Change]:
    """Take in what the cloud says; returns each description that was news, with what was known before."""
    ordered = sorted(descriptions, key=lambda one: one.id)
    before = known(connection, (one.id for one in ordered))
    return [Change(before.get(one.id), one) for one in ordered if _write_description(connection, one, stated=True)]


def fill_in(connection: sa.Connection, descriptions: Iterable[Description]) -> int:
    """Take in who servers are, and the state and locks of none that was known: what changed is for a sweep to find."""
    ordered = sorted(descriptions, key=lambda one: one.id)
    return sum(_write_description(connection, replace(one, locks=()), stated=False) for one in ordered)


def are_news(connection: sa.Connection, subject: ResourceId, tags: Mapping[str, str], at: datetime) -> bool:
    """Say whether the tags that a fresh look showed were not known, and nothing newer is."""
    return connection.execute(_ARE_NEWS, _shown(subject, tags, at)).first() is not None


def retag(connection: sa.Connection, subject: ResourceId, tags: Mapping[str, str], at: datetime) -> bool:
    """Take in the tags that a fresh look showed; False when they were known, or something newer is."""
    return connection.execute(_RETAG, _shown(subject, tags, at)).rowcount == 1


def _shown(subject: ResourceId, tags: Mapping[str, str], at: datetime) -> dict[str, Any]:
    return {**names_of(subject), "at": millis_of(at), "written": json.dumps(dict(tags), ensure_ascii=False)}


def release(connection: sa.Connection, subjects: Iterable[ResourceId], at: datetime) -> list[ResourceId]:
    """Say that resources are gone, as of `at`; returns those that were thought to be there."""
    gone: list[ResourceId] = []
    ordered = sorted(set(subjects), key=lambda one: (one.cloud, one.account, one.region, one.kind, one.id))
    for place, some in groupby(ordered, key=lambda one: (str(one.cloud), one.account, one.region, one.kind)):
        there = {**dict(zip(_OF_PLACE, place, strict=True)), "at": millis_of(at)}
        for part in _slices(list(some)):
            ids = connection.scalars(_THERE, {**there, "ids": texts(one.id for one in part)}).all()
            connection.execute(_RELEASE, {**there, "ids": texts(ids)})
            gone += [named(*place, id_) for id_ in ids]
    return gone


def not_seen_since(
    connection: sa.Connection, cloud: Cloud, account: str, region: str, kind: str, at: datetime
) -> list[ResourceId]:
    """Return the resources of a region that are thought to be there but were last described before `at`."""
    place = zip(_NAME, (str(cloud), account, region, kind), strict=False)
    there = sa.and_(*(RESOURCE.c[name] == value for name, value in place), RESOURCE.c.released.is_(None))
    old = there & (RESOURCE.c.described < millis_of(at)) & (RESOURCE.c.as_of < millis_of(at))
    return [_id(row) for row in connection.execute(sa.select(RESOURCE).where(old).order_by(RESOURCE.c.id))]


def not_described(connection: sa.Connection, cloud: Cloud, account: str, most: int) -> list[Known]:
    """Return resources to be described: never described, or started since (a start may change addresses)."""
    there = (RESOURCE.c.cloud == str(cloud)) & (RESOURCE.c.account == account) & RESOURCE.c.released.is_(None)
    restarted = (RESOURCE.c.state == RUNNING) & (RESOURCE.c.described < RESOURCE.c.since)
    wanting = there & (RESOURCE.c.kind == "instance") & (RESOURCE.c.described.is_(None) | restarted)
    rows = connection.execute(sa.select(RESOURCE).where(wanting).order_by(RESOURCE.c.first_seen).limit(most))
    return [_known(row) for row in rows]


def instances_called(connection: sa.Connection, called: str) -> list[Known]:
    """Return every instance of an id or a name, released or not, the newest first; names are used again."""
    chosen = (RESOURCE.c.kind == "instance") & ((RESOURCE.c.id == called) | (RESOURCE.c.name == called))
    rows = connection.execute(sa.select(RESOURCE).where(chosen).order_by(RESOURCE.c.first_seen.desc(), *_PLACES))
    return [_known(row) for row in rows]


def _sight_lock(connection: sa.Connection, seen: Sighting, before: Mapping[ResourceId, Known]) -> int:
    old = before.get(seen.id)
    values = {"locks": json.dumps(sorted({*(old.locks if old else ()), seen.lock}))}
    return _upsert(connection, {**_first(seen.id, millis_of(seen.at)), **values}, values, sa.true())


def _sight_states(connection: sa.Connection, seen: Iterable[Sighting]) -> int:
    """Take in what events say of states: one statement for all, because they come by the thousand."""
    return _STATED.write(connection, _STATES[connection.dialect.name], [_state_row(one) for one in seen])


def _state_row(seen: Sighting) -> Row:
    """Return a row in the order of `_STATED`."""
    named, at = seen.id, millis_of(seen.at)
    place = (str(named.cloud), named.account, named.region, named.kind, named.id)
    return *place, seen.state, at, at, at, at if seen.state == DELETED else None


def _states(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    """Return the statement that takes one state in, unless a newer one is known or the resource is gone."""
    told = insert.excluded
    rank, known_rank = _rank(told.state), _rank(RESOURCE.c.state)
    # Of one instant, what an event says stands over what a look showed, because the look began before its answer.
    further = (known_rank < rank) | ((RESOURCE.c.described == told.as_of) & (known_rank <= rank))
    newer = (RESOURCE.c.as_of < told.as_of) | ((RESOURCE.c.as_of == told.as_of) & further)
    values = {name: told[name] for name in ("state", "as_of", "since", "released")}
    return insert.on_conflict_do_update(
        index_elements=list(_NAME), set_=values, where=newer & RESOURCE.c.released.is_(None)
    )


def _rank(state: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """Rank a state in SQL, without parameters: `write` gives a statement none but columns."""
    ranks = [(state == _constant(f"'{name}'"), _constant(str(rank))) for name, rank in _RANKS.items()]
    return sa.case(*ranks, else_=_constant("0"))


def _constant(text: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(text)


#: What an event tells of a resource.
_STATED = Bulk((*_NAME, "state", "since", "as_of", "first_seen", "released"))
_STATES = {"sqlite": _states(sqlite.insert(RESOURCE)), "postgresql": _states(postgresql.insert(RESOURCE))}


@cache
def _described(dialect: str, *, grouped: bool, stated: bool) -> sqlite.Insert | postgresql.Insert:
    """Return the statement that takes one description in, with its group and its state or without, if it is believed.

    A column of the row is what the description says; `described` is when it was asked for.
    """
    insert = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(RESOURCE)
    told = insert.excluded
    may = RESOURCE.c.described.is_(None) | (RESOURCE.c.described <= told.described)
    stale = told.described - _constant(str(_length(STALE_READ)))
    believed = RESOURCE.c.released.is_(None) | (RESOURCE.c.released < stale)
    names = ("name", "zone", "tags", "attributes", "described", *(("group",) if grouped else ()))
    values: dict[str, Any] = {name: told[name] for name in names}
    if stated:
        at = told.described
        newer = (RESOURCE.c.as_of < at) | ((RESOURCE.c.as_of == at) & (RESOURCE.c.described == at))
        values |= {
            "state": sa.case((newer, told.state), else_=RESOURCE.c.state),
            "since": sa.case((newer & (RESOURCE.c.state != told.state), at), else_=RESOURCE.c.since),
            "as_of": sa.case((newer, at), else_=RESOURCE.c.as_of),
            "locks": told.locks,
            "released": _constant("NULL"),
        }
    return insert.on_conflict_do_update(index_elements=list(_NAME), set_=values, where=may & believed)


def _write_description(connection: sa.Connection, seen: Description, *, stated: bool) -> int:
    """Write who a resource is, and its state where it is `stated`; 0 when something newer is known."""
    at = millis_of(seen.at)
    row = {
        **_first(seen.id, at),
        "state": seen.state,
        "name": seen.name,
        "zone": seen.zone,
        **({} if seen.group is None else {"group": seen.group}),
        "tags": json.dumps(dict(seen.tags), ensure_ascii=False),
        "attributes": json.dumps(dict(seen.attributes), ensure_ascii=False),
        "locks": json.dumps(list(seen.locks)),
        "described": at,
    }
    statement = _described(connection.dialect.name, grouped=seen.group is not None, stated=stated)
    return write(connection, statement, [row])


def _first(subject: ResourceId, at: int) -> dict[str, object]:
    name = (str(subject.cloud), subject.account, subject.region, subject.kind, subject.id)
    return {**dict(zip(_NAME, name, strict=True)), "since": at, "as_of": at, "first_seen": at}


def _upsert(
    connection: sa.Connection, row: Mapping[str, object], values: Mapping[str, Any], when: sa.ColumnElement[bool]
) -> int:
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(RESOURCE).values(row)
    statement = insert.on_conflict_do_update(index_elements=list(_NAME), set_=dict(values), where=when)
    return len(connection.execute(statement.returning(RESOURCE.c.id)).all())


def groups_of_servers(connection: sa.Connection) -> list[str]:
    """Return the names of all groups that described servers are in."""
    column = RESOURCE.c.group
    return list(connection.scalars(sa.select(column).where(column != "").distinct().order_by(column)))


def _order(subject: ResourceId) -> tuple[str, str, str, str]:
    """Return by what resources are put in order; all writers lock them in the same one."""
    return subject.id, subject.account, subject.region, subject.kind


def _known(row: sa.Row[Any], name: ResourceId | None = None) -> Known:
    return Known(
        resource=_resource(row, name or _id(row)),
        since=moment_of(row.since),
        first_seen=moment_of(row.first_seen),
        locks=tuple(_read(row.locks)),
        attributes=_read(row.attributes),
        described=None if row.described is None else moment_of(row.described),
        released=None if row.released is None else moment_of(row.released),
    )


def _resource(row: sa.Row[Any], name: ResourceId) -> Resource:
    return Resource(name, moment_of(row.as_of), row.state, row.name, row.zone, row.group, _read(row.tags))


def _read(text: str) -> Any:
    """Read a column of JSON; each time a new document."""
    return {"{}": dict, "[]": list}[text]() if text in {"{}", "[]"} else from_json(text)


def _id(row: sa.Row[Any]) -> ResourceId:
    return named(row.cloud, row.account, row.region, row.kind, row.id)


def _slices(subjects: Sequence[ResourceId]) -> Iterator[Sequence[ResourceId]]:
    return (subjects[start : start + SLICE] for start in range(0, len(subjects), SLICE))


def _length(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
