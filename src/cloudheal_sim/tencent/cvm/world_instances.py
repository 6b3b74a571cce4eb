"""Instances between the world document and the fleet; what the document leaves open is chosen, the same every time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cloudheal_sim.guest.guest_parts import dump_guest, load_guest
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, MILLIS_PER_SECOND, iso_millis, to_millis
from cloudheal_sim.kernel.moments import instant_of, moments, timeline, timeline_document
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.trouble import Trouble, dump_trouble, load_trouble
from cloudheal_sim.tencent.cvm.model.instance import (
    Agent,
    Goal,
    Instance,
    Network,
    Operation,
    Status,
    StopCharging,
    Task,
)
from cloudheal_sim.tencent.places import DEFAULT_REGION, DEFAULT_ZONE, PUBLIC, REGIONS, ZONES, Subnet, Zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.tencent.cvm.state import Cvm
    from cloudheal_sim.tencent.cvm.world_parts import InstancePart, OperationPart

#: How old an instance of a world document is that does not say; by feel, older than any stale read.
AGE = MILLIS_PER_DAY


def zone_of(part: InstancePart) -> Zone | None:
    """Return where an instance is: its zone, else its region's first, else the default; None for nowhere."""
    if part.zone is not None:
        return ZONES.get(part.zone)
    region = REGIONS.get(part.region or DEFAULT_REGION)
    if region is None:
        return None
    return ZONES[DEFAULT_ZONE] if region.id == DEFAULT_REGION else region.zones[0]


class InstanceBuilder:
    """Builds a fleet from its document."""

    def __init__(self, cvm: Cvm) -> None:
        self._cvm = cvm
        self._now = cvm.kernel.clock.now()

    def build(self, parts: Iterable[InstancePart]) -> int:
        """Build all instances; returns how many. Addresses that are given are kept free of the chosen ones."""
        listed = [(part, zone_of(part) or ZONES[DEFAULT_ZONE]) for part in parts]
        for part, zone in listed:
            if part.network.private_ip:
                self._cvm.addresses.note(part.network.subnet or zone.subnet, part.network.private_ip)
            for address in part.network.public_ips:
                self._cvm.addresses.note(PUBLIC.id, address)
        for part, zone in listed:
            tags = part.all_tags
            for id_ in part.ids:
                self._cvm.fleet.add(self._instance(part, zone, id_, tags))
        return len(self._cvm.fleet)

    def _instance(self, part: InstancePart, zone: Zone, id_: str, tags: dict[str, str]) -> Instance:
        created = instant_of(part.created, self._now - AGE)
        status = timeline(part.status or Status.RUNNING, instant_of(part.since, created), part.history)
        name = part.name_of(id_)
        return Instance(
            id=id_,
            region=zone.region,
            zone=zone.id,
            type=part.type,
            image=part.image,
            network=self._network(part, zone),
            status=status,
            created=created,
            operation=_operation(part, created),
            name=name,
            host_name=name if part.host_name is None else part.host_name,
            tags=tags,
            charge_type=part.charge_type,
            project=part.project,
            started=instant_of(part.started, created if status.value is Status.RUNNING else None),
            expires=instant_of(part.expires, None),
            released=instant_of(part.released, None),
            stop_charging=part.stop_charging or _stop_charging(status.value),
            protected=part.protected,
            user_data=part.user_data,
            has_agent=part.agent is not Agent.ABSENT,
            unreachable=instant_of(part.unreachable, None),
            task=self._task(part, status.value),
            trouble=_trouble(part),
            guest=load_guest(part.guest, instant_of(part.started, created)),
        )

    def _network(self, part: InstancePart, zone: Zone) -> Network:
        given = part.network
        subnet = Subnet(given.subnet or zone.subnet, zone.cidr)
        groups = (zone.security_group,) if given.security_groups is None else given.security_groups
        return Network(
            vpc=zone.vpc if given.vpc is None else given.vpc,
            subnet=subnet.id,
            private_ip=given.private_ip or self._cvm.addresses.take(subnet),
            security_groups=groups,
            public_ips=given.public_ips,
            bandwidth=given.bandwidth,
        )

    def _task(self, part: InstancePart, status: Status) -> Task | None:
        if part.task is not None:
            return Task(part.task.goal, to_millis(part.task.due))
        durations = self._cvm.lifecycle.durations
        goal, seconds = {
            Status.PENDING: (Goal.RUN, durations.pending),
            Status.STARTING: (Goal.RUN, durations.starting),
            Status.STOPPING: (Goal.STOP, durations.stopping),
            Status.REBOOTING: (Goal.REBOOT, durations.rebooting),
            Status.TERMINATING: (Goal.RELEASE, durations.terminating),
            Status.LAUNCH_FAILED: (Goal.RELEASE, durations.launch_failed),
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
        "host_name": instance.host_name,
        "tags": dict(instance.tags),
        "charge_type": instance.charge_type,
        "project": instance.project,
        "created": iso_millis(instance.created),
        **moments(
            started=instance.started,
            expires=instance.expires,
            released=instance.released,
            unreachable=instance.unreachable,
        ),
        "stop_charging": instance.stop_charging,
        "protected": instance.protected,
        "user_data": instance.user_data,
        "agent": instance.agent,
        "network": {
            "vpc": network.vpc,
            "subnet": network.subnet,
            "private_ip": network.private_ip,
            "public_ips": list(network.public_ips),
            "security_groups": list(network.security_groups),
            "bandwidth": network.bandwidth,
        },
        **_rare(instance),
    }


def _stop_charging(status: Status) -> StopCharging:
    return StopCharging.KEEP_CHARGING if status is Status.STOPPED else StopCharging.NOT_APPLICABLE


def _trouble(part: InstancePart) -> Trouble | None:
    """Read what is in store; an agent that is written as Offline is kept silent, as by chaos."""
    trouble = load_trouble(part.trouble)
    if part.agent is Agent.OFFLINE:
        trouble = trouble or Trouble()
        trouble.agent_offline = True
    return trouble


def _operation(part: InstancePart, created: int) -> Timeline[Operation | None]:
    given = part.operation
    if given is None:
        return Timeline(None, created)
    history = tuple((moment, _read(one)) for moment, one in given.history)
    return timeline(_read(given.status), to_millis(given.since), history)


def _read(part: OperationPart | None) -> Operation | None:
    return None if part is None else Operation(part.name, part.request_id, part.outcome, part.error)


def _rare(instance: Instance) -> dict[str, object]:
    rare: dict[str, object] = {}
    if instance.operation.value is not None:
        rare["operation"] = timeline_document(instance.operation, lambda one: one and asdict(one))
    if instance.task is not None:
        rare["task"] = {"goal": instance.task.goal, "due": iso_millis(instance.task.due)}
    if instance.trouble is not None:
        rare["trouble"] = dump_trouble(instance.trouble)
    if instance.guest is not None:
        rare["guest"] = dump_guest(instance.guest)
    return rare
