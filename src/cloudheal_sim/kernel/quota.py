"""Call quotas per action on the virtual clock, as the real services keep them: so many calls in each second.

No quota is invented: an action without a configured or documented quota is unlimited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.clock import Clock


class Quotas:
    """Counts calls per (service, action, access key) in fixed windows of one virtual second."""

    def __init__(self, clock: Clock, per_second: Mapping[str, float]) -> None:
        self._clock = clock
        self._documented = dict(per_second)
        self.per_second = dict(per_second)
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def replace(self, per_second: Mapping[str, float]) -> None:
        """Set quotas, calls a second by `service:action`, over the documented ones; 0 or less means unlimited."""
        self.per_second = {**self._documented, **per_second}
        self._windows.clear()

    def admits(self, service: str, action: str, access_key: str) -> bool:
        """Count one call and say whether it is within its quota."""
        name = f"{service}:{action}"
        limit = self.per_second.get(name, 0)
        if limit <= 0:
            return True
        window = self._clock.now() // MILLIS_PER_SECOND
        key = (name, access_key)
        began, used = self._windows.get(key, (window, 0))
        used = used + 1 if began == window else 1
        self._windows[key] = (window, used)
        return used <= limit
