"""Calls for tags of load balancers and server groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.requests import tags as requests
from cloudheal_sim.alibaba.slb.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudheal_sim.alibaba.slb.model.balancer import Balancer, ServerGroup
    from cloudheal_sim.alibaba.slb.requests.balancers import NamedTag
    from cloudheal_sim.alibaba.slb.state import Slb
    from cloudheal_sim.kernel.core import Exchange

_PAGE = 50


@SERVICE.action(requests.TagResources)
def tag(slb: Slb, request: requests.TagResources, _exchange: Exchange) -> Reply:
    """Set tags; all resources must be there."""
    news = {one.key: one.value for one in request.tag}
    for resource in _named(slb, request.resource_type, request.resource_id, request.region_id):
        _retag(slb, resource, {**resource.tags, **news})
    return {}


@SERVICE.action(requests.UntagResources)
def untag(slb: Slb, request: requests.UntagResources, _exchange: Exchange) -> Reply:
    """Take the named tags off, or all when none are named and `All` is set."""
    everything = bool(request.all) and not request.tag_key
    for resource in _named(slb, request.resource_type, request.resource_id, request.region_id):
        left = {key: value for key, value in resource.tags.items() if not everything and key not in request.tag_key}
        _retag(slb, resource, left)
    return {}


@SERVICE.action(requests.ListTagResources)
def list_tags(slb: Slb, request: requests.ListTagResources, _exchange: Exchange) -> Reply:
    """List the tags of resources that have all the tags asked for; the token is the place in the list."""
    wanted = {one.key: one.value for one in request.tag}
    found = [
        {"ResourceId": resource.id, "ResourceType": request.resource_type, "TagKey": key, "TagValue": value}
        for resource in _resources(slb, request.resource_type, request.region_id)
        if (not request.resource_id or resource.id in request.resource_id) and _has(resource.tags, wanted)
        for key, value in resource.tags.items()
    ]
    text = request.next_token or "0"
    first = int(text) if text.isascii() and text.isdigit() and len(text) < len("1000000000") else 0
    token = str(first + _PAGE) if first + _PAGE < len(found) else ""
    return {"TagResources": {"TagResource": found[first : first + _PAGE]}, "NextToken": token}


@SERVICE.action(requests.AddTags)
def add(slb: Slb, request: requests.AddTags, _exchange: Exchange) -> Reply:
    """Set tags on one balancer."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id)
    _retag(slb, balancer, {**balancer.tags, **_pairs(request.tags)})
    return {}


@SERVICE.action(requests.RemoveTags)
def remove(slb: Slb, request: requests.RemoveTags, _exchange: Exchange) -> Reply:
    """Take tags off one balancer."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id)
    gone = _pairs(request.tags)
    _retag(slb, balancer, {key: value for key, value in balancer.tags.items() if key not in gone})
    return {}


@SERVICE.action(requests.DescribeTags)
def describe(slb: Slb, request: requests.DescribeTags, _exchange: Exchange) -> Reply:
    """Count how many balancers have each tag, or each key."""
    counts: dict[tuple[str, str], int] = {}
    for balancer in _resources(slb, "instance", request.region_id):
        if request.load_balancer_id in {None, balancer.id} and _has(balancer.tags, _pairs(request.tags)):
            for key, value in balancer.tags.items():
                what = (key, "" if request.distinct_key else value)
                counts[what] = counts.get(what, 0) + 1
    first = (request.page_number - 1) * request.page_size
    sets = [{"TagKey": key, "TagValue": value, "InstanceCount": count} for (key, value), count in counts.items()]
    return {
        "TagSets": {"TagSet": sets[first : first + request.page_size]},
        "PageNumber": request.page_number,
        "PageSize": request.page_size,
        "TotalCount": len(sets),
    }


def _resources(slb: Slb, kind: str, region: str) -> Sequence[Balancer | ServerGroup]:
    balancers = [one for one in slb.balancers.values() if one.existed(None) and region in {"", one.region}]
    if kind == "instance":
        return balancers
    return [group for balancer in balancers for group in slb.groups_of(balancer)]


def _named(slb: Slb, kind: str, ids: Iterable[str], region: str) -> list[Balancer | ServerGroup]:
    known = {resource.id: resource for resource in _resources(slb, kind, region)}
    if any(id_ not in known for id_ in ids):
        raise Refused(errors.UNKNOWN_RESOURCE)
    return [known[id_] for id_ in ids]


def _retag(slb: Slb, resource: Balancer | ServerGroup, tags: dict[str, str]) -> None:
    before, resource.tags = dict(resource.tags), tags
    if before != tags:
        slb.kernel.journal.change("tags", resource.id, before, tags)


def _pairs(tags: Iterable[NamedTag]) -> dict[str, str]:
    return {one.tag_key: one.tag_value for one in tags}


def _has(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(tags.get(key) == value for key, value in wanted.items())
