"""Wire out: load balancers, their members and their health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import iso_minutes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.alibaba.slb.model.backend import Backend, Members
    from cloudheal_sim.alibaba.slb.model.balancer import Balancer, Listener, ServerGroup
    from cloudheal_sim.kernel.health_checks import Health

#: A pay-as-you-go balancer never ends; the service writes this instant then.
_NEVER = "2999-09-08T16:00Z"
_NEVER_MILLIS = 32493801600000


def tag_set(tags: Mapping[str, str]) -> dict[str, object]:
    """Write tags."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


def backends(members: Members, *, with_port: bool, with_address: Mapping[str, str] | None = None) -> dict[str, object]:
    """Write members; addresses only where the call shows them (`with_address`: server id to address)."""
    return {"BackendServer": [_backend(member, with_port, with_address) for member in members]}


def _backend(member: Backend, with_port: bool, with_address: Mapping[str, str] | None) -> dict[str, object]:  # noqa: FBT001
    written: dict[str, object] = {"ServerId": member.server_id, "Weight": member.weight, "Type": member.type}
    if with_port:
        written["Port"] = member.port
    if with_address is not None:
        written["ServerIp"] = member.server_ip or with_address.get(member.server_id, "")
    written["Description"] = member.description
    return written


def health_status(checked: Iterable[tuple[Listener, Backend, str, Health]]) -> dict[str, object]:
    """Write what the checks of listeners show; the third of each is the server's address."""
    return {
        "BackendServers": {
            "BackendServer": [
                {
                    "ListenerPort": listener.port,
                    "Protocol": listener.protocol,
                    "Port": listener.port_of(member),
                    "ServerId": member.server_id,
                    "ServerIp": address,
                    "ServerHealthStatus": health.value,
                }
                for listener, member, address, health in checked
            ]
        }
    }


def created(balancer: Balancer) -> dict[str, object]:
    """Write the answer to CreateLoadBalancer."""
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Address": balancer.address,
        "AddressIPVersion": balancer.ip_version,
        "NetworkType": network_type(balancer),
        "VpcId": balancer.vpc,
        "VSwitchId": balancer.vswitch,
        "ResourceGroupId": balancer.resource_group,
    }


def network_type(balancer: Balancer) -> str:
    """Say which kind of network a balancer is on."""
    return "vpc" if balancer.vpc else "classic"


def summary(balancer: Balancer) -> dict[str, object]:
    """Write one entry of DescribeLoadBalancers."""
    return {
        **created(balancer),
        "LoadBalancerStatus": balancer.status,
        "AddressType": balancer.address_type,
        "RegionId": balancer.region,
        "RegionIdAlias": balancer.region,
        "MasterZoneId": balancer.master_zone,
        "SlaveZoneId": balancer.slave_zone,
        "LoadBalancerSpec": balancer.spec,
        "Bandwidth": balancer.bandwidth,
        "InternetChargeType": balancer.internet_charge_type,
        "InternetChargeTypeAlias": balancer.internet_charge_type,
        "InstanceChargeType": balancer.instance_charge_type,
        "PayType": balancer.pay_type,
        "CreateTime": iso_minutes(balancer.created),
        "CreateTimeStamp": balancer.created,
        "DeleteProtection": "on" if balancer.delete_protection else "off",
        "ModificationProtectionStatus": balancer.modification_protection,
        "ModificationProtectionReason": balancer.modification_reason,
        "Tags": tag_set(balancer.tags),
    }


def attribute(balancer: Balancer, members: Members, addresses: Mapping[str, str]) -> dict[str, object]:
    """Write the answer to DescribeLoadBalancerAttribute; both spellings of `protocol` are the service's."""
    ports = [(listener.port, listener.protocol, listener.description) for listener in balancer.listeners.values()]
    return {
        **summary(balancer),
        "EndTime": _NEVER,
        "EndTimeStamp": _NEVER_MILLIS,
        "ListenerPorts": {"ListenerPort": [port for port, _, _ in ports]},
        "ListenerPortsAndProtocal": {
            "ListenerPortAndProtocal": [{"ListenerPort": port, "ListenerProtocal": name} for port, name, _ in ports]
        },
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {"ListenerPort": port, "ListenerProtocol": name, "Description": text} for port, name, text in ports
            ]
        },
        "BackendServers": backends(members, with_port=False, with_address=addresses),
    }


def group_summary(group: ServerGroup, members: Members, listeners: Iterable[Listener] | None) -> dict[str, object]:
    """Write one entry of DescribeVServerGroups; listeners only when asked for."""
    written: dict[str, object] = {
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "CreateTime": iso_minutes(group.created),
        "ServerCount": len(members),
        "Tags": tag_set(group.tags),
    }
    if listeners is not None:
        found = [{"Port": one.port, "Protocol": one.protocol} for one in listeners]
        written["AssociatedObjects"] = {"Listeners": {"Listener": found}, "Rules": {"Rule": []}}
    return written
