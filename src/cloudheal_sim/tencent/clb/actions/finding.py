"""Which balancer, listener, place and targets a call means. Raises Refused for those that are not there."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused
from cloudheal_sim.tencent.clb import errors
from cloudheal_sim.tencent.clb.model.target import Target

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.clb.model.balancer import Balancer, Listener, Place
    from cloudheal_sim.tencent.clb.requests.targets import TargetParameter
    from cloudheal_sim.tencent.clb.state import Clb

MOST_LISTENERS = 20


def balancer_named(clb: Clb, id_: str, exchange: Exchange) -> Balancer:
    """Return a balancer of the region."""
    found = clb.balancers.get(id_)
    if not id_.startswith("lb-"):
        raise Refused(errors.MALFORMED, name="LoadBalancerId")
    if found is None or found.region != exchange.entry.region:
        raise Refused(errors.UNKNOWN_BALANCER, id=id_[:80])
    return found


def listener_named(balancer: Balancer, id_: str) -> Listener:
    """Return a listener of a balancer."""
    found = balancer.listeners.get(id_)
    if found is None:
        raise Refused(errors.UNKNOWN_LISTENER, id=id_[:80])
    return found


def place_named(balancer: Balancer, listener_id: str, location: str, domain: str = "", url: str = "") -> Place:
    """Return what holds targets: the listener itself, or the rule that is named."""
    found = listener_named(balancer, listener_id).find(location, domain, url)
    if found is None:
        raise Refused(errors.UNKNOWN_LOCATION)
    return found


def listeners_asked(balancer: Balancer, ids: Sequence[str], protocol: str, port: int | None) -> Collection[Listener]:
    """Return the listeners that a read asks for; all of them when it names none."""
    if len(ids) > MOST_LISTENERS:
        raise Refused(errors.TOO_MANY, name="ListenerIds", limit=MOST_LISTENERS)
    found = [listener_named(balancer, id_) for id_ in dict.fromkeys(ids)] if ids else balancer.listeners.values()
    return [one for one in found if protocol in {"", one.protocol} and port in {None, one.port}]


def not_too_many(items: Sequence[object], name: str, limit: int) -> Sequence[object]:
    """Return what is no longer than a call takes."""
    if len(items) > limit:
        raise Refused(errors.TOO_MANY, name=name, limit=limit)
    return items


def meant(clb: Clb, asked: TargetParameter, region: str) -> Target:
    """Return the target that a parameter means; an address of an instance means that instance."""
    if (asked.instance_id is None) == (asked.eni_ip is None):
        raise Refused(errors.BAD_TARGET, target=asked.port, reason="exactly one of InstanceId, EniIp")
    if asked.instance_id is not None:
        return Target(asked.instance_id, asked.port, tag=asked.tag)
    address = asked.eni_ip or ""
    try:
        ipaddress.ip_address(address)
    except ValueError as problem:
        raise Refused(errors.MALFORMED, name="EniIp") from problem
    instance = clb.instance_at(address, region)
    return Target(instance.id if instance else address, asked.port, address=address, tag=asked.tag)
