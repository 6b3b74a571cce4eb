"""Calls to Tencent Cloud's APIs, on the vendor's own generic client, which signs them (TC3-HMAC-SHA256).

Every call is signed anew, with the time and the UTC date of that moment. Nothing is repeated here: a mutating call is
sent once, and reads are repeated by whoever knows whether that is safe. Vendor errors become ours, with code and
request id, and without the body. The vendor's client looks for an error only in answers whose content type is
exactly `application/json`, so it is looked for here again; an answer without a request id is none to rely on.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from cloudheal.clouds.keys import KeyRing, Keys, left_for
from cloudheal.clouds.quota import Pace, outcome_of
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.settings.discretion import discreet

#: What it says of requests holds signatures and tokens.
logging.getLogger("tencentcloud_sdk_common").setLevel(logging.WARNING)

CVM, TAT, CLB, STS = ("cvm", "2017-03-12"), ("tat", "2020-10-28"), ("clb", "2018-03-17"), ("sts", "2018-08-13")
#: How the service says that we call too often.
THROTTLED = "RequestLimitExceeded"
#: The service itself, or the way to it, is in trouble: whether the call took effect cannot be known.
_IN_TROUBLE = ("InternalError", "ServiceUnavailable", "ClientNetworkError", "ServerNetworkError")
#: Somebody else is at work on the resource, which passes.
_BUSY = (
    "MutexOperation",
    "OperationDenied.InstanceOperationInProgress",
    "FailedOperation.ResourceInOperating",
    "ResourceInUse",
    *(f"UnsupportedOperation.InstanceState{one}" for one in ("Pending", "Starting", "Stopping", "Rebooting")),
)
#: The system in a server is not there yet, which passes.
_NOT_READY = ("ResourceUnavailable.AgentStatusNotOnline",)
#: Codes that pass by waiting; everything else that was answered does not.
_PASSING = (*_IN_TROUBLE, *_BUSY, *_NOT_READY, THROTTLED, "LimitExceeded.LimitedAccess")
#: The token of short-lived keys is not taken: mostly they have run out.
RUN_OUT = "AuthFailure.TokenFailure"
#: What an operator can do about a code.
ADVICE: Mapping[str, str] = {
    "ResourceNotFound.RoleNotFound": "Create the service role TAT_QCSLinkedRoleInCommand: open TencentCloud Automation "
    "Tools in the console once and agree, or create it in CAM for command.tat.cloud.tencent.com.",
    "AuthFailure.SignatureExpire": "Set this machine's clock: the cloud takes calls within five minutes of its own.",
    "AuthFailure.SecretIdNotFound": "Check the account's keys.",
    "AuthFailure.SignatureFailure": "Check the account's keys.",
    RUN_OUT: "The short-lived keys have run out; fetch new ones.",
    "InvalidCredential": "Check the account's keys: they are empty or hold blanks.",
}
#: Of the seconds for a call, the most that connecting may take.
CONNECT_SECONDS = 5.0
Service = tuple[str, str]


class Client:
    """One account's calls; may be used by several threads."""

    def __init__(
        self,
        keys: KeyRing,
        endpoint: str | None = None,
        pace: Pace | None = None,
        called: Callable[[str, str], object] = lambda _action, _outcome: None,
    ) -> None:
        """`endpoint` is a base URL in place of the vendor's own, such as a simulator's.

        `called` is told of each call that was sent, and how it ended: ok, throttled, refused or unanswered.
        """
        self._keys = keys
        self._endpoint = endpoint
        self._pace = pace or Pace()
        self._called = called
        self._mine = threading.local()

    def hurried(self) -> Client:
        """Return this client for work with a deadline: its calls are counted, but do not wait for our own rate."""
        twin = copy.copy(self)
        twin._pace = self._pace.hurried()  # noqa: SLF001 - it is one of us
        return twin

    def call(
        self, service: Service, action: str, region: str, parameters: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Make one call and return the reply. Raises CloudTransientError or CloudPermanentError."""
        seconds = self._pace.left(action, seconds)
        keys, seconds = left_for(self._keys, action, seconds)
        try:
            reply = self._sent(self._client(service, region, keys), action, parameters, seconds)
        except Exception as problem:  # the vendor's client lets its transport's exceptions through
            error = self._heeded(action, _translated(action, problem), keys)
            self._called(action, outcome_of(error, THROTTLED))
            raise error from problem
        self._called(action, "ok")
        return reply

    def _heeded(
        self, action: str, error: CloudTransientError | CloudPermanentError, keys: Keys
    ) -> CloudTransientError | CloudPermanentError:
        """Let keys go whose token is not taken; where there are others the call, which did nothing, comes again."""
        if not (error.vendor_code == RUN_OUT and self._keys.run_out(keys)):
            return error
        message = f"{action} was put off: its keys had run out"
        return CloudTransientError(message, vendor_code=RUN_OUT, request_id=error.request_id, refused=True)

    def _sent(self, client: CommonClient, action: str, parameters: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        connecting = min(seconds / 2, CONNECT_SECONDS)
        client.request.conn.timeout = (connecting, seconds - connecting)
        reply: dict[str, Any] = client.call_json(action, dict(parameters))["Response"]
        error = reply.get("Error")
        if isinstance(error, Mapping):
            raise TencentCloudSDKException(error.get("Code"), "", reply.get("RequestId"))
        if "RequestId" not in reply:
            raise TencentCloudSDKException("ServerNetworkError", "no answer of the service")
        return reply

    def _client(self, service: Service, region: str, keys: Keys) -> CommonClient:
        """Return the vendor's client of this thread: its connection and its time-out are one thread's."""
        known: dict[tuple[Service, str], CommonClient] = self._mine.__dict__.setdefault("clients", {})
        found = known.get((service, region))
        if found is None:
            scheme, _, host = (self._endpoint or "").rstrip("/").partition("://")
            http = HttpProfile(protocol=scheme or "https", endpoint=host or None)
            profile = ClientProfile(httpProfile=http, language="en-US")
            found = known[service, region] = CommonClient(*service, None, region, profile)
            # Its own reading of NO_PROXY misses a host without its port; that of the library below does not.
            found.request.conn.proxy = None
        found.credential = Credential(keys.id, keys.secret, keys.token or None)
        return found


def host_of(service: Service) -> str:
    """Name the vendor's own host of a service."""
    return f"{service[0]}.tencentcloudapi.com"


def _translated(action: str, problem: Exception) -> CloudTransientError | CloudPermanentError:
    """Turn whatever the vendor's client raised into one of our two, without the request in it."""
    told = isinstance(problem, TencentCloudSDKException)
    code = discreet(str(getattr(problem, "code", "") or "")) if told else type(problem).__name__
    request_id = str(getattr(problem, "requestId", "") or "") if told else ""
    if told and not code.startswith(_PASSING):
        advice = ADVICE.get(code, "")
        message = f"{action} was refused: {code}"
        return CloudPermanentError(message, vendor_code=code, request_id=request_id, what_to_do=advice)
    refused = told and not code.startswith(_IN_TROUBLE)
    message = f"{action} was put off: {code}" if refused else f"{action} got no answer to rely on: {code}"
    return CloudTransientError(message, vendor_code=code, request_id=request_id, refused=refused)
