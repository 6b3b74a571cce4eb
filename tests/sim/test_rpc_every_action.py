"""Every RPC action with every parameter it honours, filled with values that nobody meant."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from cloudheal_sim.coverage import coverage
from tests.sim.signing import common
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

#: Right in one place and wrong in most: numbers at their edges, texts, JSON, instants, ids that exist.
VALUES = (
    *("", "x", "-1", "0", "1", "10", "100", "1.5", "1e400", "9" * 20, "NaN", "inf", "1,2", "1700000000000"),
    *("true", "False", "on", "off", "null", "[]", "{}", "[", "'", '"x"', "[1]", "[null]", "[[[1]]]", '[{"a":1}]'),
    *("i-a", '["i-a"]', "lb-1", "rsp-1", "ecs", "instance", "Running", "cn-hangzhou", "cn-beijing", "SYSTEM"),
    *("2026-01-01T00:00:00Z", "2026-11-21T00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "PT1H"),
    *("acs_ecs_dashboard", "CPUUtilization", "Average", "ENABLED", "中文", "%", "\\", "*", "a" * 3000),
)
WORLD = {
    "instances": [{"id": "i-a"}, {"id": "i-b", "status": "Stopped"}],
    "server_groups": [{"id": "rsp-1", "load_balancer": "lb-1", "backends": ["i-a:80"]}],
    "listeners": [{"load_balancer": "lb-1", "port": 80, "server_group": "rsp-1"}],
}
ACTIONS = [
    (service.version, action.name, action.honoured)
    for service in coverage()
    if service.protocol == "RPC"
    for action in service.actions
]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_value_is_a_malfunction(stepped: RunningSimulator, seed: int) -> None:
    """Each answer is the service's own, in JSON and XML; afterwards the world reads, and put back is the same."""
    assert len(ACTIONS) > 100
    chance = random.Random(seed)
    stepped.world({"alibaba": WORLD})
    with Wire(stepped.address) as wire:
        for version, action, names in ACTIONS:
            for share in (0.1, 0.3, 0.6, 0.9):
                given = {name.replace(".N", ".1"): chance.choice(VALUES) for name in names if chance.random() < share}
                reply = wire.post({**common(version, action), **given})
                assert reply.status in {200, 400, 403, 404, 409}, (action, given, reply.body)
                assert reply.json["RequestId"]
                same = wire.post({**common(version, action, Format="XML"), **given})
                assert same.text("RequestId"), (action, given, same.body)
    stepped.advance(3600)
    document = stepped.control("GET", "world")
    stepped.world(document)
    assert stepped.control("GET", "world") == document
    assert stepped.journal(limit=1)
