"""Wire in: load balancers, regions and zones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, JsonText, Struct, Text

OnOff = Annotated[Literal["on", "off"] | None, Blank]


class TagPair(Struct):
    """One tag of a resource."""

    key: str = Field(min_length=1, max_length=128)
    value: str = Field("", max_length=256)


Tags = Annotated[tuple[TagPair, ...], Field(max_length=20)]


class NamedTag(Struct):
    """One tag in the older calls, which spell it differently and send it as JSON in a string."""

    tag_key: str
    tag_value: str = ""


NamedTags = Annotated[tuple[NamedTag, ...], JsonText]


class CreateLoadBalancer(RpcRequest):
    """A new load balancer."""

    IGNORED = "AutoPay ClientToken Duration PricingCycle"

    address: Text = None
    address_ip_version: Annotated[Literal["ipv4", "ipv6"] | None, Blank] = Field(None, alias="AddressIPVersion")
    address_type: Annotated[Literal["internet", "intranet"] | None, Blank] = None
    bandwidth: Annotated[Annotated[int, Field(ge=-1, le=5000)] | None, Blank] = None
    delete_protection: OnOff = None
    instance_charge_type: Annotated[Literal["PayBySpec", "PayByCLCU"] | None, Blank] = None
    internet_charge_type: Text = None
    load_balancer_name: Annotated[Annotated[str, Field(max_length=80)] | None, Blank] = None
    load_balancer_spec: Text = None
    master_zone_id: Text = None
    modification_protection_reason: Text = None
    modification_protection_status: Annotated[Literal["NonProtection", "ConsoleProtection"] | None, Blank] = None
    pay_type: Annotated[Literal["PayOnDemand", "PrePay"] | None, Blank] = None
    resource_group_id: Text = None
    slave_zone_id: Text = None
    tag: Tags = ()
    v_switch_id: Text = None
    vpc_id: Text = None


class DescribeLoadBalancers(RpcRequest):
    """The load balancers of a region."""

    address: Text = None
    address_ip_version: Text = Field(None, alias="AddressIPVersion")
    address_type: Text = None
    internet_charge_type: Text = None
    load_balancer_id: Text = None
    load_balancer_name: Text = None
    load_balancer_status: Text = None
    master_zone_id: Text = None
    network_type: Text = None
    page_number: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(50, ge=1, le=100)
    pay_type: Text = None
    resource_group_id: Text = None
    server_id: Text = None
    server_intranet_address: Text = None
    slave_zone_id: Text = None
    tag: Tags = ()
    tags: NamedTags = ()
    v_switch_id: Text = None
    vpc_id: Text = None


class DescribeLoadBalancerAttribute(RpcRequest):
    """One load balancer with its listeners and default group."""

    load_balancer_id: str


class DeleteLoadBalancer(RpcRequest):
    """Delete a load balancer with all that belongs to it."""

    load_balancer_id: str


class SetLoadBalancerStatus(RpcRequest):
    """Switch a load balancer on or off."""

    load_balancer_id: str
    load_balancer_status: Literal["active", "inactive"]


class SetLoadBalancerName(RpcRequest):
    """Rename a load balancer."""

    load_balancer_id: str
    load_balancer_name: str = Field(min_length=1, max_length=80)


class SetLoadBalancerDeleteProtection(RpcRequest):
    """Protect a load balancer from deletion, or no longer."""

    load_balancer_id: str
    delete_protection: Literal["on", "off"]


class DescribeRegions(RpcRequest):
    """The regions that have load balancers."""

    IGNORED = "AcceptLanguage"


class DescribeZones(RpcRequest):
    """The zones of a region."""

    IGNORED = "AcceptLanguage"
