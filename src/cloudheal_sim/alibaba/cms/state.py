"""Everything CloudMonitor remembers, in one object that its handlers are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.custom_alarm import CustomAlarms
from cloudheal_sim.alibaba.cms.model.delivery import NO_MAILBOXES, Mailboxes
from cloudheal_sim.alibaba.cms.model.event_bus import EventBus
from cloudheal_sim.alibaba.cms.model.monitoring import Monitoring

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel


class Cms:
    """The stores of both halves of CloudMonitor, over the shared kernel.

    Event rules and envelopes learn from the monitoring half which application groups a resource belongs to.
    """

    def __init__(self, kernel: Kernel, account: str, mailboxes: Mailboxes = NO_MAILBOXES) -> None:
        self.kernel = kernel
        self.account = account
        self.mailboxes = mailboxes
        self.monitoring = Monitoring(kernel, account, mailboxes)
        self.events = EventBus(kernel, account, mailboxes, self.monitoring.groups_of)
        self.custom_alarms = CustomAlarms(kernel, self.events)
