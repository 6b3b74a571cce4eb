"""Where calls go when no endpoint is set: to the vendor's own hosts, over https, in the region of the event."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from alibabacloud_tea_openapi.client import Client as VendorClient

from cloudheal.clouds.alibaba.client import CMS, ECS, SLB, STS, Client
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Return what leaves the machine: scheme, host and the region asked for. The wire is the only thing replaced."""
    seen: list[tuple[str, str, str]] = []

    def call_api(one: VendorClient, params: Any, request: Any, _runtime: Any) -> dict[str, Any]:
        assert params.protocol == "HTTPS"
        seen.append((one._protocol, one._endpoint, request.query["RegionId"]))  # noqa: SLF001 - the vendor's own
        return {"body": {"RequestId": "r", "Instances": {"Instance": []}}}

    monkeypatch.setattr(VendorClient, "call_api", call_api)
    return seen


@pytest.mark.parametrize("region", ["@127.0.0.1:{}/x?", "@127.0.0.1:{}#", "x@127.0.0.1:{}/", ""])
def test_what_is_no_region_is_asked_nowhere(region: str) -> None:
    """A region that a message made up leads no signed call to the host that it names."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        client = Client(Keys("id", "secret"))
        with pytest.raises(CloudPermanentError, match="is no region"):
            client.call(ECS, "DescribeInstances", region.format(trap.getsockname()[1]), {}, 3)
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize(
    ("version", "host"),
    [
        (ECS, "ecs.{}.aliyuncs.com"),
        (SLB, "slb.{}.aliyuncs.com"),
        (CMS, "metrics.{}.aliyuncs.com"),
        (STS, "sts.aliyuncs.com"),
    ],
)
def test_each_region_is_asked_at_its_own_host(sent: list[tuple[str, str, str]], version: str, host: str) -> None:
    """One client serves all regions: each call says its own, whatever was called before."""
    client, regions = Client(Keys("id", "secret")), ("cn-hangzhou", "cn-beijing", "cn-hangzhou")
    for region in regions:
        client.call(version, "AnyAction", region, {}, 5)
    assert sent == [("https", host.format(region), region) for region in regions]
