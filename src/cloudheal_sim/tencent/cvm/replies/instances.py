"""Wire out: instances as a read at some instant shows them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import iso_seconds
from cloudheal_sim.tencent.cvm.model.catalogue import TYPES, UNKNOWN_TYPE, is_windows, os_name

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance


def status_row(instance: Instance, as_of: int | None) -> dict[str, object]:
    """Show an instance's state alone."""
    return {"InstanceId": instance.id, "InstanceState": state(instance, as_of)}


def state(instance: Instance, as_of: int | None) -> str:
    """Return the state that a read at an instant shows."""
    return str(instance.status.at(as_of) or instance.status.value)


def uuid_of(instance: Instance) -> str:
    """Return the instance's other name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, instance.id))


def instance_row(instance: Instance, as_of: int | None) -> dict[str, object]:
    """Show an instance in full."""
    type_ = TYPES.get(instance.type, UNKNOWN_TYPE)
    windows = is_windows(instance.image)
    return {
        "Placement": {"Zone": instance.zone, "ProjectId": instance.project, "HostId": None},
        "InstanceId": instance.id,
        "Uuid": uuid_of(instance),
        "InstanceState": state(instance, as_of),
        "RestrictState": "NORMAL",
        "InstanceType": instance.type,
        "CPU": type_.cpu,
        "Memory": type_.memory,
        "InstanceName": instance.name,
        "HostName": instance.host_name,
        "InstanceChargeType": instance.charge_type,
        "SystemDisk": _system_disk(instance),
        "DataDisks": [],
        **_network(instance),
        "LoginSettings": {"KeyIds": None},
        "ImageId": instance.image,
        "OsName": os_name(instance.image),
        "DefaultLoginUser": "Administrator" if windows else "root",
        "DefaultLoginPort": 3389 if windows else 22,
        "RenewFlag": "NOTIFY_AND_MANUAL_RENEW" if instance.prepaid else None,
        "CreatedTime": iso_seconds(instance.created),
        "ExpiredTime": None if instance.expires is None else iso_seconds(instance.expires),
        "Tags": [{"Key": key, "Value": value} for key, value in instance.tags.items()],
        "DisasterRecoverGroupId": "",
        "CamRoleName": "",
        "HpcClusterId": "",
        "RdmaIpAddresses": None,
        "DedicatedClusterId": "",
        **_operation(instance, as_of),
        "IsolatedSource": "NOTISOLATED",
        "LicenseType": "TencentCloud",
        "StopChargingMode": str(instance.stop_charging),
        "DisableApiTermination": instance.protected,
    }


def _system_disk(instance: Instance) -> dict[str, object]:
    return {
        "DiskType": "CLOUD_BSSD",
        "DiskId": f"disk-{instance.id.partition('-')[2]}",
        "DiskSize": 50,
        "Encrypt": False,
        "KmsKeyId": None,
        "CdcId": None,
    }


def _network(instance: Instance) -> dict[str, object]:
    network = instance.network
    return {
        "PrivateIpAddresses": [network.private_ip],
        "PublicIpAddresses": list(network.public_ips) or None,
        "IPv6Addresses": None,
        "InternetAccessible": {
            "InternetMaxBandwidthOut": network.bandwidth,
            "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
        },
        "VirtualPrivateCloud": {"VpcId": network.vpc, "SubnetId": network.subnet, "AsVpcGateway": False},
        "SecurityGroupIds": list(network.security_groups),
    }


def _operation(instance: Instance, as_of: int | None) -> dict[str, object]:
    """Show the latest operation; an instance that nobody has operated has none of its four fields."""
    found = instance.operation.at(as_of)
    return {
        "LatestOperation": found and found.name,
        "LatestOperationState": found and str(found.outcome),
        "LatestOperationRequestId": found and found.request_id,
        "LatestOperationErrorMsg": (found and found.error) or None,
    }
