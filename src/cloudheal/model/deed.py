"""Deed: what a run set out to do, as its journal has it; later looks, and other runs, go by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: The name of the intent by which a run takes its resource on.
CLAIM = "take on"
#: The name of the step that keeps how things were before anything was done.
EVIDENCE = "evidence"
#: The reason code when another run has taken it on.
SHARED = "shared"
#: How the names of steps begin by which a run orders a server, and the reason code when too many runs did lately.
ORDER = "order"
ORDERS_USED = "budget.orders"
#: Outcomes after which the world is as it was.
_NOTHING_CAME_OF_IT = frozenset({"transient", "permanent", "refused"})


@dataclass(frozen=True, slots=True)
class Deed:
    """One step of a run that was journaled: when (on the operator's clock), from what, and what came of it.

    `outcome` is empty while nobody knows; `before` is the image that was kept with the intent.
    """

    run: str
    look: int
    name: str
    at: datetime
    outcome: str
    code: str
    request_id: str
    before: Mapping[str, Any]
    value: Mapping[str, Any]

    @property
    def may_have_happened(self) -> bool:
        """False when it is known that nothing was done."""
        return self.outcome not in _NOTHING_CAME_OF_IT
