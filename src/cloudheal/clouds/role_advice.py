"""What an operator can do when a role is not given: each cloud has its codes, the advice is the same for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.settings.accounts import AccountSettings


@dataclass(frozen=True, slots=True)
class Codes:
    """What a cloud's codes of AssumeRole begin with, by what is wrong; and its host."""

    wrong_role: tuple[str, ...]
    wrong_keys: tuple[str, ...]
    not_allowed: tuple[str, ...]
    host: str


def advised(account: AccountSettings, codes: Codes, ask: Callable[[float], Keys], seconds: float) -> Keys:
    """Ask for the keys of an account's role. Raises Cloud*Error that names the role and says what to do."""
    try:
        return ask(seconds)
    except CloudPermanentError as problem:
        raise CloudPermanentError(
            f"account {account.name}: the role {account.role} was refused: {problem.vendor_code}",
            vendor_code=problem.vendor_code,
            request_id=problem.request_id,
            what_to_do=_advice(account, codes, problem.vendor_code) or "Look the code up in the vendor's list.",
        ) from problem
    except CloudTransientError as problem:
        patience = f"It is tried again; if it stays, look whether this machine reaches {codes.host}."
        raise CloudTransientError(
            f"account {account.name}: the role {account.role} got no keys: {problem.vendor_code}",
            vendor_code=problem.vendor_code,
            request_id=problem.request_id,
            what_to_do=_advice(account, codes, problem.vendor_code) or patience,
            refused=True,  # what the keys are for was not sent
        ) from problem
    except (KeyError, TypeError):
        message = f"account {account.name}: AssumeRole answered without keys"
        raise CloudTransientError(message, vendor_code="NoCredentials", refused=True) from None


def _advice(account: AccountSettings, codes: Codes, code: str) -> str:
    if code.startswith(codes.wrong_role):
        return f"Correct role: of account {account.name}, or create the role {account.role}."
    if code.startswith(codes.wrong_keys):
        names = f"{account.access_key_id_env} and {account.access_key_secret_env}"
        return f"Export valid keys of a user that may take the role on: {names}."
    if code.startswith(codes.not_allowed):
        return (
            "Grant the keys' user sts:AssumeRole on the role, and let the role's trust policy name the user's account: "
            "cloudheal policy prints both."
        )
    return ""
