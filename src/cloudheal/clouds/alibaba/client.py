"""Calls to the RPC APIs, on the vendor's own generic client, which signs them.

One client per endpoint and account. Its own retries are off: a mutating call is sent once, and reads are repeated by
whoever knows whether that is safe. Vendor errors become ours here, with code and request id, and without the body.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloudheal.clouds.keys import KeyRing, Keys, left_for
from cloudheal.clouds.quota import Buckets, Pace, outcome_of
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.resource import is_region
from cloudheal.postponed import postponed
from cloudheal.settings.discretion import discreet

# Calls from coroutines, keys that a machine is asked for, and RSA signatures: none of them is ours.
with postponed(
    "aiohttp",
    "apscheduler.schedulers.background",
    "cryptography.hazmat.primitives",
    "cryptography.hazmat.primitives.asymmetric",
    "cryptography.hazmat.primitives.serialization",
):
    from alibabacloud_credentials.models import CredentialModel
    from alibabacloud_tea_openapi import utils_models as openapi
    from alibabacloud_tea_openapi.client import Client as VendorClient
    from darabonba.exceptions import DaraException
    from darabonba.runtime import RuntimeOptions

ECS, SLB, CMS, STS, ACTIONTRAIL = "2014-05-26", "2014-05-15", "2019-01-01", "2015-04-01", "2020-07-06"
#: The service itself is in trouble: whether the call took effect cannot be known.
_IN_TROUBLE = ("InternalError", "ServiceUnavailable", "UnknownError")
#: A balancer that is still rolling out an earlier change refuses the next one under any of these.
_BUSY = ("BackendServer.configuring", "ServiceIsConfiguring", "ServiceIsStopping", "SystemBusy", "OperationConflict")
#: Codes that pass by waiting; everything else below HTTP 500 does not.
_PASSING = (*_IN_TROUBLE, *_BUSY, "Throttling", "InstanceNotReady", "OperationFailed.TokenIsProcessing")
#: Short-lived keys that have run out: nothing was done.
_RUN_OUT = "InvalidSecurityToken.Expired"
#: How a call is answered that was not sent, because its host would be anybody's.
NO_REGION = "NoRegion"
_PRODUCTS = {ECS: "ecs", SLB: "slb", CMS: "metrics", STS: "sts", ACTIONTRAIL: "actiontrail"}


class Client:
    """One account's calls."""

    def __init__(
        self,
        keys: KeyRing,
        endpoint: str | None = None,
        buckets: Buckets | None = None,
        pause: Callable[[float], object] = time.sleep,
        called: Callable[[str, str], object] = lambda _action, _outcome: None,
    ) -> None:
        """`endpoint` is a base URL in place of the vendor's own, such as a simulator's; `buckets` are our own rates.

        `called` is told of each call that was sent, and how it ended: ok, throttled, refused or unanswered.
        """
        self._called = called
        self._pace = Pace(buckets, pause)
        self._keys = keys
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], VendorClient] = {}

    def hurried(self) -> Client:
        """Return this client for work with a deadline: its calls are counted, but do not wait for our own rate."""
        twin = copy.copy(self)
        twin._pace = self._pace.hurried()  # noqa: SLF001 - it is one of us
        return twin

    def call(self, version: str, action: str, region: str, query: Mapping[str, str], seconds: float) -> dict[str, Any]:
        """Make one call and return the reply. Raises CloudTransientError or CloudPermanentError."""
        if not is_region(region):  # it names the host
            raise CloudPermanentError(f"{action} was not sent: {region[:40]!r} is no region", vendor_code=NO_REGION)
        seconds = self._pace.left(action, seconds)
        keys, seconds = left_for(self._keys, action, seconds)
        call = openapi.Params(
            action=action,
            version=version,
            protocol="HTTPS",
            method="POST",
            auth_type="AK",
            style="RPC",
            pathname="/",
            req_body_type="formData",
            body_type="json",
        )
        millis = max(1, round(seconds * 1000))
        runtime = RuntimeOptions(autoretry=False, connect_timeout=min(millis, 5000), read_timeout=millis)
        request = openapi.OpenApiRequest(query={"RegionId": region, **query})
        try:
            body: dict[str, Any] = self._client(version, region).call_api(call, request, runtime)["body"]
        except Exception as problem:  # the vendor's client lets its transport's exceptions through
            error = self._heeded(action, _translated(action, problem), keys)
            self._called(action, outcome_of(error, "Throttling"))
            raise error from problem
        self._called(action, "ok")
        return body

    def _heeded(
        self, action: str, error: CloudTransientError | CloudPermanentError, keys: Keys
    ) -> CloudTransientError | CloudPermanentError:
        """Let keys go that the cloud calls expired; where there are others the call, which did nothing, comes again."""
        if not (error.vendor_code.startswith(_RUN_OUT) and self._keys.run_out(keys)):
            return error
        message, code = f"{action} was put off: its keys had run out", error.vendor_code
        return CloudTransientError(message, vendor_code=code, request_id=error.request_id, refused=True)

    def _client(self, version: str, region: str) -> VendorClient:
        found = self._clients.get((version, region))
        if found is None:
            scheme, _, host = (self._endpoint or f"https://{host_of(version, region)}").partition("://")
            config = openapi.Config(
                credential=_Credential(self._keys),
                region_id=region,
                endpoint=host.rstrip("/"),
                protocol=scheme,
            )
            found = self._clients[version, region] = VendorClient(config)
        return found


class _Credential:
    """What the vendor's client asks for keys, at every call."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def get_credential(self) -> CredentialModel:
        """Return the keys of this moment, in the vendor's own words."""
        keys = self._keys.current()
        kind = "sts" if keys.token else "access_key"
        return CredentialModel(keys.id, keys.secret, keys.token or None, type=kind)


def host_of(version: str, region: str) -> str:
    """Name the vendor's own host of a service in a region."""
    product = _PRODUCTS[version]
    return "sts.aliyuncs.com" if version == STS else f"{product}.{region}.aliyuncs.com"


def _translated(action: str, problem: Exception) -> CloudTransientError | CloudPermanentError:
    """Turn whatever the vendor's client raised into one of our two, without the request in it."""
    code = discreet(str(getattr(problem, "code", "") or ""))
    status = getattr(problem, "status_code", None) or getattr(problem, "statusCode", None)
    data = getattr(problem, "data", None)
    request_id = str(data.get("RequestId", "")) if isinstance(data, Mapping) else ""
    answered = isinstance(problem, DaraException) and isinstance(status, int)
    if answered and int(status or 0) < 500 and not code.startswith(_PASSING):
        return CloudPermanentError(f"{action} was refused: {code}", vendor_code=code, request_id=request_id)
    what = code or type(problem).__name__
    refused = answered and int(status or 0) < 500 and not code.startswith(_IN_TROUBLE)
    message = f"{action} was put off: {what}" if refused else f"{action} got no answer to rely on: {what}"
    return CloudTransientError(message, vendor_code=what, request_id=request_id, refused=refused)
