"""What is known of servers decides: true states whatever the order of messages, true sizes of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudheal.model.event import Channel
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, RESOURCE
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"app": ["shop"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
    "limits": {"at_once": 50},
}
SHOP = {"app": "shop"}
Watcher = Callable[..., Watching]


@pytest.fixture
def watcher(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """Starts a worker that has swept a fleet of so many servers, with other limits and another grouping."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    opened = []

    def start(servers: int, group_by: str = "", *, trusted: bool = True, **limits: object) -> Watching:
        simulator.control("POST", "reset")
        simulator.world(world_of([{"id": f"i-{n}", "name": f"shop-{n}", "tags": SHOP} for n in range(servers)]))
        simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
        rule = RULE | {"limits": RULE["limits"] | limits}
        settings = settings_of(simulator, tmp_path, rules=[rule])
        account = settings.accounts[0].model_copy(update={"group_by": group_by})
        manager = watching(simulator, settings.model_copy(update={"accounts": [account]}))
        running = manager.__enter__()
        opened.append(manager)
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values() if trusted else (), "test", running.app.clock.now())
        running.tick()
        return running

    yield start
    for manager in opened:
        manager.__exit__(None, None, None)


def fall(watch: Watching, count: int) -> list[str]:
    """Stop servers and return the reasons of what was decided at once, sorted."""
    watch.advance(1)
    watch.chaos("power_off", *(f"i-{n}" for n in range(count)))
    watch.advance(5)
    watch.drain()
    stops = {row.id for row in watch.rows(EVENT, EVENT.c.status == "Stopped")}
    return sorted(row.reason for row in watch.rows(DECISION) if row.event in stops)


@pytest.mark.parametrize("group_by", ["", "tag:app"])
def test_a_share_is_of_the_groups_true_size(watcher: Watcher, group_by: str) -> None:
    """Four of a hundred are healed at once; four of ten wait for each other."""
    assert fall(watcher(100, group_by), 4) == ["act"] * 4


@pytest.mark.parametrize("group_by", ["", "tag:app"])
def test_a_badly_hit_group_is_healed_one_by_one(watcher: Watcher, group_by: str) -> None:
    """A fifth of ten is two: with four down, one is started and three wait."""
    assert fall(watcher(10, group_by), 4) == ["act", *["budget.share"] * 3]


def test_a_storm_is_half_of_a_known_group(watcher: Watcher) -> None:
    """Three of six have fallen: the fourth is for a person."""
    assert fall(watcher(6, "tag:app", share=1.0), 4) == ["act", "act", "act", "storm"]


def test_states_out_of_order_end_as_the_cloud_says(watcher: Watcher) -> None:
    """Messages overtake each other, and each comes twice: the tracked state is what DescribeInstances says."""
    watch = watcher(5, trusted=False)
    account = watch.app.settings.accounts[0]
    fleet = watch.app.accounts.compute[account.cloud, account.id]
    watch.simulator.control("PUT", "faults", [{"service": "cms", "fault": "reordered-event", "probability": 0.5}])
    for _ in range(3):
        watch.chaos("power_off", "i-1", "i-2", "i-3")
        watch.advance(3)
        for server in ("i-1", "i-3"):
            fleet.start("cn-hangzhou", server, 5)
        watch.advance(3)
    while watch.drain():
        watch.advance(60)
    servers = fleet.servers("cn-hangzhou", [f"i-{n}" for n in range(5)])
    tracked = {row.id: row.state for row in watch.rows(RESOURCE)}
    assert tracked == {id_: server.state for id_, server in servers.items()}


def test_running_before_starting_leaves_it_running(watcher: Watcher) -> None:
    """The vendor's own example of disorder: the later state arrives first."""
    watch = watcher(1)
    now = watch.app.clock.now()
    for state, second in (("Running", 9), ("Starting", 4), ("Stopped", 1)):
        body = (
            '{"product":"ECS","name":"Instance:StateChange","regionId":"cn-hangzhou","userId":"1000000000000001",'
            f'"eventTime":{round(now.timestamp()) + second},"content":{{"resourceId":"i-0","state":"{state}"}}}}'
        )
        watch.app.take([body.encode()], "test", Channel.FILE)
    (row,) = watch.rows(RESOURCE)
    assert row.state == "Running"
    assert [row.reason for row in watch.rows(DECISION)] == ["stale"]
