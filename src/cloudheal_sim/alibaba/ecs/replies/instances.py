"""Wire out: instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.instance import Spot, Status
from cloudheal_sim.alibaba.ecs.replies.moments import NEVER, minute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.model.catalogue import Catalogue
    from cloudheal_sim.alibaba.ecs.model.instance import Instance

_NOT_SPOT = Spot(strategy="NoSpot", duration=0, behavior="")


def tags(of: Mapping[str, str]) -> dict[str, object]:
    """Write tags as replies carry them."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in of.items()]}


def instance_item(instance: Instance, catalogue: Catalogue, as_of: int | None) -> dict[str, object]:
    """Write one instance as DescribeInstances shows it, its status as it was at `as_of`."""
    image = catalogue.images.get(instance.image)
    return {
        **_identity(instance),
        "Status": instance.status.at(as_of),
        **_size(instance, catalogue),
        "OSName": image.os_name if image else "",
        "OSNameEn": image.os_name if image else "",
        "OSType": image.os_type if image else "linux",
        **_charging(instance),
        **_network(instance),
        "KeyPairName": instance.key_pair,
        "ResourceGroupId": instance.resource_group,
        "NetworkInterfaces": {"NetworkInterface": [_interface(instance)]},
        "DeviceAvailable": True,
        "IoOptimized": True,
        "Recyclable": False,
        "OperationLocks": {"LockReason": [{"LockReason": lock, "LockMsg": ""} for lock in instance.locks]},
        "Tags": tags(instance.tags),
    }


def attribute(instance: Instance, catalogue: Catalogue) -> dict[str, object]:
    """Write one instance as DescribeInstanceAttribute shows it."""
    size = catalogue.types.get(instance.type)
    return {
        **_identity(instance),
        "Status": instance.status.value,
        "InstanceType": instance.type,
        "Cpu": size.cpu if size else 1,
        "Memory": round(size.memory * 1024) if size else 1024,
        "InstanceChargeType": instance.charge_type,
        "StoppedMode": instance.stopped_mode,
        "CreationTime": minute(instance.created),
        "ExpiredTime": minute(instance.expires) or NEVER,
        **_network(instance),
        "IoOptimized": "optimized",
        "OperationLocks": {"LockReason": [{"LockReason": lock, "LockMsg": ""} for lock in instance.locks]},
    }


def _identity(instance: Instance) -> dict[str, object]:
    return {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "HostName": instance.host_name,
        "Description": instance.description,
        "RegionId": instance.region,
        "ZoneId": instance.zone,
        "ImageId": instance.image,
        "SerialNumber": instance.id,
    }


def _size(instance: Instance, catalogue: Catalogue) -> dict[str, object]:
    size = catalogue.types.get(instance.type)
    return {
        "InstanceType": instance.type,
        "InstanceTypeFamily": size.family if size else instance.type.rpartition(".")[0],
        "Cpu": size.cpu if size else 1,
        "Memory": round(size.memory * 1024) if size else 1024,
    }


def _charging(instance: Instance) -> dict[str, object]:
    spot = instance.spot or _NOT_SPOT
    return {
        "InstanceChargeType": instance.charge_type,
        "SpotStrategy": spot.strategy,
        "SpotPriceLimit": spot.price_limit,
        "SpotDuration": spot.duration,
        "SpotInterruptionBehavior": spot.behavior,
        "StoppedMode": instance.stopped_mode,
        "DeletionProtection": instance.deletion_protection,
        "SaleCycle": "",
        "CreationTime": minute(instance.created),
        "StartTime": minute(instance.started),
        "ExpiredTime": minute(instance.expires) or NEVER,
        "AutoReleaseTime": minute(instance.auto_release),
    }


def _network(instance: Instance) -> dict[str, object]:
    network = instance.network
    return {
        "InstanceNetworkType": "vpc",
        "VpcAttributes": {
            "VpcId": network.vpc,
            "VSwitchId": network.vswitch,
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [network.private_ip]},
        },
        # Before the public addresses: footmark, a client in Python, looks here when there is none.
        "EipAddress": {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""},
        "PublicIpAddress": {"IpAddress": list(network.public_ips)},
        "InnerIpAddress": {"IpAddress": []},
        "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthIn": 100 if network.public_ips else -1,
        "InternetMaxBandwidthOut": 100 if network.public_ips else 0,
        "SecurityGroupIds": {"SecurityGroupId": list(network.security_groups)},
        "VlanId": "",
    }


def _interface(instance: Instance) -> dict[str, object]:
    address = instance.network.private_ip
    return {
        "NetworkInterfaceId": f"eni-{instance.id.partition('-')[2]}",
        "Type": "Primary",
        "PrimaryIpAddress": address,
        "MacAddress": _mac(address),
        "PrivateIpSets": {"PrivateIpSet": [{"PrivateIpAddress": address, "Primary": True}]},
    }


def _mac(address: str) -> str:
    return ":".join(("00:16", *(f"{int(part):02x}" if part.isdecimal() else "00" for part in address.split("."))))


def console_text(instance: Instance) -> str:
    """Write what the system inside has printed: its last boot, and what ails it."""
    status, trouble = instance.status.value, instance.trouble
    if status in {Status.PENDING, Status.STARTING}:
        return "[    0.000000] Linux version 5.10.134-16.al8.x86_64\n"
    boot = (
        f"[    0.000000] Linux version 5.10.134-16.al8.x86_64\n[    4.213377] systemd: Hostname {instance.host_name}\n"
    )
    if trouble is not None and trouble.hung:
        return f"{boot}[  812.000123] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!\n"
    if status is Status.RUNNING:
        return f"{boot}\n{instance.host_name} login: "
    if trouble is not None and (trouble.fail_starts or trouble.crash_after is not None):
        return f"{boot}[    5.000001] Kernel panic - not syncing: Attempted to kill init!\n"
    return f"{boot}[  900.000001] reboot: Power down\n"
