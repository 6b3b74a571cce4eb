"""Call quotas per action on the virtual clock, as the real services keep them: so many calls in each second.

Whom a quota counts for is the cloud's matter: the access key, or the account in one region.

No quota is invented: an action without a configured or documented quota is unlimited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.clock import Clock


class Quotas:
    """Counts calls per (service, action, bucket) in fixed windows of one virtual second."""

    def __init__(self, clock: Clock, per_second: Mapping[str, float]) -> None:
        self._clock = clock
        self._documented = dict(per_second)
        self.per_second = dict(per_second)
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def document(self, per_second: Mapping[str, float]) -> Mapping[str, float]:
        """Add documented quotas, calls a second by `service:action`; they are in force until `replace` says else."""
        self._documented.update(per_second)
        self.per_second.update(per_second)
        return self.per_second

    def limit(self, service: str, action: str) -> float:
        """Return how many calls a second an action admits, 0 for any number."""
        return max(0.0, self.per_second.get(f"{service}:{action}", 0.0))

    def replace(self, per_second: Mapping[str, float]) -> None:
        """Set quotas, calls a second by `service:action`, over the documented ones; 0 or less means unlimited."""
        self.per_second = {**self._documented, **per_second}
        self._windows.clear()

    def admits(self, service: str, action: str, bucket: str) -> bool:
        """Count one call and say whether it is within its quota."""
        name, limit = f"{service}:{action}", self.limit(service, action)
        if limit <= 0:
            return True
        window = self._clock.now() // MILLIS_PER_SECOND
        key = (name, bucket)
        began, used = self._windows.get(key, (window, 0))
        used = used + 1 if began == window else 1
        self._windows[key] = (window, used)
        return used <= limit
