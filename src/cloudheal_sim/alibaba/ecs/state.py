"""Everything that one simulated ECS keeps, joined to the kernel: what the actions work on and other services ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.assistant import Assistant
from cloudheal_sim.alibaba.ecs.model.catalogue import Catalogue, region_code
from cloudheal_sim.alibaba.ecs.model.disk import Disks, Snapshots
from cloudheal_sim.alibaba.ecs.model.event_book import EventBook
from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
from cloudheal_sim.alibaba.ecs.model.lifecycle import Lifecycle
from cloudheal_sim.alibaba.ecs.model.reclaim import Reclaims
from cloudheal_sim.alibaba.ecs.model.storage import Storage
from cloudheal_sim.alibaba.ecs.model.term import Terms
from cloudheal_sim.alibaba.events import InstanceFacts
from cloudheal_sim.guest.guests import Guests
from cloudheal_sim.kernel.address import Addresses
from cloudheal_sim.kernel.stock import Stock
from cloudheal_sim.kernel.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.events import Publish
    from cloudheal_sim.kernel.core import Kernel


class Ecs:
    """One account's ECS."""

    def __init__(self, kernel: Kernel, publish: Publish) -> None:
        self.kernel = kernel
        self.publish = publish
        self.catalogue = Catalogue()
        self.stock = Stock()
        self.tokens = Tokens()
        self.addresses = Addresses()
        self.overdue = False
        """True while the account owes money: nothing can be started or ordered."""
        self.fleet = Fleet()
        self.lifecycle = Lifecycle(kernel, self.fleet, publish)
        self.reclaims = Reclaims(kernel, self.fleet, self.lifecycle, publish)
        self.terms = Terms(kernel, self.fleet, self.lifecycle)
        self.storage = Storage(kernel, Disks(), Snapshots(), publish)
        self.events = EventBook(kernel, self.fleet, self.lifecycle, publish)
        self.guests = Guests(kernel, self.fleet, self.lifecycle.fall)
        self.assistant = Assistant(self.guests)
        self.lifecycle.witnesses += [self.storage, self.guests, self.events]

    def facts(self, id_: str) -> InstanceFacts | None:
        """Return what other services may know of an instance, None when there is none of that id."""
        found = self.fleet.find(id_)
        return None if found is None else _facts(found)

    def all_facts(self) -> Iterable[InstanceFacts]:
        """Iterate over the facts of every instance in creation order."""
        return (_facts(instance) for instance in self.fleet)

    def take_stock(self, zone: str, type_: str, amount: int) -> int:
        """Use up room for instances; returns how much of `amount` there was."""
        before = self.stock.left(zone, type_)
        taken = self.stock.take(zone, type_, amount)
        if before is not None:
            self.kernel.journal.change("stock", f"{zone}/{type_}", before, before - taken)
        return taken

    def new_id(self, kind: str, region: str) -> str:
        """Draw an id such as `i-bp1c0ffee...` that no instance, disk or snapshot has."""
        known = self.catalogue.regions.get(region)
        taken = (self.fleet, self.storage.disks, self.storage.snapshots)
        while True:
            id_ = f"{kind}-{known.code if known else region_code(region)}{self.kernel.chance.token(17, 'ecs')}"
            if not any(id_ in shelf for shelf in taken):
                return id_


def _facts(instance: Instance) -> InstanceFacts:
    return InstanceFacts(
        id=instance.id,
        name=instance.name,
        region=instance.region,
        zone=instance.zone,
        status=instance.status.value,
        private_ip=instance.network.private_ip,
        tags=instance.tags,
        serving=instance.serving,
        history=tuple((since, status.value) for since, status in instance.status.entries()),
    )
