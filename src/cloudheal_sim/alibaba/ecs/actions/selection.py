"""Which resources a list call means: its filters as predicates, applied in simple scans over the region.

Predicates see a resource as it is now, except for status and existence, which a stale read sees as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.model.instance import Instance, Lock, Status
from cloudheal_sim.alibaba.ecs.requests.times import instant
from cloudheal_sim.alibaba.rpc import Refusal, Refused
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.requests.fields import Filter, TagPair
    from cloudheal_sim.alibaba.ecs.requests.instances import DescribeInstances


class Tagged(Protocol):
    """What can carry tags."""

    tags: Mapping[str, str]


class Created(Protocol):
    """What came into being at an instant, epoch milliseconds."""

    created: int


T = TypeVar("T")
Keeps: TypeAlias = Callable[[Instance], bool]


def kept(items: Collection[T], keeps: Iterable[Callable[[T], bool]]) -> Collection[T]:
    """Return what all predicates keep; without predicates the collection itself."""
    for keep in keeps:
        items = [one for one in items if keep(one)]
    return items


def by_request(request: DescribeInstances, as_of: int | None) -> list[Keeps]:
    """Return the predicates that DescribeInstances' filters stand for. Raises Refused on impossible ones."""
    return [
        *_by_equality(request),
        *_by_state(request, as_of),
        *_by_network(request),
        *([] if not request.instance_name else [_like(request.instance_name)]),
        *([_never] if False in {request.device_available, request.io_optimized} else []),
        *(tagged(tag) for tag in request.tag),
        *(_within(one) for one in request.filter),
    ]


def tagged(tag: TagPair) -> Callable[[Tagged], bool]:
    """Keep what carries the tag; an empty value means any value. Raises Refused for a value without a key."""
    if not tag.key:
        raise Refused(errors.TAG_MISMATCH)
    if tag.value:
        return lambda one: one.tags.get(tag.key) == tag.value
    return lambda one: tag.key in one.tags


def _by_equality(request: DescribeInstances) -> list[Keeps]:
    pairs: tuple[tuple[str | None, Callable[[Instance], str]], ...] = (
        (request.zone_id, lambda one: one.zone),
        (request.vpc_id, lambda one: one.network.vpc),
        (request.v_switch_id, lambda one: one.network.vswitch),
        (request.image_id, lambda one: one.image),
        (request.instance_type, lambda one: one.type),
        (request.instance_type_family, lambda one: one.type.rpartition(".")[0]),
        (request.instance_charge_type, lambda one: one.charge_type),
        (request.instance_network_type, lambda _: "vpc"),
        (request.internet_charge_type, lambda _: "PayByTraffic"),
        (request.key_pair_name, lambda one: one.key_pair),
        (request.resource_group_id, lambda one: one.resource_group),
    )
    return [equal(wanted, read) for wanted, read in pairs if wanted is not None]


def equal(wanted: object, read: Callable[[T], object]) -> Callable[[T], bool]:
    """Return the predicate that what is read of an item is what was asked for."""
    return lambda one: read(one) == wanted


def _like(pattern: str) -> Keeps:
    """Match names with `*` for anything; no other character is special to the service."""
    plain = pattern.replace("[", "[[]").replace("?", "[?]")
    return lambda one: fnmatchcase(one.name, plain)


def _never(_one: object) -> bool:
    return False


def _by_state(request: DescribeInstances, as_of: int | None) -> list[Keeps]:
    keeps: list[Keeps] = []
    if request.status is not None:
        status = _member(Status, request.status, errors.STATUS_NOT_FOUND)
        if as_of is None:
            keeps.append(lambda one: one.status.value is status)
        else:
            keeps.append(lambda one: one.status.at(as_of) is status)
    if request.lock_reason is not None:
        lock = _member(Lock, request.lock_reason, errors.LOCK_REASON_NOT_FOUND)
        keeps.append(lambda one: lock in one.locks)
    return keeps


def _by_network(request: DescribeInstances) -> list[Keeps]:
    keeps: list[Keeps] = []
    if request.private_ip_addresses:
        private = frozenset(request.private_ip_addresses)
        keeps.append(lambda one: one.network.private_ip in private)
    if request.public_ip_addresses:
        public = frozenset(request.public_ip_addresses)
        keeps.append(lambda one: not public.isdisjoint(one.network.public_ips))
    if request.inner_ip_addresses or request.eip_addresses:
        keeps.append(_never)
    if (group := request.security_group_id) is not None:
        keeps.append(lambda one: group in one.network.security_groups)
    return keeps


def created_within(one: Filter) -> Callable[[Created], bool]:
    """Read a `Filter.N` that wants what was created after a start or before an end. Raises Refused for any other."""
    edge = _edge(one)
    match one.key:
        case "CreationStartTime":
            return lambda item: item.created >= edge
        case "CreationEndTime":
            return lambda item: item.created <= edge
    raise invalid("Filter.Key")


def _within(one: Filter) -> Keeps:
    """Read one `Filter.N`: created or expiring after a start or before an end."""
    edge = _edge(one)
    match one.key:
        case "ExpiredStartTime":
            return lambda item: item.expires is not None and item.expires >= edge
        case "ExpiredEndTime":
            return lambda item: item.expires is not None and item.expires <= edge
    return created_within(one)


def _edge(one: Filter) -> int:
    edge = instant(one.value)
    if edge is None:
        raise invalid("Filter.Value")
    return edge


M = TypeVar("M", Status, Lock)


def _member(of: type[M], text: str, otherwise: Refusal) -> M:
    found = next((one for one in of if one.value.lower() == text.lower()), None)
    if found is None:
        raise Refused(otherwise)
    return found
