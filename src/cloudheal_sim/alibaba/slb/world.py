"""SLB's share of the world document; its form is in `world_parts`.

What is described as it is has been so for ever: its health checks are settled unless `since` or a history says
otherwise. What is still to come (health, draining, a balancer that is busy) is planned anew from the instants written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.slb.model.balancer import Balancer, Drain, Listener, ServerGroup, default_group
from cloudheal_sim.alibaba.slb.world_parts import BackendPart, BalancerPart, DrainPart, GroupPart, SlbPart
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, iso_millis, to_millis
from cloudheal_sim.kernel.health_watch import iso_or_ever
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudheal_sim.alibaba.slb.model.backend import Backend, Members
    from cloudheal_sim.alibaba.slb.state import Slb

_REGION = "cn-hangzhou"


@dataclass(frozen=True, slots=True)
class SlbSection:
    """Reads and writes one SLB."""

    slb: Slb
    keys: frozenset[str] = frozenset(SlbPart.model_fields)

    def read(self, part: Mapping[str, Any]) -> object:
        """Validate without touching anything. Raises WorldError."""
        read = parsed(SlbPart, dict(part), "alibaba")
        _unique("load_balancers", [one.id for one in read.load_balancers])
        _unique("server_groups", [one.id for one in read.server_groups])
        _unique("listeners", [f"{one.load_balancer}:{one.port}" for one in read.listeners])
        homes = {one.id: one.balancer for one in read.server_groups}
        for number, one in enumerate(read.listeners):
            if one.server_group and homes.get(one.server_group) != one.load_balancer:
                msg = f"alibaba.listeners.{number}.server_group: expected a server group of {one.load_balancer}"
                raise WorldError(msg)
        return read

    def install(self, parsed: Any) -> None:
        """Replace the state; everything that is still to come is planned anew."""
        part: SlbPart = parsed
        slb = self.slb
        slb.clear()
        slb.configuring_seconds = part.slb_configuring_seconds
        slb.watch.load(part.slb_servers)
        behind: dict[str, list[BackendPart]] = {}
        for group in part.server_groups:
            behind.setdefault(group.balancer, []).extend(group.backends)
        for balancer in _balancers(part):
            backends = behind.get(balancer.id, ())
            self._add_balancer(balancer, balancer.region or self._region_of([*balancer.backends, *backends]))
        for group in part.server_groups:
            self._add_group(group)
        for listener in part.listeners:
            slb.balancers[listener.load_balancer].listeners[listener.port] = listener.built()
        self._plan()

    def dump(self) -> dict[str, object]:
        """Return the full form."""
        slb = self.slb
        balancers = [one for one in slb.balancers.values() if one.existed(None)]
        groups = [one for one in slb.groups.values() if one.existed(None)]
        everybody = [*(one.default for one in balancers), *groups]
        return {
            "load_balancers": [_balancer_dump(one) for one in balancers],
            "server_groups": [_group_dump(one) for one in groups],
            "listeners": [_listener_dump(slb, one) for lb in balancers for one in lb.listeners.values()],
            "slb_servers": slb.watch.dump(member.server_id for group in everybody for member in group.members.value),
            "slb_configuring_seconds": slb.configuring_seconds,
        }

    def _add_balancer(self, part: BalancerPart, region: str) -> None:
        slb = self.slb
        given = part.model_dump(
            include={
                *("id", "address_type", "ip_version", "status", "vpc", "vswitch", "spec", "bandwidth", "tags"),
                *("internet_charge_type", "instance_charge_type", "pay_type", "delete_protection", "resource_group"),
                *("modification_protection", "modification_reason"),
            }
        )
        members = self._members(part.backends, part.id)
        place = slb.region(region)
        zones = (place.zones if place else ()) or (f"{region}-a",)
        group = default_group(part.id, members, 0)
        group.drains = _drains(part.draining)
        slb.balancers[part.id] = Balancer(
            **given,
            region=region,
            default=group,
            name=part.id if part.name is None else part.name,
            address=part.address or f"198.18.{len(slb.balancers) // 250 % 250}.{len(slb.balancers) % 250 + 1}",
            created=self._instant(part.created),
            master_zone=zones[0] if part.master_zone is None else part.master_zone,
            slave_zone=zones[-1] if part.slave_zone is None else part.slave_zone,
            busy_until=None if part.busy_until is None else to_millis(part.busy_until),
        )

    def _add_group(self, part: GroupPart) -> None:
        self.slb.groups[part.id] = ServerGroup(
            id=part.id,
            balancer=part.balancer,
            members=Timeline(self._members(part.backends, part.balancer), 0),
            name=part.id if part.name is None else part.name,
            created=self._instant(part.created),
            tags=part.tags,
            drains=_drains(part.draining),
        )

    def _members(self, parts: Iterable[BackendPart], balancer: str) -> Members:
        members = tuple(part.built() for part in parts)
        for member in members:
            self.slb.meet(member, balancer)
        return members

    def _region_of(self, backends: Iterable[BackendPart]) -> str:
        """Return where the first known member is: a balancer that says nothing else is there too."""
        known = (self.slb.facts(backend.server_id) for backend in backends)
        return next((facts.region for facts in known if facts is not None), _REGION)

    def _instant(self, moment: datetime | None) -> int:
        return self.slb.now - MILLIS_PER_DAY if moment is None else to_millis(moment)

    def _plan(self) -> None:
        slb = self.slb
        for balancer in slb.balancers.values():
            slb.plan_health(balancer)
        for group in (*(balancer.default for balancer in slb.balancers.values()), *slb.groups.values()):
            for drain in group.drains:
                slb.plan_drain(group, drain)


def _balancers(part: SlbPart) -> list[BalancerPart]:
    """List the balancers, those that only a group or listener names included."""
    found = {one.id for one in part.load_balancers}
    named = [*(one.balancer for one in part.server_groups), *(one.load_balancer for one in part.listeners)]
    return [*part.load_balancers, *(BalancerPart(id=id_) for id_ in dict.fromkeys(named) if id_ not in found)]


def _unique(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            msg = f"alibaba.{what}.{number}: {name} is there twice"
            raise WorldError(msg)
        seen.add(name)


def _drains(parts: Iterable[DrainPart]) -> tuple[Drain, ...]:
    return tuple(Drain(part.server_id, part.port, to_millis(part.until)) for part in parts)


def _backend_dump(member: Backend) -> dict[str, object]:
    return {
        "server_id": member.server_id,
        "port": member.port,
        "weight": member.weight,
        "type": member.type,
        "server_ip": member.server_ip,
        "description": member.description,
        "since": iso_or_ever(member.since),
    }


def _members_dump(group: ServerGroup) -> dict[str, object]:
    return {
        "backends": [_backend_dump(member) for member in group.members.value],
        "draining": [
            {"server_id": one.server_id, "port": one.port, "until": iso_millis(one.until)} for one in group.drains
        ],
    }


def _balancer_dump(balancer: Balancer) -> dict[str, object]:
    names = [
        name for name in BalancerPart.model_fields if name not in {"created", "busy_until", "backends", "draining"}
    ]
    return {
        **{name: getattr(balancer, name) for name in names},
        "tags": dict(balancer.tags),
        "created": iso_millis(balancer.created),
        "busy_until": None if balancer.busy_until is None else iso_millis(balancer.busy_until),
        **_members_dump(balancer.default),
    }


def _group_dump(group: ServerGroup) -> dict[str, object]:
    return {
        "id": group.id,
        "load_balancer": group.balancer,
        "name": group.name,
        "created": iso_millis(group.created),
        "tags": dict(group.tags),
        **_members_dump(group),
    }


def _listener_dump(slb: Slb, listener: Listener) -> dict[str, object]:
    return {
        "load_balancer": listener.balancer,
        "port": listener.port,
        "protocol": listener.protocol,
        "status": listener.status,
        "since": iso_or_ever(listener.since),
        "server_group": listener.group,
        "backend_port": listener.backend_port,
        "bandwidth": listener.bandwidth,
        "scheduler": listener.scheduler,
        "description": listener.description,
        "health_check": "on" if listener.check.on else "off",
        "interval": listener.check.interval,
        "healthy_threshold": listener.check.healthy,
        "unhealthy_threshold": listener.check.unhealthy,
        "drain_seconds": listener.drain_seconds,
        "options": dict(listener.options),
        "tags": dict(listener.tags),
        "receives": [member.label for member in slb.receives(listener)],
    }
