"""Wire in: listing balancers."""

from __future__ import annotations

from typing import Literal

from cloudheal_sim.tencent.api3 import Api3Request


class DescribeLoadBalancers(Api3Request):
    """A page of balancers."""

    IGNORED = "Filters AdditionalFields SecurityGroup MasterZone"

    load_balancer_ids: tuple[str, ...] = ()
    load_balancer_type: Literal["", "OPEN", "INTERNAL"] = ""
    forward: int | None = None
    load_balancer_name: str = ""
    domain: str = ""
    load_balancer_vips: tuple[str, ...] = ()
    backend_public_ips: tuple[str, ...] = ()
    backend_private_ips: tuple[str, ...] = ()
    offset: int = 0
    limit: int = 20
    order_by: Literal["LoadBalancerName", "CreateTime", "Domain", "LoadBalancerType"] = "CreateTime"
    order_type: Literal[0, 1] = 1
    search_key: str = ""
    project_id: int | None = None
    with_rs: Literal[-1, 0, 1] = -1
    vpc_id: str = ""
