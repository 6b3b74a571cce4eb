"""Everything CloudMonitor remembers, in one object that its handlers are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel


class Cms:
    """The stores of both halves of CloudMonitor, over the shared kernel."""

    def __init__(self, kernel: Kernel, account: str) -> None:
        self.kernel = kernel
        self.account = account
