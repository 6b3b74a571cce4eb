"""An account whose keys take on a role: every call is the role's, for as long as the worker lives."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import accounts_of
from cloudheal.clouds.alibaba.account import AlibabaAccount
from cloudheal.clouds.alibaba.client import ECS, STS, Client
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.resource import Cloud
from tests.flow.leaks import Leaks
from tests.flow.operators import KEY, SECRET, Operator, until
from tests.flow.test_restart import QUEUE, RULE, WORLD
from tests.flow.watching import ACCOUNT, REGION, Watching, settings_of, watching
from tests.sim.simulator import RunningSimulator

ROLE = f"acs:ram::{ACCOUNT}:role/healer"
HOUR = 3600


@pytest.fixture
def healer(at_hand: Operator) -> Operator:
    """An operator whose keys may do nothing but take on a role."""
    at_hand.settings(account={"role": ROLE})
    return at_hand


def findings(operator: Operator) -> dict[str, dict[str, Any]]:
    """Return what `check` finds, by code."""
    return {row["code"]: row for row in operator.json("check")}


def who(simulator: RunningSimulator) -> set[tuple[str, bool]]:
    """Return which calls of the vendor's services were signed by keys of a role."""
    signed = [entry for entry in simulator.journal() if entry.get("access_key")]
    return {("AssumeRole" if one["action"] == "AssumeRole" else "", one["access_key"] == KEY) for one in signed}


def refuse(simulator: RunningSimulator, code: str, status: int = 403) -> None:
    """Have AssumeRole fail from now on."""
    fault = {"kind": "error", "status": status, "code": code, "message": "no"}
    simulator.control("PUT", "faults", [{"service": "sts", "action": "AssumeRole", "fault": fault}])


def test_the_keys_take_on_the_role_and_do_nothing_else(healer: Operator) -> None:
    """Setting up, looking, taking messages, starting a server: all but AssumeRole is signed by the role's keys."""
    healer.done("setup", "alibaba", "--yes")
    found = findings(healer)
    assert not [one for one in found.values() if one["level"] == "error"]
    assert f"take on {ROLE}; what they were given holds until " in found["role.ok"]["finding"]
    assert "assumed-role/healer/cloudheal" in found["key.ok"]["finding"]
    healer.done("rules", "promote", RULE["name"])
    healer.chaos("power_off", "i-bp1web01")
    healer.done("run", "--once")
    assert list(healer.starts()) == ["i-bp1web01"]
    assert who(healer.simulator) == {("AssumeRole", True), ("", False)}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("NoPermission", "Grant the keys' user sts:AssumeRole on the role"),
        ("EntityNotExist.Role", f"or create the role {ROLE}"),
        ("SignatureDoesNotMatch", "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ("Throttling", "It is tried again"),
    ],
)
def test_a_role_that_cannot_be_taken_on_is_told_with_its_fix(healer: Operator, code: str, advice: str) -> None:
    """`check` names the role, the vendor's code and what to do, and does not try what comes after."""
    refuse(healer.simulator, code)
    found = findings(healer)
    assert code in found["role.refused"]["finding"]
    assert advice in found["role.refused"]["fix"]
    assert "key.ok" not in found


def test_the_policy_holds_what_leads_to_the_role(healer: Operator) -> None:
    """Three documents: what the role may do, whom it trusts, and the one thing that the user of the keys needs."""
    printed = json.loads(healer.done("policy"))
    assert printed["user"]["Statement"] == [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [ROLE]}]
    (trust,) = printed["role_trust"]["Statement"]
    assert (trust["Action"], trust["Principal"]) == ("sts:AssumeRole", {"RAM": [f"acs:ram::{ACCOUNT}:root"]})
    assert "ecs:StartInstance" in {action for one in printed["role"]["Statement"] for action in one["Action"]}
    healer.settings()
    assert json.loads(healer.done("policy")) == printed["role"]


@pytest.fixture
def worker(
    shell_simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Watching]:
    """A worker with a role, on a clock that the test moves with the simulator's; everything is logged."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)
    caplog.set_level(logging.DEBUG)
    shell_simulator.control("POST", "reset")
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    shell_simulator.world(WORLD)
    settings = settings_of(shell_simulator, tmp_path)
    account = settings.accounts[0].model_copy(update={"role": ROLE})
    with watching(shell_simulator, settings.model_copy(update={"accounts": [account]})) as one:
        yield one


def account_of(worker: Watching) -> AlibabaAccount:
    """Return the account of a worker."""
    found = worker.app.accounts.account(Cloud.ALIBABA, ACCOUNT)
    assert isinstance(found, AlibabaAccount)
    return found


def assumed(simulator: RunningSimulator) -> int:
    """Count the AssumeRole calls that were granted."""
    return sum(entry["status"] == 200 for entry in simulator.journal(action="AssumeRole"))


def test_a_worker_outlives_its_keys(worker: Watching, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Hours later the first keys are refused as expired, and every client of the account works; none shows any."""
    account, simulator = account_of(worker), worker.simulator
    queue = worker.app.accounts.connected(worker.app.settings.accounts[0], QUEUE)
    hurried, lent = account.verbs(hurried=True), []
    with closing(queue):
        for hours in range(1, 4):
            lent.append(account.keys.current())
            assert account.compute.servers(REGION, ["i-bp1web01"])
            assert hurried.compute.servers(REGION, ["i-bp1web01"])
            assert queue.oldest() is None
            assert assumed(simulator) == hours
            worker.advance(HOUR)
    assert len({one.id for one in lent}) == 3
    with pytest.raises(CloudPermanentError) as expired:
        Client(lent[0], simulator.url).call(STS, "GetCallerIdentity", REGION, {}, 5)
    assert expired.value.vendor_code == "InvalidSecurityToken.Expired"
    parts = {f"{part} {n}": getattr(one, part) for n, one in enumerate(lent[-1:]) for part in ("id", "secret", "token")}
    leaks = Leaks(parts, [])
    leaks.look("the log", caplog.text)
    leaks.look_at_tables(f"sqlite:///{tmp_path / 'watch.db'}")
    leaks.look("health", json.dumps(worker.app.watch.health()))
    assert leaks.found == []


def test_while_sts_is_down_the_old_keys_serve_and_health_says_so(worker: Watching) -> None:
    """A warning while they hold; then a problem with what to do, and calls that are not sent; then all is well."""
    account, simulator = account_of(worker), worker.simulator
    assert account.compute.servers(REGION, ["i-bp1web01"])
    assert worker.app.watch.health()["ok"]
    refuse(simulator, "ServiceUnavailable", 503)
    worker.advance(HOUR / 2)
    assert account.compute.servers(REGION, ["i-bp1web01"])
    until(lambda: bool(worker.app.watch.health()["warnings"]), 10, "a warning")
    health = worker.app.watch.health()
    assert health["ok"]
    assert f"role.refused alibaba/{ACCOUNT} code=ServiceUnavailable" in str(health["warnings"])
    worker.advance(HOUR / 2)
    with pytest.raises(CloudTransientError, match="got no keys: ServiceUnavailable") as unsent:
        account.client.call(ECS, "StartInstance", REGION, {"InstanceId": "i-bp1web01"}, 5)
    assert unsent.value.refused
    health = worker.app.watch.health()
    assert not health["ok"]
    assert "sts.aliyuncs.com" in str(health["problems"])
    assert not simulator.journal(action="StartInstance")
    simulator.control("PUT", "faults", [])
    worker.advance(5)
    assert account.compute.servers(REGION, ["i-bp1web01"])
    assert worker.app.watch.health()["ok"]


def test_keys_that_the_cloud_calls_expired_are_replaced(
    shell_simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our clock stands and the cloud's goes on: the call is put off, not failed, and the next one has other keys."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)
    shell_simulator.control("POST", "reset")
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    shell_simulator.world(WORLD)
    settings = settings_of(shell_simulator, tmp_path)
    account = settings.accounts[0].model_copy(update={"role": ROLE})
    accounts = accounts_of(
        settings.model_copy(update={"accounts": [account]}), now=lambda: datetime(2026, 3, 2, tzinfo=UTC)
    )
    found = accounts.account(Cloud.ALIBABA, ACCOUNT)
    with closing(accounts.connected(account, QUEUE)) as queue:
        assert queue.oldest() is None
        shell_simulator.advance(HOUR)
        with pytest.raises(CloudTransientError, match="the keys had run out") as late:
            queue.oldest()
        assert late.value.refused
        assert queue.oldest() is None
        shell_simulator.advance(HOUR)
        with pytest.raises(CloudTransientError, match="its keys had run out") as late:
            found.compute.servers(REGION, ["i-bp1web01"])
        assert late.value.refused
        assert found.compute.servers(REGION, ["i-bp1web01"])
    assert Keys(KEY, SECRET).run_out(Keys(KEY, SECRET)) is False
