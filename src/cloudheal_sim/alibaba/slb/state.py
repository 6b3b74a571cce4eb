"""Everything that one simulated SLB keeps, and the steps in which it changes; every step is journaled.

What servers do is learnt from ECS: by being told (`server_changed`), and by looking whenever somebody asks for health.
A released server stays a member and fails its checks until it is removed. UNVERIFIED: the real service may take it out
by itself; staying is the safer half for a client to be rehearsed against, since it has to clean up.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.model.backend import ECS
from cloudheal_sim.alibaba.slb.model.balancer import ACTIVE, RUNNING, Drain
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_millis
from cloudheal_sim.kernel.health_checks import Health
from cloudheal_sim.kernel.health_watch import HealthWatch, Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cloudheal_sim.alibaba.events import InstanceFacts
    from cloudheal_sim.alibaba.networks import Region, VSwitch
    from cloudheal_sim.alibaba.rpc import Refusal
    from cloudheal_sim.alibaba.slb.model.backend import Backend, Members
    from cloudheal_sim.alibaba.slb.model.balancer import Balancer, Listener, ServerGroup
    from cloudheal_sim.kernel.core import Kernel


class Slb:
    """One account's load balancers."""

    def __init__(
        self,
        kernel: Kernel,
        facts: Callable[[str], InstanceFacts | None],
        regions: Callable[[], Collection[Region]],
        switches: Callable[[], Collection[VSwitch]],
    ) -> None:
        self.kernel = kernel
        self.facts = facts
        self._regions = regions
        self._switches = switches
        self.balancers: dict[str, Balancer] = {}
        self.groups: dict[str, ServerGroup] = {}
        self.watch = HealthWatch(kernel, self._answers)
        self.configuring_seconds = 0.0
        #: Where a server is or once was a member, in order: a hint where to look.
        self._homes: dict[str, dict[str, None]] = {}

    @property
    def now(self) -> int:
        """The present instant in epoch milliseconds."""
        return self.kernel.clock.now()

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self.balancers.clear()
        self.groups.clear()
        self.watch.clear()
        self._homes.clear()
        self.configuring_seconds = 0.0

    # --- looking things up ---

    def balancer(self, id_: str, region: str, as_of: int | None = None) -> Balancer:
        """Return a balancer of the region ("" takes any). Raises Refused when there is none."""
        found = self.balancers.get(id_)
        if found is None or not found.existed(as_of) or region not in {"", found.region}:
            raise Refused(errors.UNKNOWN_BALANCER)
        return found

    def group(self, id_: str, region: str, as_of: int | None = None) -> ServerGroup:
        """Return a server group of the region. Raises Refused when there is none."""
        found = self.groups.get(id_)
        if found is None or not found.existed(as_of):
            raise Refused(errors.UNKNOWN_GROUP)
        if region not in {"", self.balancers[found.balancer].region}:
            raise Refused(errors.UNKNOWN_GROUP)
        return found

    def groups_of(self, balancer: Balancer, as_of: int | None = None) -> tuple[ServerGroup, ...]:
        """Return the server groups of a balancer, the default group not among them, oldest first."""
        return tuple(one for one in self.groups.values() if one.balancer == balancer.id and one.existed(as_of))

    def group_behind(self, listener: Listener) -> ServerGroup:
        """Return the group that a listener sends requests to."""
        return self.groups[listener.group] if listener.group else self.balancers[listener.balancer].default

    def listeners_of(self, group: ServerGroup) -> tuple[Listener, ...]:
        """Return the listeners that send requests to a group."""
        listeners = self.balancers[group.balancer].listeners
        return tuple(one for one in listeners.values() if one.group == group.id)

    def region(self, id_: str) -> Region | None:
        """Return a region, None when there is none of that id."""
        return next((region for region in self._regions() if region.id == id_), None)

    def regions(self) -> Collection[Region]:
        """Return all regions."""
        return self._regions()

    def network_of(self, switch_id: str) -> str:
        """Return the network of a switch; a switch that ECS does not know is on a network of its own."""
        known = (switch.vpc for switch in self._switches() if switch.id == switch_id)
        return next(known, switch_id.replace("vsw-", "vpc-", 1))

    def new_id(self, kind: str, length: int) -> str:
        """Draw an id such as `lb-c0ffee...` that no balancer and no group has or had."""
        while True:
            id_ = f"{kind}-{self.kernel.chance.token(length, 'slb')}"
            if id_ not in self.balancers and id_ not in self.groups:
                return id_

    # --- being busy ---

    def refuse_while_configuring(self, balancer: Balancer, refusal: Refusal) -> Balancer:
        """Return the balancer. Raises Refused while an earlier change of it is being rolled out."""
        if balancer.busy_until is not None and self.now < balancer.busy_until:
            raise Refused(refusal)
        return balancer

    def changed(self, balancer: Balancer) -> Balancer:
        """Begin the roll-out of a change just made, and plan when its consequences show."""
        if self.configuring_seconds > 0:
            balancer.busy_until = self.now + round(self.configuring_seconds * MILLIS_PER_SECOND)
            self.kernel.journal.change("balancer.busy_until", balancer.id, None, iso_millis(balancer.busy_until))
        self.plan_health(balancer)
        return balancer

    # --- members ---

    def set_members(self, group: ServerGroup, members: Members) -> Members:
        """Replace a group's members; those that leave drain where a listener says so."""
        before, balancer = group.members.value, self.balancers[group.balancer]
        if members == before:
            return members
        group.members.set(members, self.now)
        for member in members:
            self.meet(member, balancer.id)
        self.kernel.journal.change("group.backends", group.label, described(before), described(members))
        stayed = {member.label for member in members}
        self._drain(group, [member for member in before if member.label not in stayed])
        self.changed(balancer)
        return members

    def _drain(self, group: ServerGroup, leavers: Sequence[Backend]) -> None:
        seconds = [one.drain_seconds for one in self.listeners_of(group) if one.drain_seconds is not None]
        if not seconds or not leavers:
            return
        until = self.now + max(seconds) * MILLIS_PER_SECOND
        for leaver in leavers:
            drain = Drain(leaver.server_id, leaver.port, until)
            group.drains = (*group.drains, drain)
            self.kernel.journal.change("group.draining", group.label, None, leaver.label)
            self.plan_drain(group, drain)

    def plan_drain(self, group: ServerGroup, drain: Drain) -> None:
        """Have a draining member gone for good when its time is over."""

        def over() -> None:
            if drain in group.drains:
                group.drains = tuple(one for one in group.drains if one != drain)
                label = f"{drain.server_id}:{drain.port}"
                self.kernel.journal.change("group.draining", group.label, label, None)

        self.kernel.clock.call_at(drain.until, over)

    # --- health ---

    def server_changed(self, server_id: str) -> bool:
        """Look at a server that ECS says has changed; return whether it is a member and answers differently now."""
        if server_id not in self.watch.servers or not self.watch.observe(server_id):
            return False
        for balancer in self._homes.get(server_id, ()):
            self.plan_health(self.balancers[balancer])
        return True

    def meet(self, member: Backend, balancer: str) -> bool:
        """Watch the server of a member of `balancer` from now on; what ECS does not own is taken to answer."""
        self._homes.setdefault(member.server_id, {})[balancer] = None
        return self.watch.meet(member.server_id, known=member.type == ECS)

    def _answers(self, server_id: str) -> bool:
        facts = self.facts(server_id)
        return facts is not None and facts.serving

    def health(self, listener: Listener, member: Backend, as_of: int | None = None) -> Health:
        """Return what a listener's checks show of a member now or at an earlier instant."""
        if listener.status != RUNNING or self.balancers[listener.balancer].status != ACTIVE:
            return Health.UNAVAILABLE
        return self.watch.health(_probe(listener, member), as_of)

    def receives(self, listener: Listener) -> tuple[Backend, ...]:
        """Return the members that would be given a new request of this listener."""
        members = self.group_behind(listener).members.value
        if listener.status != RUNNING or self.balancers[listener.balancer].status != ACTIVE:
            return ()
        return tuple(
            member
            for member in members
            if member.weight > 0 and (not listener.check.on or self.health(listener, member) is Health.NORMAL)
        )

    def plan_health(self, balancer: Balancer) -> int:
        """Plan a journal entry for each verdict that is still to come; return how many were planned."""
        pairs = [
            (listener, member)
            for listener in balancer.listeners.values()
            for member in self.group_behind(listener).members.value
        ]
        return sum(self.watch.plan(_probe(*pair), partial(self._shows, *pair)) for pair in pairs)

    def _shows(self, listener: Listener, member: Backend) -> bool:
        """Say whether a listener is still there and running, and the member behind it."""
        balancer = self.balancers.get(listener.balancer)
        if balancer is None or balancer.listeners.get(listener.port) is not listener:
            return False
        is_on = listener.status == RUNNING and balancer.status == ACTIVE
        return is_on and member in self.group_behind(listener).members.value


def _probe(listener: Listener, member: Backend) -> Probe:
    label = f"{listener.balancer}:{listener.port}/{member.label}"
    return Probe(label, member.server_id, max(member.since, listener.since), listener.check)


def described(members: Sequence[Backend]) -> list[dict[str, object]]:
    """Write members as the journal shows them."""
    return [{"server_id": one.server_id, "port": one.port, "weight": one.weight} for one in members]
