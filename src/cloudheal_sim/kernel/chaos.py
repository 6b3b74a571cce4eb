"""Chaos: what an operator's nightmare does to servers, by name, across all clouds.

Each service registers the deeds it can do to its own resources. A deed applies to exactly the ids named: an empty list
touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from cloudheal_sim.kernel.world import Part, WorldError, parsed

P = TypeVar("P", bound=Part)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

#: Does one deed to one resource; the options are the remaining keys of the request. Raises ChaosError.
Deed: TypeAlias = Callable[[str, Mapping[str, Any]], None]
#: Says whether an id belongs to the service that registered.
Owns: TypeAlias = Callable[[str], bool]


class ChaosError(ValueError):
    """The deed cannot be done; the message says which are known or which id is not."""


class Servers(Protocol[T_co]):
    """The servers of one account, by id."""

    def __contains__(self, id_: object, /) -> bool:
        """Say whether there is a server of that id."""

    def find(self, id_: str, /) -> T_co | None:
        """Return a server, None when there is none of that id."""


def named(servers: Servers[T], id_: str) -> T:
    """Return a server. Raises ChaosError when it was released, be it by the deed before this one."""
    found = servers.find(id_)
    if found is None:
        msg = f"instances: no instance {id_!r} in this world"
        raise ChaosError(msg)
    return found


class NoOptions(Part):
    """A deed that takes no options."""


def options_of(model: type[P], options: Mapping[str, Any]) -> P:
    """Read the options of a deed. Raises ChaosError naming the one that cannot be."""
    try:
        return parsed(model, options, "")
    except WorldError as problem:
        raise ChaosError(str(problem)) from problem


class Chaos:
    """The deeds of all services, by name."""

    def __init__(self) -> None:
        self._deeds: dict[str, list[tuple[Owns, Deed]]] = {}
        self._witnesses: list[Callable[[str], object]] = []

    def register(self, name: str, owns: Owns, deed: Deed) -> None:
        """Add a deed for the resources that `owns` accepts."""
        self._deeds.setdefault(name, []).append((owns, deed))

    def witness(self, told: Callable[[str], object]) -> None:
        """Have `told` called with the id of each resource that something was done to."""
        self._witnesses.append(told)

    def names(self) -> tuple[str, ...]:
        """Return the known deeds, sorted."""
        return tuple(sorted(self._deeds))

    def do(self, name: str, ids: Sequence[str], options: Mapping[str, Any]) -> int:
        """Do a deed to every id named; all ids are checked first. Returns how many were hit."""
        doers = self._deeds.get(name.replace("-", "_"))
        if doers is None:
            msg = f"do: unknown deed {name!r}; known are {', '.join(self.names())}"
            raise ChaosError(msg)
        plan = [(self._doer(doers, id_), id_) for id_ in ids]
        for deed, id_ in plan:
            deed(id_, options)
            for told in self._witnesses:
                told(id_)
        return len(plan)

    @staticmethod
    def _doer(doers: Sequence[tuple[Owns, Deed]], id_: str) -> Deed:
        for owns, deed in doers:
            if owns(id_):
                return deed
        msg = f"instances: no resource {id_!r} in this world"
        raise ChaosError(msg)
