"""The STS calls. `GetCallerIdentity` is what general clients and a doctor's check ask first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_seconds
from cloudheal_sim.kernel.core import Kernel
from cloudheal_sim.kernel.keys import Vendor
from cloudheal_sim.tencent.api3 import Refused, Reply, Service
from cloudheal_sim.tencent.sts.errors import INVALID_ROLE
from cloudheal_sim.tencent.sts.requests import AssumeRole, GetCallerIdentity

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange

SERVICE: Service[Kernel] = Service("sts", "STS", "2018-08-13")
_ROLE = re.compile(r"qcs::cam::uin/(?P<account>\d{1,20}):(?:roleName/(?P<name>[A-Za-z0-9_.-]{1,128})|role/\d{1,30})")


@SERVICE.action(GetCallerIdentity)
def get_caller_identity(_kernel: Kernel, _request: GetCallerIdentity, exchange: Exchange) -> Reply:
    """Name the account and principal of the signing key."""
    key = exchange.key
    principal = f"qcs::sts::uin/{key.account}:federated-user/{key.role}" if key.role else None
    return {
        "Arn": principal or f"qcs::cam::uin/{key.account}:root",
        "AccountId": key.account,
        "UserId": f"{key.account}:{key.role}" if key.role else key.account,
        "PrincipalId": key.account,
        "Type": "CAMUser" if not key.role else "CAMRole",
    }


@SERVICE.action(AssumeRole)
def assume_role(kernel: Kernel, request: AssumeRole, _exchange: Exchange) -> Reply:
    """Issue a temporary key pair of the role's account with a token, valid for the asked time."""
    role = _ROLE.fullmatch(request.role_arn)
    if role is None:
        raise Refused(INVALID_ROLE)
    seconds = kernel.clock.now() // MILLIS_PER_SECOND + request.duration_seconds
    key = kernel.issue(
        Vendor.TENCENT,
        prefix="AKID",
        account=role["account"],
        role=request.role_session_name,
        expires=seconds * MILLIS_PER_SECOND,
    )
    return {
        "Credentials": {"Token": key.token, "TmpSecretId": key.id, "TmpSecretKey": key.secret},
        "ExpiredTime": seconds,
        "Expiration": iso_seconds(seconds * MILLIS_PER_SECOND),
    }
