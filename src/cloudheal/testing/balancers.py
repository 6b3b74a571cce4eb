"""Balancers that behave like the vendor's: they pass over members that are not there in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cloudheal.errors import CloudPermanentError
from cloudheal.ports.cloud import MOST_MEMBERS, Group, Health, Member, Place
from cloudheal.testing.faults import Line


class FakeBalancers:
    """The balancers of one region: groups with their members, changed by calls."""

    def __init__(self, line: Line, actions: list[str]) -> None:
        self.groups: dict[Place, list[Member]] = {}
        #: How the checks find members that are put in.
        self.newcomers = Health.UNCHECKED
        self._line = line
        self._actions = actions

    def memberships(self, region: str, server: str, *, thorough: bool) -> tuple[Group, ...]:  # noqa: ARG002 - one region, one way
        """Read every group that a server is in, with health."""
        return self._line.call("memberships", lambda: tuple(self._holding(server)))[0]

    def named(self, region: str, server: str, places: Sequence[Place]) -> tuple[Group, ...]:  # noqa: ARG002 - one region
        """Read these groups, with health, as far as they exist and the server is in them."""
        return self._line.call("named", lambda: tuple(one for one in self._holding(server) if one.place in places))[0]

    def members(self, region: str, place: Place) -> tuple[Member, ...]:  # noqa: ARG002 - one region
        """Read one group, without health."""
        return self._line.call("members", lambda: tuple(_bare(one) for one in self._at(place)))[0]

    def set_weights(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:  # noqa: ARG002
        """Give members the weights they carry."""
        weights = {_key(one): one.weight for one in members}

        def change(present: list[Member]) -> list[Member]:
            return [replace(one, weight=weights.get(_key(one), one.weight)) for one in present]

        return self._change("set_weights", place, members, change)

    def remove(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:  # noqa: ARG002
        """Take members out of a group."""
        leaving = {_key(one) for one in members}
        return self._change(
            "remove", place, members, lambda present: [one for one in present if _key(one) not in leaving]
        )

    def add(self, region: str, place: Place, members: Sequence[Member], seconds: float) -> str:  # noqa: ARG002
        """Put members into a group."""

        def change(present: list[Member]) -> list[Member]:
            there = {_key(one) for one in present}
            newcomers = (replace(one, health=self.newcomers) for one in members if _key(one) not in there)
            return [*present, *newcomers]

        return self._change("add", place, members, change)

    def _change(
        self, verb: str, place: Place, members: Sequence[Member], change: Callable[[list[Member]], list[Member]]
    ) -> str:
        if not 0 < len(members) <= MOST_MEMBERS:
            raise ValueError(f"{verb} takes 1 to {MOST_MEMBERS} members, not {len(members)}")

        def do() -> None:
            before = self._at(place)
            after = change(before)
            if after != before:
                self.groups[place] = after
                names = ",".join(f"{one.server}:{one.port}" for one in members)
                self._actions.append(f"{verb} {place} {names}")

        return self._line.call(verb, do)[1]

    def _holding(self, server: str) -> list[Group]:
        groups = (Group(place, tuple(members)) for place, members in self.groups.items())
        return [one for one in groups if one.of(server)]

    def _at(self, place: Place) -> list[Member]:
        if place not in self.groups:
            raise CloudPermanentError(f"no group {place}", vendor_code="InvalidParameter")
        return self.groups[place]


def _bare(member: Member) -> Member:
    return replace(member, health=Health.UNCHECKED)


def _key(member: Member) -> tuple[str, int]:
    return member.server, member.port
