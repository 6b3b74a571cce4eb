"""Keys of a role as the vendor's clients use them: with their token, for their time, and for their own account."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from mns.account import Account
from mns.mns_exception import MNSServerException

from tests.sim.ecs import REGION
from tests.sim.simulator import RunningSimulator
from tests.sim.tea import call, call_with, config, refused

STS = "2015-04-01"


def lent(sim: RunningSimulator, account: str = "1000000000000001") -> dict[str, str]:
    """Take a role on for the shortest time; return its keys as the clients name them."""
    role = {"RoleArn": f"acs:ram::{account}:role/healer", "RoleSessionName": "night", "DurationSeconds": "900"}
    given: dict[str, Any] = call(sim, STS, "AssumeRole", **role)["Credentials"]
    names = {"AccessKeyId": "access_key_id", "AccessKeySecret": "access_key_secret", "SecurityToken": "security_token"}
    return {ours: given[theirs] for theirs, ours in names.items()}


def test_the_current_sdk_works_with_them_until_they_expire(stepped: RunningSimulator) -> None:
    """ECS by the newer signature: served, refused without the token and with another's, refused after the time."""
    keys, request = lent(stepped), models.DescribeInstancesRequest(region_id=REGION)
    ecs = Client(config(stepped, **keys))
    assert ecs.describe_instances(request).status_code == 200
    bare = Client(config(stepped, **{**keys, "security_token": ""}))
    assert refused(bare.describe_instances, request)[1] == "MissingSecurityToken"
    others = Client(config(stepped, **{**keys, "security_token": lent(stepped)["security_token"]}))
    assert refused(others.describe_instances, request)[1] == "InvalidSecurityToken.Malformed"
    stepped.advance(899)
    assert ecs.describe_instances(request).status_code == 200
    stepped.advance(1)
    assert refused(ecs.describe_instances, request)[1] == "InvalidSecurityToken.Expired"


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")
def test_the_queue_works_with_them_until_they_expire(stepped: RunningSimulator) -> None:
    """MNS by its own client, over one connection."""
    keys = lent(stepped)
    account = Account(stepped.url, keys["access_key_id"], keys["access_key_secret"], keys["security_token"])
    with closing(account.mns_client.http.conn):
        assert account.list_queue()[0] == []
        stepped.advance(900)
        with pytest.raises(MNSServerException) as expired:
            account.list_queue()
    assert expired.value.type == "SecurityTokenExpired"


def test_they_belong_to_the_account_of_the_role(stepped: RunningSimulator) -> None:
    """A user of one account who takes on a role of another one is, from then on, in the other."""
    keys = lent(stepped, "1000000000000002")
    reply = call_with(keys, stepped, STS, "GetCallerIdentity")
    assert (reply["AccountId"], reply["Arn"]) == (
        "1000000000000002",
        "acs:ram::1000000000000002:assumed-role/healer/night",
    )
