"""Tags: on instances, disks and snapshots; the present calls and the old ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.parameters import checked_tags, known_region
from cloudheal_sim.alibaba.ecs.replies.paging import numbered, read_token, write_token
from cloudheal_sim.alibaba.ecs.requests.tags import (
    AddTags,
    DescribeTags,
    ListTagResources,
    RemoveTags,
    TagResources,
    UntagResources,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import missing

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.disk import Disk, Snapshot
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.shelf import Shelf

    Taggable: TypeAlias = Instance | Disk | Snapshot
    Shelves: TypeAlias = Shelf[Instance] | Shelf[Disk] | Shelf[Snapshot]

#: Tags that one resource may carry.
MOST_TAGS = 20
#: Lines of ListTagResources on one page.
LINES = 50


@SERVICE.action(TagResources)
def tag_resources(ecs: Ecs, request: TagResources, _exchange: Exchange) -> Reply:
    """Add tags to several resources, or change their values; all or nothing."""
    added = checked_tags(request.tag)
    resources = _resources(ecs, request.resource_type, request.resource_id, request.region_id)
    return _retagged(ecs, resources, lambda tags: {**tags, **added})


@SERVICE.action(UntagResources)
def untag_resources(ecs: Ecs, request: UntagResources, _exchange: Exchange) -> Reply:
    """Take tags off several resources: those named, or all."""
    resources = _resources(ecs, request.resource_type, request.resource_id, request.region_id)
    keys = frozenset(request.tag_key)
    if not keys and not request.all:
        return {}
    return _retagged(ecs, resources, lambda tags: {k: v for k, v in tags.items() if keys and k not in keys})


@SERVICE.action(AddTags)
def add_tags(ecs: Ecs, request: AddTags, _exchange: Exchange) -> Reply:
    """Add tags to one resource."""
    added = checked_tags(request.tag)
    resources = _resources(ecs, request.resource_type, (request.resource_id,), request.region_id)
    return _retagged(ecs, resources, lambda tags: {**tags, **added})


@SERVICE.action(RemoveTags)
def remove_tags(ecs: Ecs, request: RemoveTags, _exchange: Exchange) -> Reply:
    """Take tags off one resource: those named (with that value, when one is given), or all."""
    resources = _resources(ecs, request.resource_type, (request.resource_id,), request.region_id)

    def removed(key: str, value: str) -> bool:
        return not request.tag or any(tag.key == key and tag.value in {"", value} for tag in request.tag)

    return _retagged(ecs, resources, lambda tags: {k: v for k, v in tags.items() if not removed(k, v)})


@SERVICE.action(ListTagResources)
def list_tag_resources(ecs: Ecs, request: ListTagResources, _exchange: Exchange) -> Reply:
    """List one line for each tag of each resource meant: by id, by tag, or both."""
    if not (request.resource_id or request.tag or request.tag_filter):
        raise missing("ResourceId")
    shelf = _shelf(ecs, request.resource_type)
    region = known_region(ecs, request.region_id)
    meant: Iterable[Taggable] = shelf.in_region(region)
    if request.resource_id:
        meant = [one for id_ in dict.fromkeys(request.resource_id) if (one := shelf.find(id_, region))]
    wanted = [(tag.key, frozenset({tag.value} - {""})) for tag in request.tag]
    wanted += [(one.tag_key, frozenset(one.tag_values)) for one in request.tag_filter]
    lines = [
        {"ResourceType": request.resource_type, "ResourceId": one.id, "TagKey": key, "TagValue": value}
        for one in meant
        if all(key in one.tags and (not values or one.tags[key] in values) for key, values in wanted)
        for key, value in one.tags.items()
    ]
    start = read_token(request.next_token) if request.next_token else 0
    end = start + LINES
    token = write_token(end) if end < len(lines) else ""
    return {"TagResources": {"TagResource": list(islice(lines, start, end))}, "NextToken": token}


@SERVICE.action(DescribeTags)
def describe_tags(ecs: Ecs, request: DescribeTags, _exchange: Exchange) -> Reply:
    """Count the resources that carry each tag."""
    region = known_region(ecs, request.region_id)
    kinds = [request.resource_type] if request.resource_type else ["instance", "disk", "snapshot"]
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for kind in kinds:
        for one in _shelf(ecs, kind).in_region(region):
            if request.resource_id in {None, one.id}:
                for pair in one.tags.items():
                    counted = counts.setdefault(pair, {})
                    counted[kind] = counted.get(kind, 0) + 1
    asked = {tag.key: tag.value for tag in request.tag}
    meant = [p for p in sorted(counts) if not asked or asked.get(p[0]) in {"", p[1]}]
    page = numbered(meant, request)
    items = [
        {"TagKey": key, "TagValue": value, "ResourceTypeCount": _counted(counts[key, value])}
        for key, value in page.items
    ]
    return {"Tags": {"Tag": items}, **page.frame}


def _counted(by_kind: Mapping[str, int]) -> dict[str, int]:
    return {kind.title(): by_kind.get(kind, 0) for kind in ("instance", "disk", "snapshot")}


def _shelf(ecs: Ecs, kind: str) -> Shelves:
    match kind.lower():
        case "instance":
            return ecs.fleet
        case "disk":
            return ecs.storage.disks
        case "snapshot":
            return ecs.storage.snapshots
    raise Refused(errors.RESOURCE_TYPE_NOT_FOUND)


def _resources(ecs: Ecs, kind: str, ids: Iterable[str], region: str) -> list[Taggable]:
    shelf, here = _shelf(ecs, kind), known_region(ecs, region)
    found: list[Taggable] = []
    for id_ in dict.fromkeys(ids):
        one = shelf.find(id_, here)
        if one is None:
            raise Refused(errors.RESOURCE_NOT_FOUND)
        found.append(one)
    return found


def _retagged(ecs: Ecs, resources: Iterable[Taggable], change: Callable[[Mapping[str, str]], dict[str, str]]) -> Reply:
    """Replace the tags of all, or of none when one would carry too many."""
    after = [(one, change(one.tags)) for one in resources]
    if any(len(tags) > MOST_TAGS for _, tags in after):
        raise Refused(errors.TOO_MANY_TAGS)
    for one, tags in after:
        if tags != one.tags:
            ecs.kernel.journal.change("tags", one.id, dict(one.tags), tags)
            one.tags = tags
    return {}
