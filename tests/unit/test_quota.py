"""Our own rate: who hurries goes first, on credit that all others pay back."""

from __future__ import annotations

from cloudheal.clouds.quota import Buckets


def test_who_hurries_never_waits_and_everyone_else_pays_it_back() -> None:
    """Thirty hurried calls at a rate of ten a second leave a debt of a second for the next patient caller."""
    buckets = Buckets(10, lambda: 0.0)
    assert [buckets.spend("DescribeInstances") for _ in range(30)][-1] == -10
    assert buckets.reserve("DescribeInstances", 5) == 1.1
    assert buckets.reserve("DescribeInstances", 1) is None
    assert buckets.reserve("StartInstance", 0) == 0
