"""An account of Tencent Cloud whose keys take on a role: every call is the role's, for as long as the worker lives."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cloudheal.app import Accounts, accounts_of
from cloudheal.cli import app as cli
from cloudheal.clouds.tencent.account import TencentAccount
from cloudheal.errors import CloudTransientError
from cloudheal.model.resource import Cloud
from cloudheal.settings.schema import Settings
from tests.flow.operators import until
from tests.flow.tencent import ACCOUNT, REGION, RULE, account_of
from tests.flow.watching import SimulatorClock
from tests.sim.simulator import RunningSimulator

WEB, ROLE, HOUR = "ins-heal0001", f"qcs::cam::uin/{ACCOUNT}:roleName/healer", 3600


@pytest.fixture
def simulator(shell_simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> RunningSimulator:
    """A world of one server, whose time the test moves, and the keys of a user."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDtest")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "testsecret")
    shell_simulator.control("POST", "reset")
    shell_simulator.world({"tencent": {"instances": [{"id": WEB}]}})
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    return shell_simulator


def refuse(simulator: RunningSimulator, code: str) -> None:
    """Have AssumeRole fail from now on."""
    fault = {"kind": "error", "code": code, "message": "no"}
    simulator.control("PUT", "faults", [{"service": "sts", "action": "AssumeRole", "fault": fault}])


def opened(simulator: RunningSimulator, stands_at: datetime | None = None) -> Accounts:
    """Return the accounts, on the simulator's clock or on one that stands."""
    settings = Settings.model_validate({"accounts": [account_of(simulator.url, role=ROLE)]})
    clock = SimulatorClock(simulator)
    return accounts_of(settings, now=lambda: stands_at or clock.now())


def own(accounts: Accounts) -> TencentAccount:
    """Return the one account."""
    found = accounts.account(Cloud.TENCENT, ACCOUNT)
    assert isinstance(found, TencentAccount)
    return found


def state_of(accounts: Accounts) -> Any:
    """Return how the keys of its role stand."""
    return accounts.roles()[Cloud.TENCENT, ACCOUNT]


def check(simulator: RunningSimulator, folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `check` finds, by code."""
    rows = json.loads(typed(simulator, folder, "check", "--json"))
    return {one["code"]: one for one in rows}


def typed(simulator: RunningSimulator, folder: Path, command: str, *words: str) -> str:
    """Type a command and return what it printed."""
    document = {"accounts": [account_of(simulator.url, role=ROLE)], "rules": [RULE], "clock": {"follow": simulator.url}}
    config = folder / "cloudheal.yaml"
    config.write_text(json.dumps({**document, "database": f"sqlite:///{folder / 'check.db'}"}), encoding="utf-8")
    return CliRunner().invoke(cli, [command, "-c", str(config), *words]).stdout


def test_the_role_is_looked_at_and_every_call_is_signed_by_its_keys(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    """`check` says until when the keys hold; the user's own sign AssumeRole and nothing else."""
    found = check(simulator, tmp_path)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert f"take on {ROLE}; what they were given holds until " in found["role.ok"]["finding"]
    calls = [one for one in simulator.journal() if one.get("access_key")]
    signed = {(one["action"] == "AssumeRole", one["access_key"] == "AKIDtest") for one in calls}
    assert signed == {(True, True), (False, False)}
    printed = json.loads(typed(simulator, tmp_path, "policy"))
    assert printed["user"]["statement"] == [
        {"effect": "allow", "action": ["name/sts:AssumeRole"], "resource": [ROLE]},
    ]
    assert printed["role_trust"]["statement"][0]["principal"] == {"qcs": [f"qcs::cam::uin/{ACCOUNT}:root"]}
    assert "cvm:DescribeInstances" in printed["role"]["statement"][0]["action"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("UnauthorizedOperation", "Grant the keys' user sts:AssumeRole on the role"),
        ("ResourceNotFound.RoleNotFound", f"or create the role {ROLE}"),
        ("InternalError.GetRoleError", f"or create the role {ROLE}"),
        ("AuthFailure.SignatureFailure", "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY"),
    ],
)
def test_a_role_that_cannot_be_taken_on_is_told_with_its_fix(
    simulator: RunningSimulator, tmp_path: Path, code: str, advice: str
) -> None:
    """`check` names the role, the vendor's code and what to do, and does not try what comes after."""
    refuse(simulator, code)
    found = check(simulator, tmp_path)
    assert code in found["role.refused"]["finding"]
    assert advice in found["role.refused"]["fix"]
    assert "key.ok" not in found


def test_an_account_outlives_its_keys_and_a_service_that_is_down(simulator: RunningSimulator) -> None:
    """Hours later every client works; while STS is down the old keys serve, then calls are not sent till it is back."""
    accounts = opened(simulator)
    account = own(accounts)
    hurried = account.verbs(hurried=True).compute
    for hours in range(1, 3):
        assert account.compute.servers(REGION, [WEB])
        assert hurried.servers(REGION, [WEB])
        assert len(simulator.journal(action="AssumeRole")) == hours
        simulator.advance(HOUR)
    assert account.compute.servers(REGION, [WEB])
    refuse(simulator, "InternalError")
    simulator.advance(HOUR / 2)
    assert account.compute.servers(REGION, [WEB])
    until(lambda: state_of(accounts).problem == "InternalError", 10, "the failed renewal")
    assert account.compute.servers(REGION, [WEB])
    simulator.advance(HOUR / 2)
    with pytest.raises(CloudTransientError, match="got no keys: InternalError") as unsent:
        account.compute.servers(REGION, [WEB])
    assert (unsent.value.refused, state_of(accounts).until) == (True, None)
    simulator.control("PUT", "faults", [])
    simulator.advance(5)
    assert account.compute.servers(REGION, [WEB])
    assert state_of(accounts).problem == ""


def test_keys_that_the_cloud_does_not_take_any_more_are_replaced(simulator: RunningSimulator) -> None:
    """Our clock stands and the cloud's goes on: the call is put off, not failed, and the next one has other keys."""
    account = own(opened(simulator, SimulatorClock(simulator).now()))
    assert account.compute.servers(REGION, [WEB])
    simulator.advance(HOUR)
    with pytest.raises(CloudTransientError, match="its keys had run out") as late:
        account.compute.servers(REGION, [WEB])
    assert late.value.refused
    assert account.compute.servers(REGION, [WEB])
