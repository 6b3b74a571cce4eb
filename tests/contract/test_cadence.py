"""When servers are looked at again: at the cadence of the settings, moved at random, so that nobody calls in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import sqlalchemy as sa

from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.intake import Intake
from cloudheal.pipeline.polling import MISSING_AT_ONCE, Cadence, Poller, Watched
from cloudheal.ports.fleet import Announcements
from cloudheal.record.database import Database
from cloudheal.record.tables import POLL, RESOURCE
from cloudheal.testing.clock import VirtualClock
from tests.contract.test_budget import rules_with, worker
from tests.contract.test_plan_of_many import Between

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


class Nobody:
    """An account without servers."""

    def sweep(self, _region: str, _members: object) -> Iterator[Sequence[Description]]:
        """Yield no page."""
        yield from ()

    def members(self, _region: str) -> Sequence[tuple[object, str]]:
        """Return nobody."""
        return ()

    def reclaimed(self, _region: str) -> Iterator[Sequence[Description]]:
        """Yield no page."""
        yield from ()

    def look(self, _region: str, _ids: Sequence[str]) -> Iterator[Description]:
        """Describe nobody."""
        yield from ()


@pytest.mark.parametrize(("drawn", "later"), [(0.0, 1.0), (0.5, 1.05), (1.0, 1.1)])
def test_a_look_is_due_again_up_to_a_tenth_later(database: Database, drawn: float, later: float) -> None:
    """Never sooner than the settings say, and not at the same moment as every other installation."""
    watched = Watched(Cloud.ALIBABA, "1", ("cn-a",), Nobody(), cast("Announcements", None))  # type: ignore[arg-type]
    clock, nothing = VirtualClock(NOON), cast("Intake", None)  # nobody is described, so nothing is taken in
    poller = Poller(database, nothing, "w", [watched], Cadence(QUARTER, None), clock, lambda: drawn)
    assert poller.tick() == 2
    with database.snapshot() as connection:
        rows = {row.name: row.due for row in connection.execute(sa.select(POLL))}
    assert rows["sweep/alibaba/1/cn-a"] == round((NOON + QUARTER * later).timestamp() * 1000)
    assert poller.tick() == 0


def test_servers_that_are_gone_by_the_hundred_are_released_in_parts(database: Database) -> None:
    """A region was left: what decides meanwhile waits for a part of it, not for thousands of releases."""
    many, gone, way = 2 * MISSING_AT_ONCE + 5, list[int](), worker(database, rules_with(), "w")
    names = [ResourceId(Cloud.ALIBABA, "1", "cn-a", "instance", f"i-{number:04}") for number in range(many)]
    way.learn([Description(one, NOON, "Running") for one in names])

    def released() -> None:
        with database.snapshot() as connection:
            found = sa.select(sa.func.count()).where(RESOURCE.c.released.is_not(None))
            gone.append(connection.scalar(found) or 0)

    watched = Watched(Cloud.ALIBABA, "1", ("cn-a",), Nobody(), cast("Announcements", None))  # type: ignore[arg-type]
    intake, clock = replace(way, store=Between(database, released)), VirtualClock(NOON + QUARTER)
    Poller(database, intake, "w", [watched], Cadence(QUARTER, None), clock, lambda: 0.0).tick()
    assert gone[:3] == [MISSING_AT_ONCE, 2 * MISSING_AT_ONCE, many]
