"""The STS calls. `GetCallerIdentity` is what general clients and our own doctor ask first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply, Service
from cloudheal_sim.alibaba.sts.errors import INVALID_ROLE
from cloudheal_sim.alibaba.sts.requests import AssumeRole, GetCallerIdentity
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_seconds
from cloudheal_sim.kernel.core import Kernel
from cloudheal_sim.kernel.keys import Vendor

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange

SERVICE: Service[Kernel] = Service("sts", "Sts", "2015-04-01")
_ROLE = re.compile(r"acs:ram::(?P<account>\d+):role/(?P<name>[A-Za-z0-9_.-]{1,64})")


@SERVICE.action(GetCallerIdentity)
def get_caller_identity(_kernel: Kernel, _request: GetCallerIdentity, exchange: Exchange) -> Reply:
    """Name the account and principal of the signing key."""
    key = exchange.key
    principal = f"assumed-role/{key.role}" if key.role else "root"
    return {
        "AccountId": key.account,
        "Arn": f"acs:ram::{key.account}:{principal}",
        "IdentityType": "AssumedRoleUser" if key.role else "Account",
        "PrincipalId": key.role or key.account,
        "UserId": key.account,
    }


@SERVICE.action(AssumeRole)
def assume_role(kernel: Kernel, request: AssumeRole, _exchange: Exchange) -> Reply:
    """Issue a temporary key pair of the role's account with a token, valid for the asked time."""
    role = _ROLE.fullmatch(request.role_arn)
    if role is None:
        raise Refused(INVALID_ROLE)
    expires = kernel.clock.now() + request.duration_seconds * MILLIS_PER_SECOND
    key = kernel.issue(
        Vendor.ALIBABA,
        prefix="STS.",
        account=role["account"],
        role=f"{role['name']}/{request.role_session_name}",
        expires=expires,
    )
    return {
        "AssumedRoleUser": {"Arn": f"{request.role_arn}/{request.role_session_name}", "AssumedRoleId": key.role},
        "Credentials": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": iso_seconds(expires),
        },
    }
