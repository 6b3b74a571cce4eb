"""Instances between the world document and the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.catalogue import Image, VSwitch
from cloudheal_sim.alibaba.ecs.model.instance import (
    Goal,
    Instance,
    Lock,
    Network,
    Spot,
    Status,
    StoppedMode,
    Task,
)
from cloudheal_sim.alibaba.ecs.model.maintenance import dump_maintenance, load_maintenance
from cloudheal_sim.alibaba.ecs.world_parts import InstancePart, SpotPart
from cloudheal_sim.guest.guest_parts import dump_guest, load_guest
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, MILLIS_PER_SECOND, iso_millis, to_millis
from cloudheal_sim.kernel.moments import instant_of, moments, timeline, timeline_document
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.trouble import dump_trouble, load_trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.ecs.state import Ecs

#: How old an instance of a world document is that does not say; by feel, older than any stale read.
AGE = MILLIS_PER_DAY
_HOUR = 3_600_000


class InstanceBuilder:
    """Builds a fleet from its document; what the document leaves open is chosen, the same way every time."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs
        self._now = ecs.kernel.clock.now()
        self._image = next(iter(ecs.catalogue.images.values()), Image("", "", ""))
        self._groups: dict[str, tuple[str, ...]] = {}
        self._durations = ecs.lifecycle.durations

    def build(self, parts: Iterable[InstancePart]) -> int:
        """Build all instances; returns how many. Addresses that are given are kept free of the chosen ones."""
        listed = list(parts)
        for part in listed:
            if part.network.private_ip:
                self._ecs.addresses.note(self._vswitch(part).id, part.network.private_ip)
        for part in listed:
            self._build(part)
        return len(self._ecs.fleet)

    def _build(self, part: InstancePart) -> None:
        tags, vswitch = part.all_tags, self._vswitch(part)
        groups = self._security_groups(part, vswitch)
        created = instant_of(part.created, self._now - AGE)
        status = self._status(part, created)
        for id_ in part.ids:
            network = Network(
                part.network.vpc if part.network.vpc is not None else vswitch.vpc,
                vswitch.id,
                part.network.private_ip or self._ecs.addresses.take(vswitch),
                groups,
                part.network.public_ips,
            )
            state = status if part.count is None else Timeline(status.value, status.since)
            self._ecs.fleet.add(self._instance(part, id_, state, network, tags, created))

    def _instance(
        self,
        part: InstancePart,
        id_: str,
        status: Timeline[Status],
        network: Network,
        tags: dict[str, str],
        created: int,
    ) -> Instance:
        name = part.name_of(id_)
        return Instance(
            id=id_,
            region=part.region,
            zone=self._zone(part),
            type=part.type,
            image=self._image.id if part.image is None else part.image,
            network=network,
            status=status,
            created=created,
            name=name,
            description=part.description,
            host_name=name if part.host_name is None else part.host_name,
            tags=tags,
            charge_type=part.charge_type or ("PrePaid" if part.expired or part.expires else "PostPaid"),
            spot=_spot(part),
            locks=_locks(part),
            started=instant_of(part.started, created if status.value is Status.RUNNING else None),
            expires=instant_of(part.expires, self._now - _HOUR if part.expired else None),
            auto_release=instant_of(part.auto_release, None),
            released=instant_of(part.released, None),
            stopped_mode=part.stopped_mode or _stopped_mode(status.value),
            deletion_protection=part.deletion_protection,
            key_pair=part.key_pair,
            resource_group=part.resource_group,
            user_data=part.user_data,
            task=self._task(part, status.value),
            trouble=load_trouble(part.trouble),
            maintenance=load_maintenance(part.maintenance),
            guest=load_guest(part.guest, instant_of(part.started, created)),
        )

    def _zone(self, part: InstancePart) -> str:
        zones = self._ecs.catalogue.regions[part.region].zones
        return part.zone or (zones[0] if zones else f"{part.region}-a")

    def _vswitch(self, part: InstancePart) -> VSwitch:
        given = part.network.vswitch
        catalogue, zone = self._ecs.catalogue, self._zone(part)
        found = catalogue.vswitch_in(zone) if given is None else catalogue.vswitches.get(given)
        return found or VSwitch(given or "", part.network.vpc or "", part.region, zone, "10.255.0.0/16")

    def _security_groups(self, part: InstancePart, vswitch: VSwitch) -> tuple[str, ...]:
        if part.network.security_groups is not None:
            return part.network.security_groups
        if vswitch.vpc not in self._groups:
            group = self._ecs.catalogue.group_in(vswitch.vpc)
            self._groups[vswitch.vpc] = (group.id,) if group else ()
        return self._groups[vswitch.vpc]

    @staticmethod
    def _status(part: InstancePart, created: int) -> Timeline[Status]:
        status = part.status or (Status.STOPPED if part.expired else Status.RUNNING)
        return timeline(status, instant_of(part.since, created), part.history)

    def _task(self, part: InstancePart, status: Status) -> Task | None:
        if part.task is not None:
            return Task(part.task.goal, to_millis(part.task.due))
        goal, seconds = {
            Status.PENDING: (Goal.RUN, self._durations.pending),
            Status.STARTING: (Goal.RUN, self._durations.starting),
            Status.STOPPING: (Goal.STOP, self._durations.stopping),
        }.get(status, (None, 0.0))
        if goal is None or part.released is not None:
            return None
        return Task(goal, self._now + round(seconds * MILLIS_PER_SECOND))


def instance_document(instance: Instance) -> dict[str, object]:
    """Write one instance in full; what is rare is left out where there is none of it."""
    network = instance.network
    return {
        "id": instance.id,
        "region": instance.region,
        "zone": instance.zone,
        "type": instance.type,
        "image": instance.image,
        **timeline_document(instance.status),
        "name": instance.name,
        "description": instance.description,
        "host_name": instance.host_name,
        "tags": dict(instance.tags),
        "charge_type": instance.charge_type,
        "locks": list(instance.locks),
        "created": iso_millis(instance.created),
        **moments(
            started=instance.started,
            expires=instance.expires,
            auto_release=instance.auto_release,
            released=instance.released,
        ),
        "stopped_mode": instance.stopped_mode,
        "deletion_protection": instance.deletion_protection,
        "key_pair": instance.key_pair,
        "resource_group": instance.resource_group,
        "user_data": instance.user_data,
        "network": {
            "vpc": network.vpc,
            "vswitch": network.vswitch,
            "private_ip": network.private_ip,
            "public_ips": list(network.public_ips),
            "security_groups": list(network.security_groups),
        },
        **_rare(instance),
    }


def _spot(part: InstancePart) -> Spot | None:
    if part.spot is False and part.reclaim_at is None:
        return None
    terms = part.spot if isinstance(part.spot, SpotPart) else SpotPart()
    return Spot(
        strategy=terms.strategy,
        price_limit=terms.price_limit,
        duration=terms.duration,
        behavior=terms.behavior,
        reclaim_at=instant_of(terms.reclaim_at or part.reclaim_at, None),
        ends_at=instant_of(terms.ends_at, None),
    )


def _locks(part: InstancePart) -> tuple[Lock, ...]:
    expiry = (Lock.FINANCIAL,) if part.expired and Lock.FINANCIAL not in part.locks else ()
    return (*part.locks, *expiry)


def _stopped_mode(status: Status) -> StoppedMode:
    return StoppedMode.KEEP_CHARGING if status is Status.STOPPED else StoppedMode.NOT_APPLICABLE


def _rare(instance: Instance) -> dict[str, object]:
    rare: dict[str, object] = {}
    if (spot := instance.spot) is not None:
        rare["spot"] = {
            "strategy": spot.strategy,
            "price_limit": spot.price_limit,
            "duration": spot.duration,
            "behavior": spot.behavior,
            **moments(reclaim_at=spot.reclaim_at, ends_at=spot.ends_at),
        }
    if instance.task is not None:
        rare["task"] = {"goal": instance.task.goal, "due": iso_millis(instance.task.due)}
    if (trouble := instance.trouble) is not None:
        rare["trouble"] = dump_trouble(trouble)
    if instance.maintenance is not None:
        rare["maintenance"] = dump_maintenance(instance.maintenance)
    if instance.guest is not None:
        rare["guest"] = dump_guest(instance.guest)
    return rare
