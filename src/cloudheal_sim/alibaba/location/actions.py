"""The calls of the location service: every endpoint of every product is the host this very request was sent to.

So a classic SDK that asks before it calls keeps coming back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.location import requests
from cloudheal_sim.alibaba.location.errors import UNKNOWN_REGION, UNKNOWN_SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cloudheal_sim.alibaba.networks import Region
    from cloudheal_sim.kernel.core import Exchange


@dataclass(frozen=True, slots=True)
class Location:
    """What the service knows: the products served here (lower case) and the regions."""

    products: Callable[[], Collection[str]]
    regions: Callable[[], Collection[Region]]


SERVICE: Service[Location] = Service("location", "Location", "2015-06-12")
#: Products by other names that SDKs use for them.
_ALIASES = {"cloudmonitor": "cms", "clb": "slb"}


@SERVICE.action(requests.DescribeEndpoints)
def describe_endpoints(location: Location, request: requests.DescribeEndpoints, exchange: Exchange) -> Reply:
    """Name this server as the endpoint of a product."""
    found = _endpoint(location, request.id, request.service_code, request.type, exchange)
    return {"Endpoints": {"Endpoint": [found]}, "Success": True}


@SERVICE.action(requests.DescribeEndpoint)
def describe_endpoint(location: Location, request: requests.DescribeEndpoint, exchange: Exchange) -> Reply:
    """Name this server as the endpoint of a product (older call)."""
    found = _endpoint(location, request.id, request.service_code or request.namespace or "", request.type, exchange)
    return {**found, "Success": True}


@SERVICE.action(requests.DescribeServices)
def describe_services(location: Location, _request: requests.DescribeServices, _exchange: Exchange) -> Reply:
    """List the products."""
    names = sorted(location.products())
    found = [{"ServiceCode": name, "Namespace": name, "Type": "openAPI"} for name in names]
    return {"Services": {"Service": found}, "TotalCount": len(found), "Success": True}


@SERVICE.action(requests.DescribeRegions)
def describe_regions(location: Location, _request: requests.DescribeRegions, _exchange: Exchange) -> Reply:
    """List the regions."""
    return {"RegionIds": {"RegionIds": [region.id for region in location.regions()]}, "Success": True}


def _endpoint(location: Location, region: str, service: str, kind: str | None, exchange: Exchange) -> dict[str, object]:
    if all(known.id != region for known in location.regions()):
        raise Refused(UNKNOWN_REGION)
    product = service.lower()
    if _ALIASES.get(product, product) not in location.products():
        raise Refused(UNKNOWN_SERVICE)
    return {
        "Id": region,
        "Namespace": "26842",
        "ServiceCode": service,
        "SerivceCode": service,
        "Type": kind or "openAPI",
        "Endpoint": exchange.host,
        "Protocols": {"Protocols": ["HTTP"]},
    }
