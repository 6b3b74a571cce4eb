"""Instances of both clouds, one page at a time, in creation order; the whole history of those that a person opens.

Nothing here copies a fleet: without a text filter a page costs a walk over identities, with one a walk over names.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from cloudheal_sim.page.query import PAGE, Slice
from cloudheal_sim.page.views.servers import fleets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cloudheal_sim.kernel.shelf import Shelf
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.page.views.servers import Fleet
    from cloudheal_sim.simulator import Simulator

_TAGS = 4
#: The status filter's word for instances that are gone and only remembered.
RELEASED = "released"


def instances(simulator: Simulator, query: Query) -> Mapping[str, object]:
    """Return one page of the instances that pass the filters: cloud, region, status, text."""
    asked = [one for one in fleets(simulator) if query.text("cloud") in {"", one.cloud}]
    found = [(one, wanted(one.shelf, query)) for one in asked]
    slice_ = Slice.of(sum(len(servers) for _, servers in found), query.whole("page", 1))
    every = chain.from_iterable(((fleet, one) for one in servers) for fleet, servers in found)
    page = islice(every, slice_.start, slice_.start + PAGE)
    return {
        "rows": [row(fleet, one) for fleet, one in page],
        "slice": slice_.shown(),
        "regions": [name for fleet in asked for name in fleet.shelf.regions()],
        "open": dict(_opened(asked, query)),
    }


def wanted(fleet: Shelf[Any], query: Query) -> Collection[Any]:
    """Return the instances that pass the filters, without a copy when there is no filter."""
    status, text, region = query.text("status").lower(), query.text("q").lower(), query.text("region")
    if not (status or text or region):
        return fleet
    pool: Iterable[Any] = fleet.in_region(region) if region else fleet
    if status == RELEASED:
        pool = (one for one in fleet.remembered() if region in {"", one.region})
    elif status:
        pool = (one for one in pool if one.status.value.value.lower() == status)
    return [one for one in pool if not text or _holds(text, one)]


def row(fleet: Fleet, instance: Any) -> dict[str, object]:
    """Return one line of the table."""
    task = instance.task
    return {
        "key": instance.id,
        "cloud": fleet.cloud,
        "name": instance.name,
        "region": instance.region,
        "zone": instance.zone,
        "type": instance.type,
        "status": "" if instance.released is not None else instance.status.value.value,
        "since": instance.status.since if instance.released is None else instance.released,
        "goal": task.goal if task else "",
        "due": task.due if task else None,
        **fleet.row(instance),
        "tags": list(islice(instance.tags.items(), _TAGS)),
        "more": max(0, len(instance.tags) - _TAGS),
    }


def _opened(asked: Iterable[Fleet], query: Query) -> Iterable[tuple[str, Mapping[str, object]]]:
    for fleet in asked:
        for key in query.opened():
            found = fleet.shelf.find(key) or fleet.shelf.gone(key)
            if found is not None:
                yield key, {**_whole(found), **fleet.whole(found)}


def _holds(text: str, instance: Any) -> bool:
    return (
        text in instance.id
        or text in instance.name.lower()
        or text in instance.network.private_ip
        or any(text in value.lower() or text in name.lower() for name, value in instance.tags.items())
    )


def _whole(instance: Any) -> dict[str, object]:
    history = [{"at": since, "status": status} for since, status in instance.status.entries()]
    if instance.released is not None:
        history.append({"at": instance.released, "status": ""})
    network = instance.network
    return {
        "history": history,
        "name": instance.name,
        "region": instance.region,
        "addresses": (network.private_ip, *network.public_ips),
        "image": instance.image,
        "charge": instance.charge_type,
        "created": instance.created,
        "expires": instance.expires,
        "tags": list(instance.tags.items()),
    }
