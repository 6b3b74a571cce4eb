"""Our own rate of calls: a burst after quiet, then the rate, for each API apart; no call waits longer than it may."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.keys import Keys
from cloudheal.clouds.quota import Buckets, Pace
from cloudheal.errors import CloudTransientError


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def test_a_burst_then_the_rate() -> None:
    """Two seconds' worth at once, then one call each tenth of a second, queued in order."""
    buckets = Buckets(10, Hand())
    waits = [buckets.reserve("DescribeInstances", 5) for _ in range(23)]
    assert waits[:20] == [0.0] * 20
    assert waits[20:] == pytest.approx([0.1, 0.2, 0.3])


def test_apis_do_not_share_and_time_refills() -> None:
    """Looking uses up its own bucket only; after quiet it is full again, and never more than full."""
    hand = Hand()
    buckets = Buckets(1, hand)
    assert [buckets.reserve("DescribeInstances", 0.1) for _ in range(3)] == [0.0, 0.0, None]
    assert buckets.reserve("StartInstance", 0.1) == 0.0
    hand.seconds += 3600
    assert [buckets.reserve("DescribeInstances", 0.1) for _ in range(3)] == [0.0, 0.0, None]


@pytest.mark.parametrize(("action", "waited"), [("DescribeInstances", [1.0]), ("StartInstance", [])])
def test_a_call_that_changes_something_waits_for_a_moment_only(action: str, waited: list[float]) -> None:
    """A pause does not reach what waits behind an intent: it is put off, and its guards are asked again."""
    buckets, waits = Buckets(1, Hand()), list[float]()
    pace = Pace(buckets, waits.append)
    while buckets.reserve(action, 0) is not None:
        pass
    with nullcontext() if waited else pytest.raises(CloudTransientError, match="not sent"):
        assert pace.left(action, 10) == 9
    assert waits == waited


def test_a_call_that_would_wait_too_long_is_not_sent() -> None:
    """The error says that nothing was sent, so that nobody has to settle what the call did."""
    buckets = Buckets(1, Hand())
    while buckets.reserve("DescribeInstances", 0) is not None:
        pass
    client = Client(Keys("id", "secret"), "http://127.0.0.1:9", buckets)
    with pytest.raises(CloudTransientError, match="not sent") as raised:
        client.call(ECS, "DescribeInstances", "cn-hangzhou", {}, 1)
    assert raised.value.refused
