"""What every view shows on top: the clock, and how much there is of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.page.views.servers import fleets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.simulator import Simulator


def head(simulator: Simulator) -> Mapping[str, object]:
    """Return clock and counts; instants are epoch milliseconds."""
    kernel = simulator.kernel
    clock = {
        "mode": kernel.clock.mode.value,
        "scale": kernel.clock.scale,
        "now": kernel.clock.now(),
        "next_due": kernel.clock.next_due(),
    }
    return {"clock": clock, "counts": _counts(simulator), "seed": kernel.chance.seed}


def _counts(simulator: Simulator) -> dict[str, int]:
    return {
        "instances": sum(len(one.shelf) for one in fleets(simulator)),
        "queues": sum(len(account.queues) for account in simulator.alibaba.mns.accounts.values()),
        "faults": len(simulator.kernel.faults.armed),
        "journal": simulator.kernel.journal.last_seq,
    }
