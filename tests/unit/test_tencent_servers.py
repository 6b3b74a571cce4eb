"""What proves a start on Tencent Cloud, which shows the latest operation of a server and no time of its start."""

from __future__ import annotations

import pytest

from cloudheal.clouds.tencent.servers import started_of

STARTED = {
    "InstanceState": "RUNNING",
    "CreatedTime": "2026-03-01T00:00:00Z",
    "LatestOperation": "StartInstances",
    "LatestOperationState": "SUCCESS",
    "LatestOperationRequestId": "r-1",
}


def test_the_request_of_the_last_start_tells_starts_apart() -> None:
    """A reboot after it is another start."""
    assert started_of(STARTED) == "r-1"
    assert started_of({**STARTED, "LatestOperation": "RebootInstances", "LatestOperationRequestId": "r-2"}) == "r-2"


@pytest.mark.parametrize(
    "shown",
    [
        {**STARTED, "LatestOperation": "ModifyInstancesAttribute", "LatestOperationRequestId": "r-2"},
        {**STARTED, "LatestOperationState": "OPERATING"},
        {**STARTED, "InstanceState": "REBOOTING"},
        {"InstanceState": "RUNNING", "CreatedTime": "2026-03-01T00:00:00Z"},
        {},
    ],
)
def test_what_shows_no_start_is_no_proof_of_one(shown: dict[str, str]) -> None:
    """Another operation hides the start before it; an answer that was lost is not settled by that."""
    assert started_of(shown) == ""
