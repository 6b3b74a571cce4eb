"""Instances, one page at a time, in creation order; the whole history of those that a person opens.

Nothing here copies the fleet: without a text filter a page costs a walk over identities, with one a walk over names.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.page.query import PAGE, Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.system_event import Event
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator

_TAGS = 4
#: The status filter's word for instances that are gone and only remembered.
RELEASED = "released"


def instances(simulator: Simulator, query: Query) -> Mapping[str, object]:
    """Return one page of the instances that pass the filters: region, status, text."""
    ecs = simulator.alibaba.ecs
    found = wanted(ecs.fleet, query)
    slice_ = Slice.of(len(found), query.whole("page", 1))
    page = islice(found, slice_.start, slice_.start + PAGE)
    opened = (ecs.fleet.find(key) or ecs.fleet.gone(key) for key in query.opened())
    return {
        "rows": [row(one) for one in page],
        "slice": slice_.shown(),
        "regions": ecs.fleet.regions(),
        "open": {one.id: _whole(one, ecs.events.of_instance(one.id)) for one in opened if one is not None},
    }


def wanted(fleet: Fleet, query: Query) -> Sequence[Instance] | Fleet:
    """Return the instances that pass the filters, without a copy when there is no filter."""
    status, text, region = query.text("status"), query.text("q").lower(), query.text("region")
    if not (status or text or region):
        return fleet
    pool: Iterable[Instance] = fleet.in_region(region) if region else fleet
    if status == RELEASED:
        pool = (one for one in fleet.remembered() if region in {"", one.region})
    elif status:
        pool = (one for one in pool if one.status.value == status)
    return [one for one in pool if not text or _holds(text, one)]


def row(instance: Instance) -> dict[str, object]:
    """Return one line of the table."""
    task = instance.task
    return {
        "key": instance.id,
        "name": instance.name,
        "region": instance.region,
        "zone": instance.zone,
        "type": instance.type,
        "status": "" if instance.released is not None else instance.status.value,
        "since": instance.status.since if instance.released is None else instance.released,
        "goal": task.goal if task else "",
        "due": task.due if task else None,
        "spot": instance.spot.strategy if instance.spot else "",
        "locks": instance.locks,
        "trouble": _trouble(instance),
        "tags": list(islice(instance.tags.items(), _TAGS)),
        "more": max(0, len(instance.tags) - _TAGS),
    }


def _holds(text: str, instance: Instance) -> bool:
    return (
        text in instance.id
        or text in instance.name.lower()
        or text in instance.network.private_ip
        or any(text in value.lower() or text in name.lower() for name, value in instance.tags.items())
    )


def _trouble(instance: Instance) -> list[str]:
    trouble = instance.trouble
    if trouble is None:
        return []
    told = {
        "hung": trouble.hung,
        "agent_offline": trouble.agent_offline,
        "fail_starts": trouble.fail_starts,
        "slow_boot": trouble.slow_boot,
        "crash": trouble.crash_after is not None,
    }
    return [name for name, holds in told.items() if holds]


def _whole(instance: Instance, events: Iterable[Event]) -> dict[str, object]:
    history = [{"at": since, "status": status} for since, status in instance.status.entries()]
    if instance.released is not None:
        history.append({"at": instance.released, "status": ""})
    spot, network = instance.spot, instance.network
    return {
        "history": history,
        "name": instance.name,
        "region": instance.region,
        "addresses": (network.private_ip, *network.public_ips),
        "image": instance.image,
        "charge": instance.charge_type,
        "created": instance.created,
        "expires": instance.expires,
        "notice": spot.reclaim_at if spot else None,
        "ends": spot.ends_at if spot else None,
        "protected": instance.deletion_protection,
        "tags": list(instance.tags.items()),
        "events": [
            {"id": one.id, "type": one.type.name, "status": one.status.value, "at": one.not_before or one.published}
            for one in events
        ],
    }
