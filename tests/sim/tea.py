"""The vendor's current SDKs pointed at a simulator: one configuration for all products, and how a refusal is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from alibabacloud_tea_openapi import utils_models as open_api
from alibabacloud_tea_openapi.client import Client as AnyClient
from darabonba.exceptions import DaraException
from darabonba.runtime import RuntimeOptions

from tests.sim.simulator import RunningSimulator

REGION = "cn-hangzhou"


def config(sim: RunningSimulator, **more: str) -> open_api.Config:
    """Return what every client is made with; `more` is in place of the usual."""
    usual = {
        "access_key_id": "testid",
        "access_key_secret": "testsecret",
        "region_id": REGION,
        "endpoint": sim.address,
        "protocol": "http",
    }
    return open_api.Config(**{**usual, **more})


def refusal(call: Callable[..., object], *arguments: Any, **named: Any) -> DaraException:
    """Make a call that must be refused; return the SDK's exception."""
    with pytest.raises(DaraException) as caught:
        call(*arguments, **named)
    return caught.value


def refused(call: Callable[..., object], *arguments: Any, **named: Any) -> tuple[int, str]:
    """Make a call that must be refused; return HTTP status and code."""
    problem = refusal(call, *arguments, **named)
    return problem.status_code, problem.code


def call(sim: RunningSimulator, version: str, action: str, **query: str) -> dict[str, Any]:
    """Make any RPC call with the vendor's generic client and return the answer's body."""
    return call_with({}, sim, version, action, **query)


def call_with(
    keys: Mapping[str, str], sim: RunningSimulator, version: str, action: str, **query: str
) -> dict[str, Any]:
    """Make any RPC call as above, with keys in place of the usual."""
    params = open_api.Params(
        action=action,
        version=version,
        protocol="HTTP",
        method="POST",
        auth_type="AK",
        style="RPC",
        pathname="/",
        req_body_type="formData",
        body_type="json",
    )
    request = open_api.OpenApiRequest(query=query)
    body: dict[str, Any] = AnyClient(config(sim, **keys)).call_api(params, request, RuntimeOptions())["body"]
    return body
