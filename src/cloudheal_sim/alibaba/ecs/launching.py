"""Makes the instances of an order that was checked: ids, names, addresses, disks, and the first step of their lives."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.catalogue import VSwitch
from cloudheal_sim.alibaba.ecs.model.disk import Disk, DiskStatus
from cloudheal_sim.alibaba.ecs.model.instance import Instance, Network, Spot, Status
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.state import Ecs

#: Public addresses are counted upwards in one block.
_PUBLIC = VSwitch("public", "", "", "", "47.96.0.0/16")
_COUNTING = re.compile(r"(?P<stem>.*)\[(?P<begin>\d{1,6}),(?P<digits>[0-6])\](?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DiskOrder:
    """One disk of each instance; the size is in GiB."""

    kind: str
    size: int
    category: str
    name: str
    description: str
    device: str
    source_snapshot: str = ""
    delete_with_instance: bool = True


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """What is to be made; everything in it exists and is allowed. Instants are epoch milliseconds."""

    vswitch: VSwitch
    type: str
    image: str
    security_groups: tuple[str, ...]
    disks: tuple[DiskOrder, ...]
    tags: Mapping[str, str]
    charge_type: str
    spot: Spot | None
    amount: int
    start: bool
    name: str = ""
    host_name: str = ""
    host_names: tuple[str, ...] = ()
    unique_suffix: bool = False
    description: str = ""
    private_ip: str = ""
    public: bool = False
    expires: int | None = None
    auto_release: int | None = None
    deletion_protection: bool = False
    key_pair: str = ""
    resource_group: str = ""
    user_data: str = ""


def launch(ecs: Ecs, order: LaunchOrder) -> list[Instance]:
    """Make the instances and begin their lives."""
    ecs.take_stock(order.vswitch.zone, order.type, order.amount)
    return [_launched(ecs, order, number) for number in range(order.amount)]


def numbered_name(name: str, number: int, amount: int, *, unique_suffix: bool) -> str:
    """Return the name of the `number`-th instance (from 0): `web_[1,3]` counts `web_001`, a suffix adds `001`."""
    found = _COUNTING.fullmatch(name)
    if found is not None:
        count = str(int(found["begin"]) + number).zfill(int(found["digits"]))
        return f"{found['stem']}{count}{found['rest']}"
    return f"{name}{number + 1:03d}" if unique_suffix and amount > 1 and name else name


def _launched(ecs: Ecs, order: LaunchOrder, number: int) -> Instance:
    now, switch = ecs.kernel.clock.now(), order.vswitch
    id_ = ecs.new_id("i", switch.region)
    name = numbered_name(order.name, number, order.amount, unique_suffix=order.unique_suffix)
    instance = Instance(
        id=id_,
        region=switch.region,
        zone=switch.zone,
        type=order.type,
        image=order.image,
        network=_network(ecs, order),
        status=Timeline(Status.PENDING, now),
        created=now,
        name=name or id_,
        description=order.description,
        host_name=_host_name(order, number) or f"iZ{id_.partition('-')[2]}Z",
        tags=order.tags,
        charge_type=order.charge_type,
        spot=None if order.spot is None else replace(order.spot),
        expires=order.expires,
        auto_release=order.auto_release,
        deletion_protection=order.deletion_protection,
        key_pair=order.key_pair,
        resource_group=order.resource_group,
        user_data=order.user_data,
    )
    for disk in order.disks:
        ecs.storage.create_disk(_disk(ecs, instance, disk), ecs.lifecycle.durations.creating_disk)
    ecs.lifecycle.create(instance, start=order.start)
    ecs.terms.plan(instance)
    return instance


def _host_name(order: LaunchOrder, number: int) -> str:
    if order.host_names:
        return order.host_names[min(number, len(order.host_names) - 1)]
    return numbered_name(order.host_name, number, order.amount, unique_suffix=order.unique_suffix)


def _network(ecs: Ecs, order: LaunchOrder) -> Network:
    address = order.private_ip or ecs.addresses.take(order.vswitch)
    public = (ecs.addresses.take(_PUBLIC),) if order.public else ()
    ecs.addresses.note(order.vswitch.id, address)
    return Network(order.vswitch.vpc, order.vswitch.id, address, order.security_groups, public)


def _disk(ecs: Ecs, instance: Instance, order: DiskOrder) -> Disk:
    now = ecs.kernel.clock.now()
    return Disk(
        id=ecs.new_id("d", instance.region),
        region=instance.region,
        zone=instance.zone,
        kind=order.kind,
        status=Timeline(DiskStatus.CREATING, now),
        created=now,
        instance=instance.id,
        device=order.device,
        category=order.category,
        size=order.size,
        name=order.name,
        description=order.description,
        image=instance.image if order.kind == "system" else "",
        source_snapshot=order.source_snapshot,
        tags=instance.tags,
        delete_with_instance=order.delete_with_instance,
        attached=now,
    )
