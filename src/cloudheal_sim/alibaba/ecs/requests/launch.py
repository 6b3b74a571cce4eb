"""Wire in: ordering instances."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.fields import Switch, TagPair
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Numbered, Struct, Text, Whole


class SystemDiskOrder(Struct):
    """`SystemDisk.*`; the size is in GiB."""

    IGNORED = (
        "AutoSnapshotPolicyId BurstingEnabled EncryptAlgorithm Encrypted KMSKeyId PerformanceLevel ProvisionedIops "
        "StorageClusterId"
    )

    category: Text = None
    size: Whole = None
    disk_name: Text = None
    description: Text = None


class DataDiskOrder(Struct):
    """`DataDisk.N.*`; the size is in GiB."""

    IGNORED = SystemDiskOrder.IGNORED

    category: Text = None
    size: Whole = None
    disk_name: Text = None
    description: Text = None
    device: Text = None
    snapshot_id: Text = None
    delete_with_instance: bool = True


class InterfaceOrder(Struct):
    """`NetworkInterface.N.*`: the newer way to say where an instance is."""

    instance_type: str = "Primary"
    v_switch_id: Text = None
    security_group_id: Text = None
    security_group_ids: Numbered = ()
    primary_ip_address: Text = None


class Order(RpcRequest):
    """What RunInstances and CreateInstance have in common."""

    INVALID_STATUS = 400
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "Amount": errors.AMOUNT,
        "MinAmount": errors.AMOUNT,
        "SpotDuration": errors.SPOT_DURATION,
        "SpotPriceLimit": errors.SPOT_PRICE_LIMIT,
        "ClientToken": errors.TOKEN_MALFORMED,
        "Period": errors.PERIOD,
        "Tag": errors.TOO_MANY_TAGS,
    }

    image_id: Text = None
    image_family: Text = None
    instance_type: Text = None
    security_group_id: Text = None
    v_switch_id: Text = None
    zone_id: Text = None
    private_ip_address: Text = None
    instance_name: Text = None
    host_name: Text = None
    description: Text = None
    instance_charge_type: str = "PostPaid"
    period: Annotated[Annotated[int, Field(ge=1, le=60)] | None, Blank] = None
    period_unit: Text = None
    spot_strategy: str = "NoSpot"
    spot_price_limit: Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, Blank] = None
    spot_duration: Annotated[Annotated[int, Field(ge=0, le=1)] | None, Blank] = None
    spot_interruption_behavior: str = "Terminate"
    client_token: Annotated[Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")] | None, Blank] = None
    deletion_protection: Switch = False
    dry_run: Switch = False
    internet_max_bandwidth_out: Annotated[Annotated[int, Field(ge=0, le=100)] | None, Blank] = None
    key_pair_name: Text = None
    resource_group_id: Text = None
    user_data: Text = None
    system_disk: SystemDiskOrder = SystemDiskOrder()
    data_disk: tuple[DataDiskOrder, ...] = Field((), max_length=16)
    tag: tuple[TagPair, ...] = Field((), max_length=20)


class RunInstances(Order):
    """Order instances that start at once."""

    IGNORED = (
        "CpuOptions HibernationOptions PrivatePoolOptions SchedulerOptions SecurityOptions Affinity Arn AutoPay "
        "AutoRenew AutoRenewPeriod ClockOptions CreditSpecification DedicatedHostId DeploymentSetGroupNo "
        "DeploymentSetId HpcClusterId HttpEndpoint HttpPutResponseHopLimit HttpTokens ImageOptions "
        "InternetChargeType InternetMaxBandwidthIn IoOptimized Ipv6Address Ipv6AddressCount Isp ManagedHostId "
        "NetworkInterface.DeleteOnRelease NetworkInterface.Description NetworkInterface.Ipv6Address "
        "NetworkInterface.Ipv6AddressCount NetworkInterface.NetworkCardIndex NetworkInterface.NetworkInterfaceId "
        "NetworkInterface.NetworkInterfaceName NetworkInterface.NetworkInterfaceTrafficMode "
        "NetworkInterface.QueueNumber NetworkInterface.QueuePairNumber NetworkInterface.RxQueueSize "
        "NetworkInterface.SecondaryPrivateIpAddressCount NetworkInterface.SourceDestCheck "
        "NetworkInterface.TxQueueSize "
        "SystemDisk.AutoSnapshotPolicyId SystemDisk.BurstingEnabled SystemDisk.EncryptAlgorithm SystemDisk.Encrypted "
        "SystemDisk.KMSKeyId SystemDisk.PerformanceLevel SystemDisk.ProvisionedIops SystemDisk.StorageClusterId "
        "DataDisk.AutoSnapshotPolicyId DataDisk.BurstingEnabled DataDisk.EncryptAlgorithm DataDisk.Encrypted "
        "DataDisk.KMSKeyId DataDisk.PerformanceLevel DataDisk.ProvisionedIops DataDisk.StorageClusterId "
        "NetworkInterfaceQueueNumber NetworkOptions Password PasswordInherit PrivateDnsNameOptions "
        "RamRoleName SecurityEnhancementStrategy StorageSetId StorageSetPartitionNumber Tenancy"
    )

    amount: Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank] = None
    min_amount: Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank] = None
    auto_release_time: Text = None
    host_names: Numbered = ()
    unique_suffix: Switch = False
    security_group_ids: Numbered = ()
    network_interface: tuple[InterfaceOrder, ...] = Field((), max_length=2)
    launch_template_id: Text = None
    launch_template_name: Text = None
    launch_template_version: Whole = None


class CreateInstance(Order):
    """Order one instance that is left Stopped."""

    IGNORED = (
        "HibernationOptions PrivatePoolOptions Affinity Arn AutoRenew AutoRenewPeriod ClusterId CreditSpecification "
        "DedicatedHostId DeploymentSetGroupNo DeploymentSetId HpcClusterId HttpEndpoint HttpPutResponseHopLimit "
        "HttpTokens InnerIpAddress InternetChargeType InternetMaxBandwidthIn IoOptimized ManagedHostId "
        "NodeControllerId Password PasswordInherit RamRoleName SecurityEnhancementStrategy StorageSetId "
        "SystemDisk.PerformanceLevel SystemDisk.StorageClusterId DataDisk.EncryptAlgorithm DataDisk.Encrypted "
        "DataDisk.KMSKeyId DataDisk.PerformanceLevel DataDisk.StorageClusterId "
        "StorageSetPartitionNumber Tenancy UseAdditionalService VlanId"
    )
