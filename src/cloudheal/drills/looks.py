"""Is it as expected? The facts there are about each server, from the tape, from clouds and from a simulator's journal.

An expectation is met when so many servers as it asks for have so many facts that fit. When it is not, whoever reads the
report wants to know what there was instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from cloudheal.drills.ground import Ground
from cloudheal.drills.scenario import CallTaken, EventStands, Expectation, ServerIs
from cloudheal.drills.tape import TAPED, Fact, tape
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.drills import drill_rows
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import SYSTEM_EVENT

#: Facts that a report shows for one step.
MOST_SHOWN = 6
#: An id, or another word of a document.
_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Mark:
    """From where on facts count: a row of the ledger, an entry of a simulator's journal, a time."""

    row: int
    entry: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether an expectation is met, since when, what met it or what there was instead, and who lacks it."""

    met: bool
    at: datetime | None
    seen: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at what became of one drill's servers."""

    ground: Ground
    servers: Sequence[ResourceId]
    orders: Sequence[str]
    """The drills by which the events of this one were ordered so far."""

    def judge(self, expected: Expectation, since: Mark, *, servers: int | None = None, times: int = 1) -> Judged:
        """Compare what there is since a mark with what is expected, of so many servers (None: all), so often."""
        return judged(list(self.facts(expected, since)), [one.id for one in self.servers], servers, times)

    def facts(self, expected: Expectation, since: Mark) -> Iterator[Fact]:
        """Yield what there is of the kind that is expected. A cloud that cannot be asked shows nothing."""
        kind, said = expected.said
        if kind in TAPED:
            with self.ground.database.snapshot() as connection:
                found = tape(connection, since.row, [one.id for one in self.servers])
            yield from found.facts(expected)
            return
        try:
            yield from list(self._shown(said, since))
        except (CloudTransientError, CloudPermanentError) as problem:
            yield Fact("", self.ground.clock.now(), f"the cloud does not answer: {problem.vendor_code}", fits=False)

    def _shown(self, said: object, since: Mark) -> Iterator[Fact]:
        match said:
            case ServerIs():
                yield from self._servers(said)
            case EventStands():
                yield from self._events(said, since)
            case CallTaken():
                yield from self._calls(said, since)

    def _servers(self, said: ServerIs) -> Iterator[Fact]:
        now = self.ground.clock.now()
        for (_, _, region), servers in by_place(self.servers).items():
            shown = self.ground.compute_of(servers[0]).servers(region, [one.id for one in servers])
            for one in servers:
                state = shown[one.id].state if one.id in shown else ""
                yield Fact(one.id, now, state or "no such server", state == said.state)

    def _events(self, said: EventStands, since: Mark) -> Iterator[Fact]:
        now = self.ground.clock.now()
        for (cloud, account, region), ids in self._ids(since).items():
            for event in self.ground.desk.drills_of(cloud, account).events(region, ids).values():
                if fnmatchcase(event.type, said.type):
                    yield Fact(event.resource.id, now, f"{event.id} {event.status}", event.status == said.status)

    def _ids(self, since: Mark) -> Mapping[tuple[Cloud, str, str], list[str]]:
        """Return the events about the servers: those that the drill created, and what was heard of since."""
        found: dict[tuple[Cloud, str, str], list[str]] = {}
        with self.ground.database.snapshot() as connection:
            for row in drill_rows(connection, drills=list(self.orders)) if self.orders else ():
                if row.event:
                    place = row.resource.cloud, row.resource.account, row.resource.region
                    found.setdefault(place, []).append(row.event)
            mine = SYSTEM_EVENT.c.resource.in_([one.id for one in self.servers])
            heard = sa.select(SYSTEM_EVENT).where(mine, SYSTEM_EVENT.c.first_heard >= millis_of(since.at))
            for event in connection.execute(heard):
                found.setdefault((Cloud(event.cloud), event.account, event.region), []).append(event.id)
        return {place: sorted(set(ids)) for place, ids in found.items()}

    def _calls(self, said: CallTaken, since: Mark) -> Iterator[Fact]:
        """Yield the calls that changed something; one about several servers counts for each that it names."""
        cloud = self.ground.cloud
        if cloud is None:
            return
        entries = cloud.control("GET", f"journal?since={since.entry}&kind=request&limit=100000")["entries"]
        for entry in entries:
            if not entry.get("changes"):
                continue
            words, at = _words_of(entry), datetime.fromisoformat(entry["at"]).astimezone(UTC)
            for one in self.servers:
                if one.id in words:
                    yield Fact(one.id, at, entry["action"], entry["action"] == said.action)


def judged(facts: Iterable[Fact], servers: Sequence[str], needed: int | None, times: int) -> Judged:
    """Say whether so many servers (None: all) have so many facts that fit."""
    by_server: dict[str, list[Fact]] = {one: [] for one in servers}
    others: list[Fact] = []
    for fact in facts:
        (by_server.get(fact.server, others)).append(fact)
    met = {
        server: fitting[times - 1]
        for server, mine in by_server.items()
        if len(fitting := [one for one in mine if one.fits]) >= times
    }
    wanted = len(servers) if needed is None else needed
    if len(met) >= wanted:
        last = sorted(met.values(), key=lambda one: one.at)[wanted - 1] if wanted else None
        return Judged(True, last.at if last else None, _texts(met.values()), ())
    missing = tuple(one for one in servers if one not in met)
    instead = [*(fact for one in missing for fact in by_server[one]), *others]
    return Judged(False, None, _texts(reversed(instead)), missing)


def by_place(servers: Iterable[ResourceId]) -> dict[tuple[Cloud, str, str], list[ResourceId]]:
    """Group servers by cloud, account and region."""
    found: dict[tuple[Cloud, str, str], list[ResourceId]] = {}
    for one in servers:
        found.setdefault((one.cloud, one.account, one.region), []).append(one)
    return found


def entry_of(ground: Ground) -> int:
    """Return the number of the last entry of the simulator's journal; 0 where there is none."""
    health: Any = ground.cloud.control("GET", "health") if ground.cloud else {}
    return int(health.get("journal", 0))


def _words_of(entry: object) -> frozenset[str]:
    """Return what an entry names, each name whole: an id may be the beginning of another one."""
    return frozenset(_WORD.findall(json.dumps(entry)))


def _texts(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return what facts say, each once, at most as many as anybody reads."""
    return tuple(dict.fromkeys(one.text for one in facts))[:MOST_SHOWN]
