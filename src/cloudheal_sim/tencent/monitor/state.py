"""Everything that one simulated Cloud Monitor keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.monitor.model.alarms import Alarms
from cloudheal_sim.tencent.monitor.model.metrics import Metrics

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.state import Cvm


class Monitor:
    """One account's Cloud Monitor."""

    def __init__(self, kernel: Kernel, cvm: Cvm, account: str) -> None:
        self.kernel = kernel
        self.cvm = cvm
        self.alarms = Alarms(kernel, account)
        self.metrics = Metrics(kernel, cvm)
