"""Reads that coincide are one call, and nobody pays for another one's mistake."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudheal.errors import CloudPermanentError
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline.shared_reads import SharedReads
from cloudheal.ports.cloud import Server


class Counting:
    """A cloud that writes down each read, and refuses every call that names `bad`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Return a server of every id."""
        self.calls.append(tuple(sorted(ids)))
        if "bad" in ids:
            raise CloudPermanentError("no such form of an id", vendor_code="InvalidInstanceId.Malformed")
        names = {id_: ResourceId(Cloud.ALIBABA, "a", region, "instance", id_) for id_ in ids}
        return {id_: Server(name, "Running", id_, "z") for id_, name in names.items()}

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Start nothing."""
        raise NotImplementedError(region, id_, seconds)

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Reboot nothing."""
        raise NotImplementedError(region, id_, seconds, force)


def asked_together(reads: SharedReads, all_are_here: threading.Barrier, *ids: str) -> list[Mapping[str, Server] | str]:
    """Ask from one thread for each id, at the same moment; errors are returned as their code."""

    def ask(id_: str) -> Mapping[str, Server] | str:
        all_are_here.wait()
        try:
            return reads.servers("cn-hangzhou", [id_])
        except CloudPermanentError as problem:
            return problem.vendor_code

    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(ask, ids))


@pytest.fixture
def gathered() -> threading.Event:
    """Set when the first one may make the call for all."""
    return threading.Event()


def test_reads_that_coincide_are_one_call(gathered: threading.Event) -> None:
    """Sixty looks at the same moment cost one call, and each gets its own server only."""
    cloud, ids = Counting(), [f"i-{n}" for n in range(60)]
    barrier = threading.Barrier(len(ids), action=lambda: threading.Timer(0.5, gathered.set).start())
    answers = asked_together(SharedReads(cloud, lambda _: gathered.wait(20)), barrier, *ids)
    assert cloud.calls == [tuple(sorted(ids))]
    assert [list(one) for one in answers] == [[id_] for id_ in ids]


def test_a_bad_id_costs_the_others_nothing(gathered: threading.Event) -> None:
    """The call for all is refused; then each asks alone, and only the bad one is told."""
    cloud = Counting()
    barrier = threading.Barrier(3, action=lambda: threading.Timer(0.5, gathered.set).start())
    answers = asked_together(SharedReads(cloud, lambda _: gathered.wait(20)), barrier, "i-1", "bad", "i-2")
    assert [one if isinstance(one, str) else list(one) for one in answers] == [
        ["i-1"],
        "InvalidInstanceId.Malformed",
        ["i-2"],
    ]


def test_a_later_question_is_not_answered_by_an_earlier_call() -> None:
    """Whoever asks after a call was sent gets a call of its own."""
    cloud = Counting()
    reads = SharedReads(cloud, lambda _: None)
    reads.servers("cn-hangzhou", ["i-1"])
    reads.servers("cn-hangzhou", ["i-1"])
    assert len(cloud.calls) == 2
