"""When a stage takes everybody to be idle, so that its time may leap."""

from __future__ import annotations

import itertools
from pathlib import Path

import sqlalchemy as sa

from cloudheal.drills.stage.night import Night
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.record.database import open_database
from cloudheal.record.tables import PLAN, RUN
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator


def test_a_message_is_seen_on_its_way_from_the_queue_into_the_record(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    """It leaves the queue once it is committed: at no moment is it in neither place, and time does not leap over it."""
    database = open_database(f"sqlite:///{migrated(tmp_path / 'night.db')}")
    texts = dict.fromkeys(("incident", "rule", "playbook", "playbook_digest", "mode"), "")

    counted = itertools.count(1)

    def taken_in_while_they_are_counted() -> int:
        """At the second count commit what the message told, and delete it; count those that are left."""
        if next(counted) == 2:
            with database.transaction() as connection:
                connection.execute(sa.insert(RUN).values(id="run", state="planned", **texts))
                connection.execute(sa.insert(PLAN).values(run="run"))
        return 0

    night = Night(SimulatedCloud(simulator.url), database, taken_in_while_they_are_counted)
    assert [night.is_idle() for _ in range(4)] == [False] * 4
    with database.transaction() as connection:
        connection.execute(sa.update(PLAN).values(stale=False))
    assert [night.is_idle() for _ in range(2)] == [False, True]
    database.close()
