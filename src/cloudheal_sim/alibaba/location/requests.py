"""Wire in: the calls of the location service. `Id` is a region here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Text


class DescribeEndpoints(RpcRequest):
    """Where a product's servers are in a region."""

    IGNORED = "Namespace"

    id: str
    service_code: Annotated[str, Field(min_length=1)]
    type: Text = None


class DescribeEndpoint(RpcRequest):
    """Where a product's server is in a region (older call)."""

    id: str
    service_code: Text = None
    namespace: Text = None
    type: Text = None


class DescribeServices(RpcRequest):
    """Which products a region has."""

    IGNORED = "Namespace NamespaceUid Password Username"


class DescribeRegions(RpcRequest):
    """Which regions there are."""

    IGNORED = "Namespace NamespaceUid Password Username"
