"""Which messages of a topic are in hand, and up to where each partition may be committed.

A partition is acknowledged by one number: everything before it is done with. So it never moves past a message that was
given out and not acknowledged, in whatever order the others are. What is known of a partition that was taken away is
forgotten: whoever has it now counts for himself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Partition:
    """One partition as this member sees it."""

    open: dict[int, None] = field(default_factory=dict)
    """Offsets in hand, in their order."""
    next: int = 0
    """The offset after the last that was given out."""
    committed: int = -1

    def ready(self) -> int:
        """Return the offset that may be committed."""
        return min(self.open, default=self.next)


@dataclass(slots=True)
class InHand:
    """The messages in hand of one member of a group; used by one thread."""

    _partitions: dict[int, _Partition] = field(default_factory=dict)

    def give(self, partition: int, offset: int) -> str:
        """Note that a message is given out; returns its handle."""
        one = self._partitions.setdefault(partition, _Partition())
        one.open[offset] = None
        one.next = max(one.next, offset + 1)
        return f"{partition}/{offset}"

    def acknowledge(self, handles: Iterable[str]) -> tuple[str, ...]:
        """Note that messages are done with; returns the handles of those that are not in hand any more."""
        return tuple(handle for handle in handles if not self._take(handle))

    def ready(self) -> Mapping[int, int]:
        """Return what may be committed and is not: by partition, the offset of the first message not done with."""
        places = {partition: one.ready() for partition, one in self._partitions.items()}
        return {place: offset for place, offset in places.items() if offset > self._partitions[place].committed}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Note what was committed."""
        for partition, offset in offsets.items():
            if partition in self._partitions:
                self._partitions[partition].committed = offset

    def forget(self, partitions: Collection[int]) -> None:
        """Forget partitions that were taken away."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def _open(self, partition: int) -> Mapping[int, None]:
        return self._partitions[partition].open if partition in self._partitions else {}

    def _take(self, handle: str) -> bool:
        partition, offset = _read(handle)
        if offset not in self._open(partition):
            return False
        del self._partitions[partition].open[offset]
        return True


def _read(handle: str) -> tuple[int, int]:
    partition, _, offset = handle.partition("/")
    return int(partition), int(offset)
