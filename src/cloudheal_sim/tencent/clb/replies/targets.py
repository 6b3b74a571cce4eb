"""Wire out: targets and their health, on the listener for layer 4 and on its rules for layer 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.health_checks import Health
from cloudheal_sim.tencent.times import local

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.tencent.clb.model.balancer import Balancer, Listener, Place
    from cloudheal_sim.tencent.clb.model.target import Target, Targets
    from cloudheal_sim.tencent.clb.state import Clb

_DETAILS = {Health.NORMAL: "Alive", Health.ABNORMAL: "Dead", Health.UNAVAILABLE: "Unknown"}


def target_row(clb: Clb, target: Target) -> dict[str, object]:
    """Show one target with what CVM knows of it."""
    instance = clb.instance(target.server)
    address = target.address or (instance.network.private_ip if instance else "")
    return {
        "Type": "ENI" if target.address else "CVM",
        "InstanceId": instance.id if instance else "",
        "Port": target.port,
        "Weight": target.weight,
        "PublicIpAddresses": (list(instance.network.public_ips) if instance else []) or None,
        "PrivateIpAddresses": [address] if address else [],
        "InstanceName": instance.name if instance else "",
        "RegisteredTime": local(target.registered),
        "EniId": "",
        "Tag": target.tag,
        "Zone": instance.zone if instance else "",
    }


def listener_backend(clb: Clb, listener: Listener, held: Iterable[tuple[Place, Targets]]) -> dict[str, object]:
    """Show a listener with those targets of its places that are asked for."""
    shown = [(place, [target_row(clb, one) for one in targets]) for place, targets in held]
    rules = [
        {"LocationId": place.location, "Domain": place.domain, "Url": place.url, "Targets": rows}
        for place, rows in shown
    ]
    layer_7 = listener.of_layer_7
    return {
        "ListenerId": listener.id,
        "Protocol": listener.protocol,
        "Port": listener.port,
        "EndPort": 0,
        "Rules": rules if layer_7 else None,
        "Targets": None if layer_7 else [row for _, rows in shown for row in rows],
    }


def balancer_health(
    clb: Clb, balancer: Balancer, listeners: Iterable[Listener], locations: frozenset[str], as_of: int | None
) -> dict[str, object]:
    """Show the health of the targets of a balancer."""
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Listeners": [
            {
                "ListenerId": listener.id,
                "ListenerName": listener.name,
                "Protocol": listener.protocol,
                "Port": listener.port,
                "Rules": [
                    _rule_health(clb, place, as_of)
                    for place in listener.places.values()
                    if not locations or place.location in locations
                ],
            }
            for listener in listeners
        ],
    }


def _rule_health(clb: Clb, place: Place, as_of: int | None) -> dict[str, object]:
    targets = place.targets.at(as_of) or ()
    return {
        "LocationId": place.location,
        "Domain": place.domain or None,
        "Url": place.url or None,
        "Targets": [_target_health(clb, place, one, as_of) for one in targets],
    }


def _target_health(clb: Clb, place: Place, target: Target, as_of: int | None) -> dict[str, object]:
    instance = clb.instance(target.server)
    health = clb.health(place, target, as_of)
    detail = _DETAILS[health] if place.check.on else "Close"
    return {
        "IP": target.address or (instance.network.private_ip if instance else ""),
        "Port": target.port,
        "HealthStatus": health is Health.NORMAL or not place.check.on,
        "TargetId": target.server if instance else "",
        "HealthStatusDetail": detail,
        "HealthStatusDetial": detail,
        "Weight": target.weight,
    }
