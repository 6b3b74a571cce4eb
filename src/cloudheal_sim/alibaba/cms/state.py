"""Everything CloudMonitor remembers, in one object that its handlers are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.delivery import NO_MAILBOXES, Mailboxes
from cloudheal_sim.alibaba.cms.model.event_bus import EventBus

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.model.event_bus import GroupsOf
    from cloudheal_sim.kernel.core import Kernel


class Cms:
    """The stores of both halves of CloudMonitor, over the shared kernel.

    `groups_of` names the application groups of a resource, for event rules and envelopes.
    """

    def __init__(
        self, kernel: Kernel, account: str, mailboxes: Mailboxes = NO_MAILBOXES, groups_of: GroupsOf = lambda _: ()
    ) -> None:
        self.kernel = kernel
        self.account = account
        self.mailboxes = mailboxes
        self.events = EventBus(kernel, account, mailboxes, groups_of)
