"""How runs begin: at once where few are at work, by the queue where many are, and the first no slower than others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.act import engine
from cloudheal.clouds.alibaba.events import INTERRUPTION
from cloudheal.record.promotions import promote
from cloudheal.record.tables import METADATA, RUN
from tests.flow.operators import until
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

SERVERS = [f"i-bp1web{number}" for number in range(4)]
SPOT = "i-bp1spot1"
RULES = [
    {
        "name": "restart",
        "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"all": True},
        "desired": "on",
        "playbook": "restart_stopped",
        "mode": "auto",
        "limits": {"at_once": 10, "share": 1.0, "storm_share": 1.0, "storm_members": 100},
    },
    {
        "name": "leave",
        "when": {"type": [INTERRUPTION]},
        "resources": {"all": True},
        "playbook": "spot_evacuate",
        "mode": "auto",
    },
]
#: What was put into the engine's table by a worker: by which queue, if any, a run began.
LOOKS = sa.table("workflow_status", sa.column("workflow_uuid"), sa.column("queue_name"), sa.column("status"))


@pytest.fixture
def worker(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker whose rules may act."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([*({"id": one} for one in SERVERS), {"id": SPOT, "spot": True}]))
    with watching(simulator, settings_of(simulator, tmp_path, rules=RULES)) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.settings.rules, "test", one.app.clock.now())
        yield one


def looks(worker: Watching) -> dict[str, tuple[str, str]]:
    """Return by run the queue by which its first look came and how that stands."""
    with worker.app.database.snapshot() as connection:
        rows = connection.execute(sa.select(LOOKS)).all()
    return {row.workflow_uuid.partition("/")[0]: (row.queue_name or "", row.status) for row in rows}


def kept(worker: Watching) -> dict[str, int]:
    """Count everything on record but what the chores of a worker write by themselves."""
    by_themselves = {"worker", "seal", "watch", "lease"}
    return {name: len(worker.rows(table)) for name, table in METADATA.tables.items() if name not in by_themselves}


def fell(worker: Watching, count: int) -> list[str]:
    """Have servers stop and be healed; returns how each run began."""
    worker.chaos("power_off", *SERVERS[:count])
    worker.advance(1)
    until(lambda: worker.drain() == 0 and len(worker.rows(RUN)) >= count, what="a run for each")
    ended = worker.until_ended(count)
    assert [row.verdict for row in ended] == ["healed"] * count
    return sorted(looks(worker)[row.id][0] for row in worker.rows(RUN))


def test_a_run_begins_without_the_queue_where_few_are_at_work(worker: Watching) -> None:
    """The process that committed it begins it, as it begins what hurries: nobody waits for the queue's next poll."""
    assert fell(worker, 2) == ["", ""]


def test_runs_beyond_the_few_are_queued(worker: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number is the queue's to keep, and other workers may take them; each is healed all the same."""
    monkeypatch.setattr(engine, "FEW_AT_WORK", 1)
    began = fell(worker, 4)
    assert began.count(engine.QUEUE) >= 2


def test_a_worker_that_is_drained_queues_everything(worker: Watching) -> None:
    """Whatever comes then is left to others, or for later; a poll of the queue that was under way may take one more."""
    worker.app.engine.hold(held=True)
    worker.chaos("power_off", SERVERS[0])
    worker.advance(1)
    until(lambda: worker.drain() == 0 and bool(worker.rows(RUN)), what="a run")
    (run,) = worker.rows(RUN)
    assert looks(worker)[run.id][0] == engine.QUEUE
    assert not worker.app.go_ahead()


def test_what_is_done_ahead_of_time_leaves_nothing(worker: Watching) -> None:
    """No row of ours, no call to the cloud; the look of no run has ended, and nothing counts as at work."""
    before = kept(worker)
    assert worker.app.go_ahead()
    until(lambda: [status for _, status in looks(worker).values()] == ["SUCCESS"], what="the end of the look")
    assert kept(worker) == before
    assert [one for one in worker.simulator.journal(kind="request") if one["service"] != "mns"] == []
    assert not worker.app.is_busy()


def test_an_interruption_after_it_is_one_like_any_other(worker: Watching) -> None:
    """The server that there is not is forgotten; the one that is taken away is left by its run."""
    assert worker.app.go_ahead()
    worker.chaos("reclaim", SPOT)
    until(lambda: worker.drain() == 0 and bool(worker.rows(RUN)), what="a run")
    (ended,) = worker.until_ended(1)
    assert (ended.resource, ended.trouble, ended.verdict) == (SPOT, "interruption", "not needed")
