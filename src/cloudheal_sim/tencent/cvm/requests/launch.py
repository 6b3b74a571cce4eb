"""Wire in: ordering instances."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request, Struct


class Placement(Struct):
    """Where."""

    IGNORED = "HostIds HostId DedicatedResourcePackTenancy DedicatedResourcePackIds RackId"

    zone: str
    project_id: int = 0


class Prepaid(Struct):
    """The terms of a subscription; the period is in months."""

    IGNORED = "RenewFlag"

    period: int


class PrivateNetwork(Struct):
    """In which network; what is absent is the zone's default."""

    IGNORED = "AsVpcGateway Ipv6AddressCount"

    vpc_id: str = ""
    subnet_id: str = ""
    private_ip_addresses: tuple[str, ...] = ()


class Internet(Struct):
    """How it is reached from outside; a cap of 0 means not at all."""

    IGNORED = (
        "InternetChargeType BandwidthPackageId InternetServiceProvider IPv4AddressType IPv6AddressType "
        "AntiDDoSPackageId"
    )

    internet_max_bandwidth_out: int = Field(0, ge=0)
    public_ip_assigned: bool | None = None


class Tag(Struct):
    """One tag."""

    key: str
    value: str = ""


class TagSpecification(Struct):
    """The tags of what is ordered."""

    resource_type: str
    tags: tuple[Tag, ...]


class LaunchTemplate(Struct):
    """A launch template; there are none here."""

    IGNORED = "LaunchTemplateVersion"

    launch_template_id: str


class RunInstances(Api3Request):
    """Order instances that start at once."""

    IGNORED = (
        "SystemDisk DataDisks LoginSettings EnhancedService ActionTimer DisasterRecoverGroupIds "
        "InstanceMarketOptions Metadata CpuTopology CamRoleName HpcClusterId DedicatedClusterId ChcIds "
        "PartitionNumber EnableJumboFrame NetworkInterfaces"
    )

    placement: Placement | None = None
    image_id: str = ""
    instance_type: str = "S5.SMALL1"
    instance_charge_type: Literal["PREPAID", "POSTPAID_BY_HOUR", "SPOTPAID", "CDHPAID", "CDCPAID"] = "POSTPAID_BY_HOUR"
    instance_charge_prepaid: Prepaid | None = None
    instance_count: int = Field(1, ge=1, le=500)
    min_count: int | None = Field(None, ge=1)
    instance_name: str = ""
    host_name: str = ""
    virtual_private_cloud: PrivateNetwork = PrivateNetwork()
    security_group_ids: tuple[str, ...] = ()
    internet_accessible: Internet = Internet()
    tag_specification: tuple[TagSpecification, ...] = ()
    client_token: str | None = None
    user_data: str = ""
    disable_api_termination: bool = False
    launch_template: LaunchTemplate | None = None
    dry_run: bool = False
