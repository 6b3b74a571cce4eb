"""Two or three workers on one PostgreSQL: one is cut off, frozen or killed, and nobody acts twice.

What one of them does is stopped at exactly chosen points by a signal that it sends itself; only then the cable to its
database is cut, or time passes.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.ledger import Kind
from cloudheal.record.tables import LEDGER, WORKER
from tests.crash.cable import Cable
from tests.crash.rounds import Round, effects, fresh, keys, known_ids, open_url
from tests.crash.scenarios import RESTART, WEB
from tests.sim.signing import ECS, HandSigned
from tests.sim.simulator import RunningSimulator

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="whether a process is frozen is read from /proc"),
]

LEASE = 3.0
INTENT = "commit step+run+ledger+incident #1 after"
SENDING, ANSWERED = "call StartInstance #1 before", "answer StartInstance #1 after"
SENT = SENDING.rpartition(" ")[0]
CONCLUDING = "commit step+ledger #1 before"
BEGUN = "commit run+ledger #1 after"


@pytest.fixture
def place(simulator: RunningSimulator, postgres_url: str, tmp_path: Path) -> Round:
    """A stopped server, its event on the queue, and an empty PostgreSQL."""
    keys()
    fresh(postgres_url)
    prepared = Round(simulator, postgres_url, tmp_path, RESTART, LEASE)
    prepared.prepare()
    return prepared


@pytest.fixture
def cable(postgres_url: str) -> Iterator[Cable]:
    """A cable to the database, which can be cut."""
    socket = f"{open_url(postgres_url).query['host']}/.s.PGSQL.5432"
    with Cable(partial(asyncio.open_unix_connection, socket)) as plugged:
        yield plugged


def through(cable: Cable, url: str) -> str:
    """Return the URL of the database at the far end of a cable."""
    far = sa.make_url(url).set(host="127.0.0.1", port=cable.port, query={})
    return far.render_as_string(hide_password=False)


def is_frozen(process: BaseProcess) -> bool:
    """Say whether a process was stopped by SIGSTOP."""
    file = Path(f"/proc/{process.pid}/stat")
    try:
        return file.read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False  # it has ended meanwhile


def thaw(process: BaseProcess) -> None:
    """Let a frozen process go on."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)


def told(place: Round, kind: Kind) -> list[datetime]:
    """Return when the ledger tells something."""
    with sa.create_engine(open_url(place.url), poolclass=sa.NullPool).connect() as connection:
        rows = connection.scalars(sa.select(LEDGER.c.at).where(LEDGER.c.kind == kind.value).order_by(LEDGER.c.id))
        return [datetime.fromtimestamp(at / 1000).astimezone() for at in rows]


def output(place: Round) -> str:
    """Return what the workers said."""
    return (place.folder / "output").read_text()


def starts(place: Round) -> int:
    """Count how often the server began to start by a call."""
    return effects(place.simulator, known_ids(RESTART))[f"instance.status {WEB} Stopped > Starting"]


@pytest.fixture
def workers(place: Round) -> Iterator[Callable[..., BaseProcess]]:
    """Start workers, and leave none behind."""
    running: list[BaseProcess] = []

    def start(name: str, point: str = "", number: int = signal.SIGSTOP, url: str = "") -> BaseProcess:
        running.append(place.worker(name, point, number, url))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.join()


@pytest.mark.parametrize(
    ("how", "point"),
    [
        *((Cable.cut, point) for point in (INTENT, SENDING, CONCLUDING)),
        (Cable.pull, SENDING),
        *(pytest.param(Cable.cut, point, marks=pytest.mark.soak) for point in (BEGUN, ANSWERED)),
        *(pytest.param(Cable.pull, point, marks=pytest.mark.soak) for point in (BEGUN, INTENT, ANSWERED, CONCLUDING)),
    ],
)
def test_a_worker_cut_off_from_the_database_acts_no_more_and_stops(
    place: Round, workers: Callable[..., BaseProcess], cable: Cable, how: Callable[[Cable], None], point: str
) -> None:
    """It keeps the cloud and loses the database: it ends by itself and says why, another one finishes, one start."""
    first = workers("first", point, url=through(cable, place.url))
    assert place.until(lambda: is_frozen(first)), output(place)
    how(cable)
    thaw(first)
    second = workers("second")
    assert place.until(place.over), output(place)
    first.join(30)
    assert first.exitcode == 1, output(place)
    assert "reason=database_lost" in output(place)
    assert place.ended(second) == 0
    assert place.seen(died=True).problems == (), output(place)
    assert starts(place) == 1, output(place)


def test_an_outage_of_the_database_shorter_than_a_lease_fails_no_run(
    place: Round, workers: Callable[..., BaseProcess], cable: Cable
) -> None:
    """The connection is reset in mid-run and comes back: the same worker takes its look up again and heals."""
    only = workers("only", INTENT, url=through(cable, place.url))
    assert place.until(lambda: is_frozen(only)), output(place)
    cable.cut()
    thaw(only)
    cable.plug()
    assert place.until(place.over), output(place)
    assert place.ended(only) == 0, output(place)
    assert starts(place) == 1
    assert told(place, Kind.WORKER_DEAD) == []


@pytest.mark.parametrize(
    "point", [INTENT, CONCLUDING, *(pytest.param(one, marks=pytest.mark.soak) for one in (BEGUN, ANSWERED))]
)
def test_a_worker_frozen_longer_than_its_lease_is_fenced(
    place: Round, workers: Callable[..., BaseProcess], point: str
) -> None:
    """Others finish its run; when it goes on it finds itself declared dead, and changes nothing."""
    first = workers("first", point)
    assert place.until(lambda: is_frozen(first)), output(place)
    second = workers("second")
    assert place.until(place.over), output(place)
    calls = len(place.simulator.journal(action="StartInstance"))
    thaw(first)
    first.join(30)
    assert first.exitcode == 1, output(place)
    # Whichever it notices first: that it was declared dead, or that nobody can have heard of it.
    assert {"worker.declared_dead", "worker.cut_off"} & set(output(place).split()), output(place)
    assert place.ended(second) == 0
    assert place.seen(died=True).problems == (), output(place)
    assert len(place.simulator.journal(action="StartInstance")) == calls == starts(place) == 1


def test_the_one_gap_a_call_frozen_on_its_way_out(
    place: Round, workers: Callable[..., BaseProcess], record_property: Callable[[str, object], None]
) -> None:
    """Frozen between the last look at the clock and the first byte, longer than everything: a call may go out late.

    The cloud refuses it while the server runs. It can have an effect only when somebody stopped the server meanwhile,
    as here, and only when the connection still stands. This is the gap that `guarantees` documents, and no more.
    """
    first = workers("first", SENDING)
    assert place.until(lambda: is_frozen(first)), output(place)
    second = workers("second")
    assert place.until(place.over), output(place)
    assert starts(place) == 1
    assert place.ended(second) == 0
    with HandSigned(place.simulator.address) as person:
        person.rpc(ECS, "StopInstance", InstanceId=WEB)
        assert place.until(lambda: state(place) == "Stopped")
        thaw(first)
        first.join(30)
    assert first.exitcode == 1, output(place)
    late = starts(place) - 1
    assert late in {0, 1}
    assert len(told(place, Kind.STEP_INTENDED)) == 2  # both intents stand on record, so a late start is explained
    passed = place.passed("first")
    width = passed[SENT] - passed[INTENT.rpartition(" ")[0]]
    record_property("summary", f"the gap: {width * 1000:.0f} ms at most from intent to first byte; late effects={late}")


def state(place: Round) -> str:
    """Return the server's state."""
    (server,) = place.simulator.control("GET", "world")["alibaba"]["instances"]
    return str(server["status"])


def test_a_killed_workers_run_goes_on_elsewhere_within_seconds(
    place: Round, workers: Callable[..., BaseProcess], record_property: Callable[[str, object], None]
) -> None:
    """The other worker has the run a lease and a few beats after the kill, without any restart."""
    second = workers("second", "none")
    assert place.until(lambda: len(place.workers()) == 1)
    first = workers("first", "none")
    assert place.until(lambda: SENT in {**place.passed("first"), **place.passed("second")}), output(place)
    name = "first" if SENT in place.passed("first") else "second"
    killed = time.time()
    {"first": first, "second": second}[name].kill()
    assert place.until(lambda: bool(told(place, Kind.WORKER_DEAD))), output(place)
    (dead,) = told(place, Kind.WORKER_DEAD)
    seconds = dead.timestamp() - killed
    record_property("summary", f"taken over {seconds:.1f} s after kill -9, with a lease of {LEASE:.0f} s")
    assert seconds < LEASE + 10
    assert place.until(place.over), output(place)
    assert starts(place) == 1


def test_what_a_killed_worker_had_begun_goes_on_in_any_of_the_others(
    place: Round, workers: Callable[..., BaseProcess]
) -> None:
    """One of three dies with eight runs begun: whichever of the two takes a look, the heir or not, heals it, once."""
    several = [f"i-bp1many{number}" for number in range(8)]
    alibaba = RESTART.world["alibaba"]
    servers = [{**alibaba["instances"][0], "id": one} for one in several]
    place.simulator.world({**RESTART.world, "alibaba": {**alibaba, "instances": servers}})
    place.simulator.chaos("power_off", *several)
    first = workers("first", "call StartInstance #8 before")
    assert place.until(lambda: is_frozen(first)), output(place)
    alone = place.workers()
    others = [workers("second"), workers("third")]
    assert place.until(lambda: len(place.workers() - alone) == 2), output(place)
    first.kill()
    assert place.until(place.over), output(place)
    assert [place.ended(one) for one in others] == [0, 0]
    assert place.seen(died=True).problems == (), output(place)
    done = effects(place.simulator, {*several})
    assert {one: done[f"instance.status {one} Stopped > Starting"] for one in several} == dict.fromkeys(several, 1)


def test_what_was_begun_by_a_worker_that_is_on_no_list_goes_on(
    place: Round, workers: Callable[..., BaseProcess]
) -> None:
    """A worker whose estate was settled takes one more look before it learns of its death: others find that look."""
    first = workers("first", BEGUN)
    assert place.until(lambda: is_frozen(first)), output(place)
    with sa.create_engine(open_url(place.url), poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.delete(WORKER))
    second = workers("second")
    assert place.until(place.over), output(place)
    assert "looks.orphaned looks=1" in output(place)
    thaw(first)
    first.join(30)
    assert place.ended(second) == 0
    assert place.seen(died=True).problems == (), output(place)
    assert starts(place) == 1


def test_two_workers_spend_the_list_quota_once(place: Round, workers: Callable[..., BaseProcess]) -> None:
    """One sweep of 250 servers is three pages, whoever makes it; the heir of a killed poller does not sweep anew."""
    crowd = [{"count": 250, "prefix": "i-bp1crowd", "region": "cn-hangzhou", "status": "Running"}]
    place.simulator.world({**RESTART.world, "alibaba": {**RESTART.world["alibaba"], "instances": crowd}})
    running = {name: workers(name) for name in ("first", "second")}
    assert place.until(lambda: len(pages(place)) >= 3), output(place)
    between = threading.Event()
    between.wait(3)  # not a wait for something: the time in which a second sweep would happen
    assert len(pages(place)) == 3
    running["first"].kill()
    assert place.until(lambda: bool(told(place, Kind.WORKER_DEAD))), output(place)
    between.wait(3)
    assert len(pages(place)) == 3
    assert place.ended(running["second"]) == 0


def pages(place: Round) -> list[str]:
    """Return the pages of sweeps that were asked for."""
    entries = place.simulator.journal(action="DescribeInstances")
    return [one["request_id"] for one in entries if "InstanceIds" not in one["parameters"]]


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_frozen_at_random_moments(
    simulator: RunningSimulator, postgres_url: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A worker freezes at any moment for longer than its lease and goes on: one start, in every round."""
    keys()
    chance, doubled, lost, rounds = random.Random(), 0, 0, 50
    for number in range(rounds):
        fresh(postgres_url)
        folder = tmp_path / str(number)
        folder.mkdir()
        place = Round(simulator, postgres_url, folder, RESTART, LEASE)
        place.prepare()
        first, second = place.worker("first"), place.worker("second")
        first.join(chance.uniform(0.8, 4))
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        place.until(place.over)
        thaw(first)
        doubled += starts(place) > 1
        place.ended(first)
        place.ended(second)
        lost += bool(place.seen(died=True).problems) or starts(place) < 1
    record_property("summary", f"frozen longer than a lease: lost={lost} doubled={doubled} rounds={rounds}")
    assert (lost, doubled) == (0, 0)
