"""All instances of one account: by id, and by region in creation order.

Reads take an instant: None shows the present, an earlier one shows what a stale read would. Released instances are
remembered for that purpose alone, the latest so many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudheal_sim.alibaba.ecs.model.instance import Instance

#: Released instances kept for stale reads; by feel, more than any test releases within a stale read's age.
REMEMBERED = 10_000


class Fleet:
    """The instances, and the memory of released ones."""

    def __init__(self) -> None:
        self._by_id: dict[str, Instance] = {}
        self._by_region: dict[str, dict[str, Instance]] = {}
        self._released: dict[str, Instance] = {}
        self._seq = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._by_id.values())

    def add(self, instance: Instance) -> Instance:
        """Take an instance in as the youngest."""
        self._seq += 1
        instance.seq = self._seq
        if instance.released is None:
            self._by_id[instance.id] = instance
            self._by_region.setdefault(instance.region, {})[instance.id] = instance
        else:
            self._released[instance.id] = instance
        return instance

    def find(self, id_: str, region: str = "") -> Instance | None:
        """Return a present instance by id, if it is in `region` (empty means any)."""
        found = self._by_id.get(id_)
        return found if found is not None and region in {"", found.region} else None

    def seen(self, id_: str, instant: int | None) -> Instance | None:
        """Return the instance that a read answering for `instant` would show."""
        found = self._by_id.get(id_) or (self._released.get(id_) if instant is not None else None)
        return found if found is not None and found.existed(instant) else None

    def in_region(self, region: str, instant: int | None = None) -> Iterable[Instance]:
        """Iterate over a region's instances in creation order, as a read answering for `instant` would show them."""
        present = self._by_region.get(region, {}).values()
        if instant is None:
            return present
        gone = (one for one in self._released.values() if one.region == region)
        return sorted((one for one in (*present, *gone) if one.existed(instant)), key=lambda one: one.seq)

    def remove(self, instance: Instance, now: int) -> None:
        """Let go of an instance that was released at `now`."""
        instance.released = now
        del self._by_id[instance.id]
        del self._by_region[instance.region][instance.id]
        self._released[instance.id] = instance
        while len(self._released) > REMEMBERED:
            del self._released[next(iter(self._released))]

    def remembered(self) -> Iterable[Instance]:
        """Iterate over the released instances that stale reads may still show."""
        return self._released.values()

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._by_id.clear()
        self._by_region.clear()
        self._released.clear()
        self._seq = 0
