"""Wire in: the VPC calls."""

from __future__ import annotations

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Flag, Text


class Paged(RpcRequest):
    """A call that answers in pages."""

    page_number: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(10, ge=1, le=50)


class DescribeVpcs(Paged):
    """The networks of a region."""

    IGNORED = "AdvancedFeature DhcpOptionsSetId EnableIpv6 ResourceGroupId Tag VpcOwnerId"

    vpc_id: Text = None
    vpc_name: Text = None
    is_default: Flag = None
    dry_run: Flag = None


class DescribeVSwitches(Paged):
    """The switches of a region or network."""

    IGNORED = "EnableIpv6 ResourceGroupId RouteTableId Tag VSwitchOwnerId"

    vpc_id: Text = None
    v_switch_id: Text = None
    v_switch_name: Text = None
    zone_id: Text = None
    is_default: Flag = None
    dry_run: Flag = None


class DescribeEipAddresses(Paged):
    """The elastic addresses of a region; none can be had here, so none are listed."""

    IGNORED = (
        "AllocationId AssociatedInstanceId AssociatedInstanceType ChargeType DryRun EipAddress EipName Filter "
        "ISP IncludeReservationData InstanceType LockReason PublicIpAddressPoolId ResourceGroupId "
        "SecurityProtectionEnabled SegmentInstanceId ServiceManaged Status Tag"
    )

    page_size: int = Field(10, ge=1, le=100)


class DescribeRegions(RpcRequest):
    """The regions."""

    IGNORED = "AcceptLanguage ProductType"


class DescribeZones(RpcRequest):
    """The zones of a region."""

    IGNORED = "AcceptLanguage ZoneType"
