"""Wire in: looking at instances and changing their attributes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.fields import Filter, Paged, PagedEitherWay, Switch, TagPair
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Ids, Numbered, Text


class DescribeInstances(PagedEitherWay):
    """List instances of a region."""

    IGNORED = (
        "AdditionalAttributes HpcClusterId HttpEndpoint HttpPutResponseHopLimit HttpTokens Ipv6Address NeedSaleCycle "
        "RdmaIpAddresses"
    )
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceIds": errors.INSTANCE_IDS_MALFORMED}

    region_id: str
    instance_ids: Ids = Field((), max_length=100)
    status: Text = None
    lock_reason: Text = None
    zone_id: Text = None
    vpc_id: Text = None
    v_switch_id: Text = None
    image_id: Text = None
    instance_name: Text = None
    instance_type: Text = None
    instance_type_family: Text = None
    instance_charge_type: Text = None
    instance_network_type: Text = None
    internet_charge_type: Text = None
    key_pair_name: Text = None
    resource_group_id: Text = None
    security_group_id: Text = None
    private_ip_addresses: Ids = ()
    public_ip_addresses: Ids = ()
    inner_ip_addresses: Ids = ()
    eip_addresses: Ids = ()
    device_available: Flag = None
    io_optimized: Flag = None
    dry_run: Switch = False
    tag: tuple[TagPair, ...] = ()
    filter: tuple[Filter, ...] = ()


class DescribeInstanceStatus(Paged):
    """List ids with their status."""

    IGNORED = "ClusterId"
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.INSTANCE_IDS_MALFORMED}

    region_id: str
    instance_id: Annotated[Numbered, Field(max_length=100)] = ()
    zone_id: Text = None
    page_size: Annotated[Annotated[int, Field(ge=1, le=50)] | None, Blank] = None


class DescribeInstanceAttribute(RpcRequest):
    """Look at one instance."""

    instance_id: str


class ModifyInstanceAttribute(RpcRequest):
    """Change what an instance is called and how it is protected."""

    IGNORED = (
        "CpuOptions CreditSpecification EnableJumboFrame EnableNetworkEncryption NetworkInterfaceQueueNumber Password "
        "PrivateDnsNameOptions Recyclable RemoteConnectionOptions"
    )

    instance_id: str
    instance_name: Text = None
    description: str | None = None
    host_name: Text = None
    deletion_protection: Flag = None
    user_data: Text = None
    security_group_ids: Numbered = ()


class DescribeInstanceAutoRenewAttribute(Paged):
    """Ask which instances renew themselves; here none does."""

    region_id: str
    instance_id: Text = None
    renewal_status: Text = None


class GetInstanceConsoleOutput(RpcRequest):
    """Read what the system inside has printed."""

    IGNORED = "RemoveSymbols"

    instance_id: str
