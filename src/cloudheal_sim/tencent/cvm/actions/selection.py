"""Which instances a call means: ids, filters as predicates, and the page that is shown.

Ids that a read names and nobody knows are simply absent from the answer; calls that change something refuse them. All
or nothing: one bad id refuses the whole call (UNVERIFIED for each id of a batch).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.tencent.api3 import Refused
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.cvm import errors
from cloudheal_sim.tencent.cvm.replies.instances import state, uuid_of
from cloudheal_sim.tencent.paging import TOO_MANY

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.requests.instances import Filter
    from cloudheal_sim.tencent.cvm.state import Cvm

#: What an instance shows for a filter: any of these may be the value asked for.
Shows: TypeAlias = Callable[["Instance", int | None], Collection[str]]

MOST_IDS = 100
_MOST_FILTERS, _MOST_VALUES = 10, 5
#: Wider than the eight characters of real ids, because a world document may call its instances what it likes.
_ID = re.compile(r"ins-[0-9A-Za-z][0-9A-Za-z_-]{0,123}")

FILTERS: Mapping[str, Shows] = {
    "zone": lambda one, _: (one.zone,),
    "project-id": lambda one, _: (str(one.project),),
    "host-id": lambda _one, _: (),
    "dedicated-cluster-id": lambda _one, _: (),
    "vpc-id": lambda one, _: (one.network.vpc,),
    "subnet-id": lambda one, _: (one.network.subnet,),
    "instance-id": lambda one, _: (one.id,),
    "uuid": lambda one, _: (uuid_of(one),),
    "security-group-id": lambda one, _: one.network.security_groups,
    "instance-charge-type": lambda one, _: (one.charge_type,),
    "instance-state": lambda one, as_of: (state(one, as_of),),
    "private-ip-address": lambda one, _: (one.network.private_ip,),
    "public-ip-address": lambda one, _: one.network.public_ips,
    "ipv6-address": lambda _one, _: (),
    "tag-key": lambda one, _: tuple(one.tags),
    "tag-value": lambda one, _: tuple(one.tags.values()),
}


def checked_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Return ids that could be instances' own. Raises Refused for too many, or malformed ones."""
    if len(ids) > MOST_IDS:
        raise Refused(TOO_MANY, name="InstanceIds", limit=MOST_IDS)
    for id_ in ids:
        if not _ID.fullmatch(id_):
            raise Refused(errors.ID_MALFORMED, id=id_[:80])
    return tuple(dict.fromkeys(ids))


def existing(cvm: Cvm, ids: Sequence[str], exchange: Exchange) -> list[Instance]:
    """Return the instances of a call that changes them, in the order named. Raises Refused for unknown ones."""
    found = []
    if not ids:
        raise invalid("InstanceIds")
    for id_ in checked_ids(ids):
        instance = cvm.fleet.find(id_, exchange.entry.region)
        if instance is None:
            raise Refused(errors.ID_NOT_FOUND, id=id_)
        found.append(instance)
    return found


def selected(cvm: Cvm, ids: Sequence[str], filters: Sequence[Filter], exchange: Exchange) -> Collection[Instance]:
    """Return what a read shows of the region, narrowed by ids or filters. Raises Refused."""
    region, as_of = exchange.entry.region, exchange.as_of
    if ids and filters:
        raise Refused(errors.IDS_AND_FILTERS)
    if ids:
        return cvm.fleet.chosen(checked_ids(ids), region, as_of)
    keeps = [_keeps(one, as_of) for one in _counted(filters)]
    found = cvm.fleet.in_region(region, as_of)
    return [one for one in found if all(keep(one) for keep in keeps)] if keeps else found


def _counted(filters: Sequence[Filter]) -> Sequence[Filter]:
    if len(filters) > _MOST_FILTERS or any(len(one.values) > _MOST_VALUES for one in filters):
        raise Refused(errors.TOO_MANY_VALUES)
    return filters


def _keeps(one: Filter, as_of: int | None) -> Callable[[Instance], bool]:
    """Read one filter as a predicate. Raises Refused for an unknown one."""
    values = frozenset(one.values)
    if one.name.startswith("tag:"):
        key = one.name.partition(":")[2]
        return lambda instance: instance.tags.get(key) in values
    if one.name in {"creation-start-time", "creation-end-time"}:
        return _created(one)
    if one.name == "instance-name":
        return lambda instance: any(value in instance.name for value in values)
    shows = FILTERS.get(one.name)
    if shows is None:
        raise Refused(errors.UNKNOWN_FILTER, name=one.name[:80])
    return lambda instance: not values.isdisjoint(shows(instance, as_of))


def _created(one: Filter) -> Callable[[Instance], bool]:
    """Keep what was created not before, or not after, any of the times."""
    edges = [_instant(value) for value in one.values]
    if one.name == "creation-start-time":
        return lambda instance: any(instance.created >= edge for edge in edges)
    return lambda instance: any(instance.created <= edge for edge in edges)


def _instant(text: str) -> int:
    try:
        return to_millis(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as problem:
        raise Refused(errors.BAD_TIME, value=text[:40], form="YYYY-MM-DDThh:mm:ssZ") from problem
