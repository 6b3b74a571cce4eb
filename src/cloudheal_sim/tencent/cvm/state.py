"""Everything that one simulated CVM keeps, joined to the kernel: what the actions work on and other services ask.

Other services join by the lists of hearers: `lifecycle.moved` (every change of state), `lifecycle.witnesses` (boots and
releases), `reachability.lost` and `.regained` (pings), `repairs.moved` (repair tasks), `guests.changed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.guest.guests import Guests
from cloudheal_sim.kernel.address import Addresses
from cloudheal_sim.kernel.stock import Stock
from cloudheal_sim.kernel.tokens import Tokens
from cloudheal_sim.tencent.cvm.model.fleet import Fleet
from cloudheal_sim.tencent.cvm.model.lifecycle import Lifecycle
from cloudheal_sim.tencent.cvm.model.reachability import Reachability
from cloudheal_sim.tencent.cvm.model.repair import Repairs
from cloudheal_sim.tencent.places import PUBLIC

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel


class Cvm:
    """One account's CVM."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.stock = Stock()
        self.tokens = Tokens()
        self.addresses = Addresses()
        self.fleet = Fleet()
        self.lifecycle = Lifecycle(kernel, self.fleet, lambda: self.addresses.take(PUBLIC))
        self.guests = Guests(kernel, self.fleet, self.lifecycle.fall)
        self.reachability = Reachability(kernel, self.fleet)
        self.repairs = Repairs(kernel, self.fleet, self.lifecycle)
        self.lifecycle.witnesses.append(self.guests)
        self.lifecycle.moved += [self.reachability.moved, self.repairs.hear]

    def new_id(self) -> str:
        """Draw an id such as `ins-c0ffee00` that no instance has."""
        while True:
            id_ = f"ins-{self.kernel.chance.token(8, 'cvm')}"
            if id_ not in self.fleet:
                return id_
