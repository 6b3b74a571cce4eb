"""Everything that one simulated TAT keeps, joined to the instances that its commands run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.tat.model import Automation

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.state import Cvm

#: The role that TAT takes on to reach instances; without it nothing can be run.
ROLE = "TAT_QCSLinkedRoleInCommand"


class Tat:
    """One account's TAT."""

    def __init__(self, cvm: Cvm) -> None:
        self.cvm = cvm
        self.kernel = cvm.kernel
        self.automation = Automation(cvm.guests)
        self.service_roles: tuple[str, ...] = (ROLE,)
        """The service-linked roles that the account has."""

    def agent_online(self, instance: Instance) -> bool:
        """Say whether the agent inside an instance answers now."""
        ready = self.cvm.guests.agent_ready(instance)
        return ready is not None and ready <= self.kernel.clock.now()
