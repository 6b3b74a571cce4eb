"""A store of one kind of resource: by id, and by region in creation order.

Reads take an instant: None shows the present, an earlier one shows what a stale read would. Released resources are
remembered for that purpose alone, the latest so many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

#: Released resources kept for stale reads; by feel, more than any test releases within a stale read's age.
REMEMBERED = 10_000


class Resource(Protocol):
    """What a shelf must know of a resource; instants are epoch milliseconds."""

    id: str
    region: str
    created: int
    released: int | None
    seq: int
    """Place in creation order; given by the shelf."""


T = TypeVar("T", bound=Resource)


def existed(resource: Resource, instant: int | None) -> bool:
    """Say whether a resource was there at `instant`; None means now."""
    if instant is None:
        return resource.released is None
    return resource.created <= instant and (resource.released is None or instant < resource.released)


class Shelf(Generic[T]):
    """The present resources, and the memory of released ones."""

    def __init__(self) -> None:
        self._by_id: dict[str, T] = {}
        self._by_region: dict[str, dict[str, T]] = {}
        self._released: dict[str, T] = {}
        self._seq = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def __iter__(self) -> Iterator[T]:
        return iter(self._by_id.values())

    def add(self, resource: T) -> T:
        """Take a resource in as the youngest; a released one goes to the memory."""
        self._seq += 1
        resource.seq = self._seq
        if resource.released is None:
            self._by_id[resource.id] = resource
            self._by_region.setdefault(resource.region, {})[resource.id] = resource
        else:
            self._released[resource.id] = resource
        return resource

    def find(self, id_: str, region: str = "") -> T | None:
        """Return a present resource by id, if it is in `region` (empty means any)."""
        found = self._by_id.get(id_)
        return found if found is not None and region in {"", found.region} else None

    def seen(self, id_: str, instant: int | None) -> T | None:
        """Return the resource that a read answering for `instant` would show."""
        found = self._by_id.get(id_) or (self._released.get(id_) if instant is not None else None)
        return found if found is not None and existed(found, instant) else None

    def chosen(self, ids: Iterable[str], region: str, instant: int | None = None) -> list[T]:
        """Return those of the ids that a read of the region would show, oldest first; unknown ids are simply absent."""
        found = (self.seen(id_, instant) for id_ in dict.fromkeys(ids))
        return sorted((one for one in found if one is not None and one.region == region), key=lambda one: one.seq)

    def in_region(self, region: str, instant: int | None = None) -> Collection[T]:
        """Return a region's resources in creation order, as a read answering for `instant` would show them."""
        present = self._by_region.get(region, {}).values()
        if instant is None:
            return present
        gone = (one for one in self._released.values() if one.region == region)
        return sorted((one for one in (*present, *gone) if existed(one, instant)), key=lambda one: one.seq)

    def remove(self, resource: T, now: int) -> T:
        """Let go of a resource that was released at `now`."""
        resource.released = now
        del self._by_id[resource.id]
        del self._by_region[resource.region][resource.id]
        self._released[resource.id] = resource
        while len(self._released) > REMEMBERED:
            del self._released[next(iter(self._released))]
        return resource

    def regions(self) -> tuple[str, ...]:
        """Return the regions that have resources now, sorted."""
        return tuple(sorted(region for region, held in self._by_region.items() if held))

    def gone(self, id_: str) -> T | None:
        """Return a released resource that is still remembered."""
        return self._released.get(id_)

    def remembered(self) -> Iterable[T]:
        """Return the released resources that stale reads may still show, in the order of their release."""
        return self._released.values()

    def everything(self) -> Iterable[T]:
        """Return present and remembered resources in creation order."""
        return sorted((*self._by_id.values(), *self._released.values()), key=lambda one: one.seq)

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._by_id.clear()
        self._by_region.clear()
        self._released.clear()
        self._seq = 0
