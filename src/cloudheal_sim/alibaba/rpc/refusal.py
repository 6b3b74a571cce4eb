"""Refusals: the error answers of the RPC gateways, as values that services name and raise.

Each service lists its own in its `errors.py`; the ones here are the gateway's. HTTP status and code are the contract
with the SDKs; the wording is general knowledge where no source gave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloudheal_sim.kernel.faults import Kind

if TYPE_CHECKING:
    from cloudheal_sim.kernel.faults import Fault


class Refusal(NamedTuple):
    """One documented error answer."""

    status: int
    code: str
    message: str


class Refused(Exception):
    """Raised by an action that answers with a refusal; `message` replaces the usual wording."""

    def __init__(self, refusal: Refusal, message: str = "") -> None:
        super().__init__(refusal.code)
        self.refusal = refusal._replace(message=message) if message else refusal


MISSING_ACCESS_KEY = Refusal(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.")
UNKNOWN_ACCESS_KEY = Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
INCOMPLETE_SIGNATURE = Refusal(
    400, "IncompleteSignature", "The request signature does not conform to Aliyun standards."
)
SIGNATURE_MISMATCH = Refusal(
    400,
    "SignatureDoesNotMatch",
    "Specified signature is not matched with our calculation. server string to sign is:",
)
NONCE_USED = Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
TIMESTAMP_EXPIRED = Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
TIMESTAMP_FORMAT = Refusal(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
TOKEN_MISSING = Refusal(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
TOKEN_MALFORMED = Refusal(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
TOKEN_EXPIRED = Refusal(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
UNKNOWN_ACTION = Refusal(404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
UNKNOWN_VERSION = Refusal(400, "InvalidVersion", "Specified parameter Version is not valid.")
UNSUPPORTED_METHOD = Refusal(405, "UnsupportedHTTPMethod", "This http method is not supported.")
UNSUPPORTED_SIGNATURE = Refusal(400, "InvalidSignatureMethod", "Specified signature method is not supported.")
MISSING_PARAMETER = Refusal(
    400,
    "MissingParameter",
    'The input parameter "{name}" that is mandatory for processing this request is not supplied.',
)
INVALID_PARAMETER = Refusal(400, "InvalidParameter", 'The specified parameter "{name}" is not valid.')
UNKNOWN_REGION = Refusal(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")
DRY_RUN = Refusal(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
THROTTLED_USER = Refusal(400, "Throttling.User", "Request was denied due to user flow control.")
INTERNAL_ERROR = Refusal(500, "InternalError", "The request processing has failed due to some unknown error.")
UNAVAILABLE = Refusal(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
BODY_TOO_LARGE = Refusal(413, "RequestEntityTooLarge", "The request body is too large.")
UNREADABLE = Refusal(400, "InvalidRequest", "The request could not be read.")


def missing(name: str, status: int = 400) -> Refused:
    """Refuse because the parameter `name` is not supplied."""
    return Refused(MISSING_PARAMETER._replace(status=status), MISSING_PARAMETER.message.format(name=name))


def invalid(name: str, status: int = 400) -> Refused:
    """Refuse because the parameter `name` holds something else than it may."""
    return Refused(INVALID_PARAMETER._replace(status=status), INVALID_PARAMETER.message.format(name=name))


def asked(usual: Refusal, fault: Fault | None) -> Refusal:
    """Return the refusal that an injected fault asks for: the usual one, where the fault says nothing else."""
    if fault is None:
        return usual
    return Refusal(fault.status or usual.status, fault.code or usual.code, fault.message or usual.message)


def broken(fault: Fault, internal: Refusal, unavailable: Refusal) -> Refusal:
    """Return how a service that is made to fail says so: 503 has words of its own, `error` alone is the caller's."""
    usual = unavailable if fault.status == unavailable.status else internal
    if fault.kind is Kind.ERROR and fault.status is None:
        usual = usual._replace(status=400)
    return asked(usual, fault)
