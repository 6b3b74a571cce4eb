"""What must hold of a server in its groups: that it is out, that it is in as wanted, that others serve on."""

from __future__ import annotations

from collections.abc import Iterable

from cloudheal.ports.cloud import Group, Health, Member


def is_able(member: Member, *, checked: bool) -> bool:
    """Say whether a member takes new requests: it has weight, and passes the check where there is one."""
    return member.weight > 0 and (not checked or member.health is Health.NORMAL)


def is_last_healthy(group: Group, server: str) -> bool:
    """Say whether a group would have nobody to send requests to without this server, and has somebody with it."""
    # A group whose checks have no verdict on anyone is taken as unchecked: its members are told apart by weight alone.
    checked = any(one.health in {Health.NORMAL, Health.ABNORMAL} for one in group.members)
    able = {one.server for one in group.members if is_able(one, checked=checked)}
    return able == {server}


def receives(members: Iterable[Member], server: str) -> bool:
    """Say whether a server is still given new requests: it is a member with a weight."""
    return any(one.server == server and one.weight > 0 for one in members)


def is_member(members: Iterable[Member], server: str) -> bool:
    """Say whether a server is in a group at all, drained or not."""
    return any(one.server == server for one in members)


def lacking(wanted: Iterable[Member], members: Iterable[Member]) -> tuple[Member, ...]:
    """Return the wanted members that are not there on their port with their weight."""
    there = {(one.server, one.port, one.weight) for one in members}
    return tuple(one for one in wanted if (one.server, one.port, one.weight) not in there)
