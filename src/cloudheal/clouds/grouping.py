"""Which servers belong together, as far as that is the same on every cloud: by a tag, or behind a balancer.

Of several groups of a server the first by name counts, so that it is always the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloudheal.ports.cloud import Place

#: `tag:KEY` groups by a tag's value.
BY_TAG, BY_SERVER_GROUP, BY_MONITOR_GROUP = "tag:", "server_group", "monitor_group"
#: So many servers are asked for one by one; of more, the next sweep tells.
FEW = 10


def group_of_tags(group_by: str, tags: Mapping[str, str]) -> str | None:
    """Return the group that tags make, empty when they make none; None when tags do not make groups here."""
    if not group_by.startswith(BY_TAG):
        return None
    value = tags.get(group_by.removeprefix(BY_TAG), "")
    return f"{group_by}={value}" if value else ""


def joined(group_by: str, found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the one group of each server, from all that were found of servers and groups."""
    groups: dict[str, str] = {}
    for server, group in found:
        name = f"{group_by}={group}"
        groups[server] = min(groups.get(server, name), name)
    return groups


def of_places(members: Iterable[tuple[Place, str]]) -> Iterator[tuple[str, str]]:
    """Yield servers with the names of the groups that balancers have them in."""
    return ((server, place.group or place.balancer) for place, server in members)
