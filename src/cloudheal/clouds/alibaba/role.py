"""Taking on a RAM role: the one call that fetches its short-lived keys, and what the refusals of it mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from cloudheal.clouds.alibaba.client import STS, Client
from cloudheal.clouds.keys import KeyRing, Keys
from cloudheal.clouds.role_advice import Codes, advised
from cloudheal.clouds.roles import LIFE, SESSION, RoleKeys
from cloudheal.settings.accounts import AccountSettings

CODES = Codes(
    wrong_role=("EntityNotExist.Role", "InvalidParameter.RoleArn"),
    wrong_keys=(
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "Inactive",
        "InvalidSecurityToken",
    ),
    not_allowed=("NoPermission", "AuthenticationFail.NoPermission", "Forbidden", "ImplicitDeny"),
    host="sts.aliyuncs.com",
)


def key_ring(
    account: AccountSettings,
    keys: Keys,
    now: Callable[[], datetime],
    called: Callable[[str, str], object] = lambda _action, _outcome: None,
) -> KeyRing:
    """Return the keys that an account works with: those of its role, which these keys take on, or these."""
    if not account.role:
        return keys
    client = Client(keys, account.endpoint, called=called)
    life = str(round(LIFE.total_seconds()))
    asked = {"RoleArn": account.role, "RoleSessionName": SESSION, "DurationSeconds": life}

    def ask(seconds: float) -> Keys:
        given = client.call(STS, "AssumeRole", account.regions[0], asked, seconds)["Credentials"]
        return Keys(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])

    return RoleKeys(account.name, account.role, partial(advised, account, CODES, ask), now)
