"""Wire out: balancers and listeners. Their times carry no zone and are in UTC+8 (UNVERIFIED)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.places import ZONES
from cloudheal_sim.tencent.times import local

if TYPE_CHECKING:
    from cloudheal_sim.kernel.health_checks import Check
    from cloudheal_sim.tencent.clb.model.balancer import Balancer, Listener, Place


def balancer_row(balancer: Balancer) -> dict[str, object]:
    """Show a balancer."""
    zone = ZONES.get(balancer.zone)
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerType": balancer.kind,
        "Forward": 1,
        "Domain": "",
        "LoadBalancerVips": list(balancer.addresses),
        "Status": 1,
        "CreateTime": local(balancer.created),
        "StatusTime": local(balancer.created),
        "ProjectId": balancer.project,
        "VpcId": balancer.vpc,
        "Tags": [{"TagKey": key, "TagValue": value} for key, value in balancer.tags.items()],
        "SecureGroups": [],
        "AddressIPVersion": "ipv4",
        "MasterZone": None
        if zone is None
        else {"Zone": zone.id, "ZoneId": zone.number, "ZoneName": zone.name, "ZoneRegion": zone.region},
        "ChargeType": "POSTPAID_BY_HOUR",
        "Isolation": 0,
        "TargetRegionInfo": {"Region": balancer.region, "VpcId": balancer.vpc},
    }


def listener_row(listener: Listener) -> dict[str, object]:
    """Show a listener with its rules."""
    places = listener.places.values()
    layer_7 = listener.of_layer_7
    return {
        "ListenerId": listener.id,
        "ListenerName": listener.name,
        "Protocol": listener.protocol,
        "Port": listener.port,
        "EndPort": 0,
        "Scheduler": None if layer_7 else listener.scheduler,
        "SessionExpireTime": 0,
        "CreateTime": local(listener.created),
        "HealthCheck": None if layer_7 else next((check_row(one.check) for one in places), None),
        "Rules": [_rule_row(listener, one) for one in places] if layer_7 else None,
    }


def _rule_row(listener: Listener, place: Place) -> dict[str, object]:
    return {
        "ListenerId": listener.id,
        "LocationId": place.location,
        "Domain": place.domain,
        "Url": place.url,
        "Scheduler": listener.scheduler,
        "HealthCheck": check_row(place.check),
        "DefaultServer": False,
    }


def check_row(check: Check) -> dict[str, object]:
    """Show how a place is checked."""
    return {
        "HealthSwitch": int(check.on),
        "TimeOut": 2,
        "IntervalTime": check.interval,
        "HealthNum": check.healthy,
        "UnHealthNum": check.unhealthy,
    }
