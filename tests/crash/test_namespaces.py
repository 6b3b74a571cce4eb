"""A worker on a host of its own, whose link to the database goes down while the one to the cloud stands.

The same promise as in `test_two_workers`, with nothing between the worker and its database but a real network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.crash.cable import Cable
from tests.crash.hosts import Host, not_allowed
from tests.crash.rounds import Round, effects, fresh, keys, known_ids, open_url
from tests.crash.scenarios import RESTART, WEB
from tests.crash.test_two_workers import INTENT, LEASE, SENDING, is_frozen, output, thaw
from tests.network import changed
from tests.sim.simulator import RunningSimulator, started

pytestmark = pytest.mark.timeout(300)
STOP = 19


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with two links."""
    if reason := not_allowed():
        pytest.skip(reason)
    with changed(), Host() as ready:
        yield ready


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """A simulator, here."""
    running = started()
    yield running
    running.stop()


@pytest.fixture
def near(simulator: RunningSimulator, postgres_url: str, tmp_path: Path) -> Round:
    """A round whose workers run here."""
    keys()
    fresh(postgres_url)
    prepared = Round(simulator, postgres_url, tmp_path, RESTART, LEASE)
    prepared.prepare()
    return prepared


@pytest.fixture
def far(near: Round, host: Host) -> Iterator[Round]:
    """The same round for workers on the host: cloud and database have addresses on its two links."""
    database = open_url(near.url)
    socket = f"{database.query['host']}/.s.PGSQL.5432"
    name, _, port = near.simulator.address.partition(":")
    with (
        Cable(partial(asyncio.open_unix_connection, socket), host=host.database.here) as to_database,
        Cable(partial(asyncio.open_connection, name, int(port)), host=host.cloud.here) as to_cloud,
    ):
        url = sa.make_url(near.url).set(host=host.database.here, port=to_database.port, query={})
        cloud = replace(near.simulator, url=f"http://{host.cloud.here}:{to_cloud.port}")
        yield replace(near, simulator=cloud, url=url.render_as_string(hide_password=False))


@pytest.mark.parametrize("point", [pytest.param(INTENT, marks=pytest.mark.soak), SENDING])
def test_a_worker_whose_link_to_the_database_is_down_acts_no_more_and_stops(
    near: Round, far: Round, host: Host, point: str
) -> None:
    """It reaches the cloud and no database: it ends by itself and says why, another one finishes, one start."""
    first = far.worker("first", point, STOP, network=host.name)
    try:
        assert near.until(lambda: is_frozen(first)), output(near)
        assert Path(f"/proc/{first.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        host.database.down()
        thaw(first)
        second = near.worker("second")
        assert near.until(near.over), output(near)
        first.join(30)
        assert first.exitcode == 1, output(near)
        assert "reason=database_lost" in output(near)
        assert near.ended(second) == 0
    finally:
        first.kill()
    assert near.seen(died=True).problems == (), output(near)
    started_times = effects(near.simulator, known_ids(RESTART))[f"instance.status {WEB} Stopped > Starting"]
    assert started_times == 1, output(near)
