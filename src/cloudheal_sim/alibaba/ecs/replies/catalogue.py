"""Wire out: regions, zones, images, types, networks, spot prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.replies.moments import second

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cloudheal_sim.alibaba.ecs.model.catalogue import Image, InstanceType, Region, SecurityGroup, VSwitch

#: What DescribeAvailableResource can be asked for, and whether that is a kind of disk.
DESTINATIONS = {
    "Zone": False,
    "IoOptimized": False,
    "InstanceType": False,
    "Network": False,
    "ddh": False,
    "SystemDisk": True,
    "DataDisk": True,
}
_DISKS = ("cloud_essd", "cloud_efficiency", "cloud_ssd")
_SINCE = "2024-01-01T00:00:00Z"


def region(one: Region) -> dict[str, object]:
    """Write a region."""
    return {
        "RegionId": one.id,
        "LocalName": one.name,
        "RegionEndpoint": f"ecs.{one.id}.aliyuncs.com",
        "Status": "available",
    }


def zone(id_: str, types: list[str]) -> dict[str, object]:
    """Write a zone with the instance types that are in stock."""
    creation = ["VSwitch", "IoOptimized", "Instance", "Disk"] if types else ["VSwitch", "Disk"]
    return {
        "ZoneId": id_,
        "LocalName": id_,
        "ZoneType": "AvailabilityZone",
        "AvailableResourceCreation": {"ResourceTypes": creation},
        "AvailableInstanceTypes": {"InstanceTypes": types},
        "AvailableDiskCategories": {"DiskCategories": list(_DISKS)},
        "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
        "AvailableResources": {"ResourcesInfo": []},
    }


def image(one: Image) -> dict[str, object]:
    """Write an image."""
    return {
        "ImageId": one.id,
        "ImageName": one.name,
        "OSName": one.os_name,
        "OSNameEn": one.os_name,
        "OSType": one.os_type,
        "Platform": one.platform,
        "Architecture": "x86_64",
        "ImageOwnerAlias": one.owner,
        "Size": one.size,
        "Status": "Available",
        "Progress": "100%",
        "Usage": "none",
        "IsPublic": one.owner == "system",
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "Description": "",
        "CreationTime": _SINCE,
        "DiskDeviceMappings": {"DiskDeviceMapping": []},
        "Tags": {"Tag": []},
    }


def instance_type(one: InstanceType) -> dict[str, object]:
    """Write an instance type."""
    return {
        "InstanceTypeId": one.id,
        "InstanceTypeFamily": one.family,
        "CpuCoreCount": one.cpu,
        "MemorySize": one.memory,
        "CpuArchitecture": "X86",
        "InstanceFamilyLevel": "EnterpriseLevel" if one.cpu > 1 else "EntryLevel",
        "InstanceCategory": "General-purpose",
        "GPUAmount": 0,
        "GPUSpec": "",
        "EniQuantity": max(2, min(8, one.cpu)),
        "EniPrivateIpAddressQuantity": 10,
        "LocalStorageCategory": "",
        "NvmeSupport": "supported",
    }


def offer(
    region_id: str, zone_id: str, destination: str, types: Collection[InstanceType], in_stock: Collection[InstanceType]
) -> dict[str, object]:
    """Write what one zone has of the resource asked for."""
    if DESTINATIONS[destination]:
        resources = [_offered(name, there=True) for name in _DISKS]
    else:
        resources = [_offered(one.id, there=one in in_stock) for one in types]
    there = bool(in_stock)
    kind = destination if DESTINATIONS[destination] else "InstanceType"
    return {
        "RegionId": region_id,
        "ZoneId": zone_id,
        "Status": "Available" if there else "SoldOut",
        "StatusCategory": "WithStock" if there else "WithoutStock",
        "AvailableResources": {
            "AvailableResource": [{"Type": kind, "SupportedResources": {"SupportedResource": resources}}]
        },
    }


def vpc(id_: str, region_id: str, switches: Iterable[VSwitch]) -> dict[str, object]:
    """Write a network."""
    return {
        "VpcId": id_,
        "VpcName": id_,
        "RegionId": region_id,
        "Status": "Available",
        "CidrBlock": "10.0.0.0/8",
        "IsDefault": id_.endswith("default"),
        "VRouterId": f"vrt-{id_.partition('-')[2]}",
        "Description": "",
        "CreationTime": _SINCE,
        "VSwitchIds": {"VSwitchId": [one.id for one in switches]},
        "UserCidrs": {"UserCidr": []},
    }


def vswitch(one: VSwitch) -> dict[str, object]:
    """Write a subnet."""
    return {
        "VSwitchId": one.id,
        "VSwitchName": one.name,
        "VpcId": one.vpc,
        "ZoneId": one.zone,
        "CidrBlock": one.cidr,
        "Status": "Available",
        "AvailableIpAddressCount": 4000,
        "IsDefault": "default" in one.id,
        "Description": "",
        "CreationTime": _SINCE,
    }


def security_group(one: SecurityGroup) -> dict[str, object]:
    """Write a security group."""
    return {
        "SecurityGroupId": one.id,
        "SecurityGroupName": one.name,
        "SecurityGroupType": "normal",
        "VpcId": one.vpc,
        "Description": "",
        "ServiceManaged": False,
        "ResourceGroupId": "",
        "CreationTime": _SINCE,
        "Tags": {"Tag": []},
    }


def spot_price(one: InstanceType, zone_id: str, hour: int) -> dict[str, object]:
    """Write what a type cost on the spot market in one hour."""
    return {
        "InstanceType": one.id,
        "IoOptimized": "optimized",
        "NetworkType": "vpc",
        "ZoneId": zone_id,
        "SpotPrice": one.spot_price,
        "OriginPrice": one.price,
        "Timestamp": second(hour),
    }


def spot_advice(zone_id: str, types: Iterable[InstanceType]) -> dict[str, object]:
    """Write how likely reclaims are in one zone, and what is saved."""
    resources = [
        {
            "InstanceType": one.id,
            "AverageSpotDiscount": round(100 * one.spot_price / one.price),
            "InterruptRateDesc": "0-3%",
            "InterruptionRate": 1.5,
        }
        for one in types
    ]
    return {"ZoneId": zone_id, "AvailableSpotResources": {"AvailableSpotResource": resources}}


def _offered(value: str, *, there: bool) -> dict[str, object]:
    return {
        "Value": value,
        "Status": "Available" if there else "SoldOut",
        "StatusCategory": "WithStock" if there else "WithoutStock",
        "Unit": "",
    }
