"""Taking on a CAM role: the one call that fetches its short-lived keys, and what its refusals mean (UNVERIFIED)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from cloudheal.clouds.keys import KeyRing, Keys
from cloudheal.clouds.role_advice import Codes, advised
from cloudheal.clouds.roles import LIFE, SESSION, RoleKeys
from cloudheal.clouds.tencent.client import STS, Client, host_of
from cloudheal.settings.accounts import AccountSettings

CODES = Codes(
    wrong_role=("ResourceNotFound", "InvalidParameter", "InternalError.GetRoleError"),
    wrong_keys=("AuthFailure.Secret", "AuthFailure.Signature", "AuthFailure.Token", "InvalidCredential"),
    not_allowed=("UnauthorizedOperation", "AuthFailure.UnauthorizedOperation", "OperationDenied"),
    host=host_of(STS),
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
    asked = {"RoleArn": account.role, "RoleSessionName": SESSION, "DurationSeconds": round(LIFE.total_seconds())}

    def ask(seconds: float) -> Keys:
        given = client.call(STS, "AssumeRole", account.regions[0], asked, seconds)["Credentials"]
        return Keys(given["TmpSecretId"], given["TmpSecretKey"], given["Token"])

    return RoleKeys(account.name, account.role, partial(advised, account, CODES, ask), now)
