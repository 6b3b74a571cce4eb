"""Several accounts: each event is handled with its own account's key, in its own regions; strangers are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudheal.model.event import Channel
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, INCIDENT, RESOURCE, SYSTEM_EVENT
from cloudheal.settings.schema import Settings
from tests.flow.watching import Watching, watching
from tests.sim.simulator import RunningSimulator, started

SHOP, DESK, STRANGER = "1000000000000001", "2000000000000002", "3000000000000003"
RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """A simulator at which two keys may sign."""
    running = started("--account", "shopkey:shopsecret", "--account", "deskkey:desksecret")
    yield running
    running.stop()


@pytest.fixture
def watch(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker for two accounts in two regions."""
    for name, value in (("SHOP_ID", "shopkey"), ("SHOP_SECRET", "shopsecret")):
        monkeypatch.setenv(name, value)
    for name, value in (("DESK_ID", "deskkey"), ("DESK_SECRET", "desksecret")):
        monkeypatch.setenv(name, value)
    simulator.control("POST", "reset")
    servers = [
        {"id": "i-shop", "region": "cn-hangzhou", "status": "Stopped"},
        {"id": "i-desk", "region": "cn-beijing", "status": "Stopped"},
    ]
    durations = {"starting": 1}
    simulator.world({"alibaba": {"instances": servers, "durations": durations, "trail_events": []}})
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    accounts = [
        account("shop", SHOP, "cn-hangzhou", simulator.url),
        account("desk", DESK, "cn-beijing", simulator.url),
    ]
    document = {"accounts": accounts, "database": f"sqlite:///{tmp_path / 'two.db'}", "rules": [RULE]}
    with watching(simulator, Settings.model_validate({**document, "settle_seconds": 0.5})) as running:
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        yield running


def account(name: str, id_: str, region: str, url: str) -> dict[str, Any]:
    """Return the settings of one account; its keys stand in variables named after it."""
    keys = {"access_key_id_env": f"{name.upper()}_ID", "access_key_secret_env": f"{name.upper()}_SECRET"}
    return {"name": name, "cloud": "alibaba", "id": id_, "regions": [region], "endpoint": url, **keys}


def stopped(watch: Watching, owner: str, region: str, server: str) -> None:
    """Take in the event that a server stopped."""
    seconds = round(watch.app.clock.now().timestamp())
    body = (
        f'{{"product":"ECS","name":"Instance:StateChange","regionId":"{region}","userId":"{owner}",'
        f'"eventTime":{seconds},"content":{{"resourceId":"{server}","state":"Stopped"}}}}'
    )
    watch.app.take([body.encode()], "test", Channel.FILE)


def test_each_account_is_swept_and_healed_with_its_own_key(watch: Watching) -> None:
    """Two accounts, two regions: not one call for the one is signed with the other's key."""
    watch.tick()
    assert {(row.account, row.region, row.id) for row in watch.rows(RESOURCE)} == {
        (SHOP, "cn-hangzhou", "i-shop"),
        (DESK, "cn-beijing", "i-desk"),
    }
    watch.advance(1)
    stopped(watch, SHOP, "cn-hangzhou", "i-shop")
    stopped(watch, DESK, "cn-beijing", "i-desk")
    watch.until_ended(2)
    signed = {(one["region"], one["access_key"]) for one in watch.simulator.journal(kind="request") if one["region"]}
    assert signed == {("cn-hangzhou", "shopkey"), ("cn-beijing", "deskkey")}
    starts = {(one["resources"][0], one["access_key"]) for one in watch.calls("StartInstance")}
    assert starts == {("i-shop", "shopkey"), ("i-desk", "deskkey")}


def test_trouble_in_one_account_does_not_hold_back_another(watch: Watching) -> None:
    """Groups of two accounts that are called alike are two groups: the rule's own, where there is nothing else."""
    hit = [{"id": f"i-{n}", "region": "cn-hangzhou", "status": "Stopped"} for n in range(12)]
    one = {"id": "i-desk", "region": "cn-beijing", "status": "Stopped"}
    watch.simulator.world({"alibaba": {"instances": [*hit, one], "durations": {"starting": 1}, "trail_events": []}})
    watch.tick()
    watch.advance(1)
    for number in range(12):
        stopped(watch, SHOP, "cn-hangzhou", f"i-{number}")
    stopped(watch, DESK, "cn-beijing", "i-desk")
    assert [row.reason for row in watch.rows(DECISION)][-2:] == ["budget.share", "act"]


def test_an_event_of_a_stranger_is_a_dead_letter(watch: Watching) -> None:
    """Nothing is called for an account that the settings do not list; the reason names it."""
    before = len(watch.simulator.journal(kind="request"))
    stopped(watch, STRANGER, "cn-hangzhou", "i-shop")
    (letter,) = watch.rows(DEAD_LETTER)
    assert STRANGER in letter.reason
    assert watch.rows(EVENT) == watch.rows(INCIDENT) == []
    assert len(watch.simulator.journal(kind="request")) == before


@pytest.mark.parametrize("region", ["@127.0.0.1:9/x?", "evil.example/", "cn hangzhou", "cn-hangzhou#", "中国"])
def test_an_event_of_a_region_that_is_none_is_a_dead_letter(watch: Watching, region: str) -> None:
    """Calls are signed with the account's key and go to a host with the region's name: no message chooses it."""
    stopped(watch, SHOP, region, "i-shop")
    (letter,) = watch.rows(DEAD_LETTER)
    assert "no name of a region" in letter.reason
    assert watch.rows(EVENT) == watch.rows(INCIDENT) == []


def test_the_system_events_of_every_account_are_listed_with_its_own_key(watch: Watching) -> None:
    """What is planned in either account is found without a message, under its own account's number."""
    watch.chaos("maintenance_event", "i-shop", "i-desk")
    watch.tick()
    found = {(row.account, row.region, row.resource, row.status) for row in watch.rows(SYSTEM_EVENT)}
    assert found == {
        (SHOP, "cn-hangzhou", "i-shop", "Scheduled"),
        (DESK, "cn-beijing", "i-desk", "Scheduled"),
    }
    signed = {(one["region"], one["access_key"]) for one in watch.calls("DescribeInstanceHistoryEvents")}
    assert signed == {("cn-hangzhou", "shopkey"), ("cn-beijing", "deskkey")}
