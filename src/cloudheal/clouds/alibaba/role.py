"""Taking on a RAM role: the one call that fetches its short-lived keys, and what to do when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba.client import STS, Client
from cloudheal.clouds.keys import KeyRing, Keys
from cloudheal.clouds.roles import LIFE, RoleKeys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.settings.accounts import AccountSettings

#: What ActionTrail shows beside the role of whoever called.
SESSION = "cloudheal"
_NOT_ALLOWED = ("NoPermission", "AuthenticationFail.NoPermission", "Forbidden", "ImplicitDeny")
_WRONG_ROLE = ("EntityNotExist.Role", "InvalidParameter.RoleArn")
_WRONG_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "Inactive", "InvalidSecurityToken")


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

    def assume(seconds: float) -> Keys:
        return _assumed(client, account, seconds)

    return RoleKeys(account.name, account.role, assume, now)


def _assumed(client: Client, account: AccountSettings, seconds: float) -> Keys:
    asked = {
        "RoleArn": account.role,
        "RoleSessionName": SESSION,
        "DurationSeconds": str(round(LIFE.total_seconds())),
    }
    try:
        given: dict[str, Any] = client.call(STS, "AssumeRole", account.regions[0], asked, seconds)["Credentials"]
        return Keys(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])
    except CloudPermanentError as problem:
        message = f"account {account.name}: the role {account.role} was refused: {problem.vendor_code}"
        raise CloudPermanentError(
            message,
            vendor_code=problem.vendor_code,
            request_id=problem.request_id,
            what_to_do=_advice(account, problem.vendor_code),
        ) from problem
    except CloudTransientError as problem:
        message = f"account {account.name}: the role {account.role} got no keys: {problem.vendor_code}"
        raise CloudTransientError(
            message,
            vendor_code=problem.vendor_code,
            request_id=problem.request_id,
            what_to_do="It is tried again; if it stays, look whether this machine reaches sts.aliyuncs.com.",
            refused=True,
        ) from problem
    except (KeyError, TypeError):
        raise CloudTransientError(
            "AssumeRole answered without keys", vendor_code="NoCredentials", refused=True
        ) from None


def _advice(account: AccountSettings, code: str) -> str:
    if code.startswith(_WRONG_ROLE):
        return f"Correct role: of account {account.name}, or create the role {account.role}."
    if code.startswith(_WRONG_KEYS):
        names = f"{account.access_key_id_env} and {account.access_key_secret_env}"
        return f"Export valid keys of a user that may take the role on: {names}."
    if code.startswith(_NOT_ALLOWED):
        return (
            "Grant the keys' user sts:AssumeRole on the role, and let the role's trust policy name the user's account: "
            "cloudheal policy prints both."
        )
    return "Look the code up in the vendor's list for AssumeRole."
