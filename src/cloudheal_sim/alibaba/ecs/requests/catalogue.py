"""Wire in: what can be chosen from: regions, zones, images, types, networks, prices."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.fields import MaxResultsFromOne, Paged, PagedEitherWay, Switch
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Ids, Numbered, Text, Whole


class DescribeRegions(RpcRequest):
    """List the regions."""

    IGNORED = "AcceptLanguage InstanceChargeType ResourceType"


class DescribeZones(RpcRequest):
    """List the zones of a region."""

    IGNORED = "AcceptLanguage InstanceChargeType SpotStrategy Verbose"

    region_id: str


class DescribeImages(Paged):
    """List images."""

    IGNORED = (
        "ActionType Architecture Filter ImageFamily ImageOwnerId InstanceType IsPublic IsSupportCloudinit "
        "IsSupportIoOptimized ResourceGroupId ShowExpired SnapshotId Tag Usage Usable"
    )

    region_id: str
    image_id: Text = None
    image_name: Text = None
    image_owner_alias: Text = None
    o_s_type: Text = Field(None, alias="OSType")
    status: Text = None
    dry_run: Switch = False


class DescribeInstanceTypes(RpcRequest):
    """List instance types."""

    IGNORED = (
        "AdditionalAttributes CpuArchitecture CpuArchitectures GPUSpec GpuSpecs InstanceCategories InstanceCategory "
        "InstanceFamilyLevel LocalStorageCategories LocalStorageCategory MaximumCpuSpeedFrequency "
        "MaximumCpuTurboFrequency MaximumGPUAmount MinimumBaselineCredit MinimumCpuSpeedFrequency "
        "MinimumCpuTurboFrequency MinimumDiskQuantity MinimumEniIpv6AddressQuantity "
        "MinimumEniPrivateIpAddressQuantity MinimumEniQuantity MinimumEriQuantity MinimumGPUAmount "
        "MinimumInitialCredit MinimumInstanceBandwidthRx MinimumInstanceBandwidthTx MinimumInstancePpsRx "
        "MinimumInstancePpsTx MinimumLocalStorageAmount MinimumLocalStorageCapacity MinimumPrimaryEniQueueNumber "
        "MinimumQueuePairNumber MinimumSecondaryEniQueueNumber NvmeSupport PhysicalProcessorModel "
        "PhysicalProcessorModels"
    )

    instance_types: Numbered = ()
    instance_type_family: Text = None
    instance_type_families: Numbered = ()
    minimum_cpu_core_count: Whole = None
    maximum_cpu_core_count: Whole = None
    minimum_memory_size: Annotated[float | None, Blank] = None
    maximum_memory_size: Annotated[float | None, Blank] = None
    max_results: MaxResultsFromOne = None
    next_token: Text = None


class DescribeInstanceTypeFamilies(RpcRequest):
    """List families of instance types."""

    IGNORED = "Generation"

    region_id: str


class DescribeAvailableResource(RpcRequest):
    """Ask what is in stock, zone by zone."""

    IGNORED = (
        "DataDiskCategory DedicatedHostId InstanceChargeType IoOptimized NetworkCategory ResourceType Scope "
        "SpotDuration SpotStrategy SystemDiskCategory"
    )

    region_id: str
    destination_resource: str
    zone_id: Text = None
    instance_type: Text = None
    cores: Whole = None
    memory: Annotated[float | None, Blank] = None


class DescribeVpcs(Paged):
    """List networks."""

    IGNORED = "IsDefault"

    region_id: str
    vpc_id: Text = None


class DescribeVSwitches(Paged):
    """List subnets."""

    IGNORED = "IsDefault"

    vpc_id: Text = None
    v_switch_id: Text = None
    zone_id: Text = None


class DescribeSecurityGroups(PagedEitherWay):
    """List security groups."""

    IGNORED = "FuzzyQuery IsQueryEcsCount NetworkType ResourceGroupId SecurityGroupType ServiceManaged Tag"

    region_id: str
    vpc_id: Text = None
    security_group_id: Text = None
    security_group_ids: Ids = ()
    security_group_name: Text = None
    dry_run: Switch = False


class DescribeSpotPriceHistory(RpcRequest):
    """Ask what a type cost on the spot market."""

    IGNORED = "IoOptimized NetworkType OSType SpotDuration"
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceType": errors.TYPE_NOT_SUPPORTED}

    region_id: str
    instance_type: str
    zone_id: Text = None
    start_time: Text = None
    end_time: Text = None
    offset: Annotated[Annotated[int, Field(ge=0)] | None, Blank] = None


class DescribeSpotAdvice(RpcRequest):
    """Ask how likely a reclaim is, by type and zone."""

    IGNORED = "GpuAmount GpuSpec InstanceFamilyLevel MinCores MinMemory"

    region_id: str
    zone_id: Text = None
    instance_types: Numbered = ()
    instance_type_family: Text = None
    cores: Whole = None
    memory: Annotated[float | None, Blank] = None
