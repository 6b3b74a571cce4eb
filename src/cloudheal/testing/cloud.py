"""A cloud that behaves: servers with states, locks and tags that change in time, balancers, orders; and its bad days.

It keeps the contract of `ports/cloud.py` and is held to it by the tests that the real adapter passes. Whatever happens
in it happens on its clock. `actions` are the calls that changed something, in order, as `verb target`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cloudheal.errors import CloudPermanentError
from cloudheal.model.inventory import RECYCLING, RUNNING, STOPPED
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.ports.cloud import Member, Order, Ordered, Place, Server, Verbs
from cloudheal.testing.backups import FakeBackups
from cloudheal.testing.balancers import FakeBalancers
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.drills import FakeDrills
from cloudheal.testing.faults import Kind, Line, in_time
from cloudheal.testing.guests import FakeGuests
from cloudheal.testing.maintenance import FakeMaintenance
from cloudheal.testing.messages import message
from cloudheal.testing.services import FakeServices

STARTING, STOPPING = "Starting", "Stopping"
#: How long a server takes to go down when it is rebooted.
GOING_DOWN = timedelta(seconds=5)
#: What a server is ordered with when nobody says.
PLAIN = Order("ecs.g7.large", "cn-hangzhou-h", "m-plain", "vsw-plain", ("sg-plain",), "", spot=False)


class FakeCloud:
    """One account in one region."""

    def __init__(
        self,
        clock: VirtualClock | None = None,
        *,
        account: str = "1000000000000001",
        region: str = "cn-hangzhou",
        boot: timedelta = timedelta(seconds=10),
    ) -> None:
        """`boot` is how long a server takes from Starting to Running."""
        self.clock = clock or VirtualClock()
        self.account, self.region = account, region
        self.actions: list[str] = []
        self.line = Line()
        self.balancers = FakeBalancers(self.line, self.actions)
        self.backups = FakeBackups(self.clock, self.line, self.actions)
        self.guests = FakeGuests(self.clock, self.line, self.actions, self._as_it_is)
        self.maintenance = FakeMaintenance(self)
        self.drills = FakeDrills(self)
        self.services = FakeServices(self.clock, self._running_at)
        self.boot = boot
        self._histories: dict[str, list[tuple[datetime, Server | None]]] = {}
        self._orders: dict[str, Order] = {}
        self._bought: dict[str, tuple[Order, str]] = {}
        self._falls_back: dict[str, int] = {}
        self._deaf: dict[str, int] = {}
        self._unstartable: dict[str, int] = {}
        self._behind = timedelta()

    # --- what there is ---------------------------------------------------------------------------

    def server(
        self,
        id_: str,
        *,
        state: str = RUNNING,
        name: str = "",
        tags: Mapping[str, str] | None = None,
        locks: Sequence[str] = (),
        order: Order = PLAIN,
        address: str | None = None,
    ) -> ResourceId:
        """Put a server there; returns its full name. Without an address it has one of its own."""
        resource = self.id_of(id_)
        self._orders[id_] = replace(order, name=name, tags=dict(tags or {}))
        # It was there for an hour, so that reads that are late show it too.
        since = self.clock.now() - timedelta(hours=1)
        new = Server(resource, state, name, order.zone, tuple(locks), spot=order.spot, tags=dict(tags or {}))
        new = replace(new, address=f"10.0.0.{len(self._histories) + 1}" if address is None else address)
        self._histories[id_] = [(since, new)]
        self.backups.attach(id_)
        return resource

    def group(self, balancer: str, group: str, *members: Member) -> Place:
        """Put a group with members behind a balancer; an empty group is the balancer's own."""
        place = Place(balancer, group)
        self.balancers.groups[place] = list(members)
        return place

    def id_of(self, id_: str) -> ResourceId:
        """Return the full name of a server of this account."""
        return ResourceId(Cloud.ALIBABA, self.account, self.region, "instance", id_)

    def now(self, id_: str) -> Server | None:
        """Return a server as it really is; None when it is not there."""
        history = self._histories.get(id_, [])
        return history[-1][1] if history else None

    @property
    def verbs(self) -> Verbs:
        """Everything that playbooks may ask of it."""
        return Verbs(
            compute=self,
            balancers=self.balancers,
            orders=self,
            backups=self.backups,
            guests=self.guests,
            system_events=self.maintenance,
        )

    def described(self, subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
        """Return what an inventory would know of resources, also of those that are gone."""
        servers = {one: self._last(one.id) for one in subjects}
        at = self.clock.now()
        return {
            name: Resource(name, at, found.state, found.name, found.zone, "", found.tags)
            for name, found in servers.items()
            if found is not None
        }

    # --- what happens to it ----------------------------------------------------------------------

    def power_off(self, server: ResourceId) -> bytes:
        """Let a server stop by accident; returns the message about it."""
        return self.changes(server, STOPPED)

    def reclaim(self, server: ResourceId, action: str = "delete") -> bytes:
        """Let the cloud take a spot server back in five minutes; returns the message about it."""
        self._change(server.id, locks=(RECYCLING,))
        self.clock.plan(timedelta(minutes=5), lambda: self._taken(server.id, action))
        content = {"instanceId": server.id, "action": action}
        return message(server, "Instance:PreemptibleInstanceInterruption", content, self.clock.now())

    def restarts(self, id_: str) -> None:
        """Let the cloud take a server down and up again by itself; it does not say when it is up."""
        self._change(id_, state=STARTING)

    def has_booted(self, id_: str) -> None:
        """Let a server that starts be up, or fall back if it is to."""
        server = self.now(id_)
        if server is None or server.state != STARTING:
            return
        if self._falls_back.get(id_, 0) > 0:
            self._falls_back[id_] -= 1
            self._change(id_, state=STOPPED)
        else:
            self._change(id_, state=RUNNING, started=self.clock.now().isoformat())

    def loses_contact(self, server: ResourceId) -> bytes:
        """Return the message that CloudMonitor hears nothing from inside a server any more."""
        return message(server, "Agent_Status_Stopped", {}, self.clock.now(), "stopped", "CloudMonitor")

    def is_heard_again(self, server: ResourceId) -> bytes:
        """Return the message that CloudMonitor hears of a server again."""
        return message(server, "Agent_Status_Running", {}, self.clock.now(), "running", "CloudMonitor")

    def changes(self, server: ResourceId, state: str) -> bytes:
        """Let a server take a state by itself; returns the message about it."""
        self._change(server.id, state=state)
        content = {"resourceId": server.id, "resourceType": "ALIYUN::ECS::Instance", "state": state}
        return message(server, "Instance:StateChange", content, self.clock.now())

    def lock(self, server: ResourceId, *reasons: str) -> None:
        """Lock a server for these reasons, in the vendor's words; for none: unlock it."""
        self._change(server.id, locks=reasons)

    def tag(self, server: ResourceId, tags: Mapping[str, str]) -> None:
        """Give a server these tags in place of its own."""
        self._change(server.id, tags=dict(tags))

    def release(self, server: ResourceId) -> None:
        """Let a server go for good."""
        self._histories[server.id].append((self.clock.now(), None))

    def falls_back(self, server: ResourceId, times: int = 1) -> None:
        """Let the next starts of a server end in Stopped instead of Running."""
        self._falls_back[server.id] = times

    def ignores_starts(self, server: ResourceId, times: int = 1) -> None:
        """Let the next starts of a server be accepted and do nothing."""
        self._unstartable[server.id] = times

    def ignores_reboots(self, server: ResourceId, times: int = 1) -> None:
        """Let the next reboots of a server that are not by force be accepted and do nothing."""
        self._deaf[server.id] = times

    # --- its bad days ----------------------------------------------------------------------------

    def refuses(self, verb: str, code: str, times: int = 1) -> None:
        """Refuse the next calls of a verb with a code of the vendor's."""
        self.line.spoil(verb, Kind.REFUSED, code, times)

    def throttles(self, verb: str, times: int = 1) -> None:
        """Throttle the next calls of a verb."""
        self.line.spoil(verb, Kind.THROTTLED, "Throttling.User", times)

    def loses_the_call(self, verb: str, times: int = 1) -> None:
        """Lose the next calls of a verb on their way: they do nothing, and nobody hears of it."""
        self.line.spoil(verb, Kind.CALL_LOST, "TimeoutError", times)

    def loses_the_answer(self, verb: str, times: int = 1) -> None:
        """Do what the next calls of a verb ask, but lose the answers."""
        self.line.spoil(verb, Kind.ANSWER_LOST, "TimeoutError", times)

    def reads_late(self, by: timedelta) -> None:
        """Show servers from now on as they were so long ago."""
        self._behind = by

    # --- the port --------------------------------------------------------------------------------

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers; one that does not exist is absent."""
        found, _ = self.line.call("servers", lambda: {one: self._seen(one) for one in ids if region == self.region})
        return {name: server for name, server in found.items() if server is not None}

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Start a stopped server."""
        in_time(seconds)
        return self.line.call("start", lambda: self._started(region, id_))[1]

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Restart a running server."""
        in_time(seconds)
        return self.line.call("reboot", lambda: self._rebooted(region, id_, force=force))[1]

    def like(self, region: str, server: str) -> Order | None:
        """Return the order that would bring a server like this one."""
        found = self._orders.get(server) if region == self.region and self.now(server) else None
        return self.line.call("like", lambda: found)[0]

    def order(self, region: str, order: Order, token: str, seconds: float) -> Ordered:
        """Order one server; the same token brings the same server."""
        in_time(seconds)
        server, request = self.line.call("order", lambda: self._ordered(region, order, token))
        return Ordered(server, request)

    def _started(self, region: str, id_: str) -> None:
        server = self.now(id_) if region == self.region else None
        if server is None:
            raise CloudPermanentError(f"no server {id_}", vendor_code="InvalidInstanceId.NotFound")
        if server.state != STOPPED:
            raise CloudPermanentError(f"{id_} is {server.state}", vendor_code="IncorrectInstanceStatus")
        self.actions.append(f"start {id_}")
        if self._unstartable.get(id_, 0) > 0:
            self._unstartable[id_] -= 1
            return
        self._change(id_, state=STARTING)
        self.clock.plan(self.boot, lambda: self.has_booted(id_))

    def _rebooted(self, region: str, id_: str, *, force: bool) -> None:
        server = self.now(id_) if region == self.region else None
        if server is None:
            raise CloudPermanentError(f"no server {id_}", vendor_code="InvalidInstanceId.NotFound")
        if "security" in server.locks:
            raise CloudPermanentError(f"{id_} is locked", vendor_code="InstanceLockedForSecurity")
        if server.state != RUNNING:
            raise CloudPermanentError(f"{id_} is {server.state}", vendor_code="IncorrectInstanceStatus")
        self.actions.append(f"{'reboot by force' if force else 'reboot'} {id_}")
        if not force and self._deaf.get(id_, 0) > 0:
            self._deaf[id_] -= 1
            return
        self.maintenance.answered_by_reboot(id_)
        self._change(id_, state=STOPPING)
        self.clock.plan(GOING_DOWN, lambda: self._went_down(id_))

    def _went_down(self, id_: str) -> None:
        server = self.now(id_)
        if server is not None and server.state == STOPPING:
            self._change(id_, state=STARTING)
            self.clock.plan(self.boot, lambda: self.has_booted(id_))

    def _ordered(self, region: str, order: Order, token: str) -> str:
        if region != self.region:
            raise CloudPermanentError(f"no region {region}", vendor_code="InvalidRegionId.NotFound")
        if token in self._bought:
            bought, server = self._bought[token]
            if bought != order:
                raise CloudPermanentError("another order had this token", vendor_code="IdempotentParameterMismatch")
            return server
        server = f"i-new{len(self._bought) + 1:03}"
        self._bought[token] = (order, server)
        self.server(server, state=STARTING, name=order.name, tags=order.tags, order=order)
        self.actions.append(f"order {server}")
        self.clock.plan(self.boot, lambda: self.has_booted(server))
        return server

    def _taken(self, id_: str, action: str) -> None:
        if self.now(id_) is None:
            return
        if action == "delete":
            self._histories[id_].append((self.clock.now(), None))
        else:
            self._change(id_, state=STOPPED)

    def _change(self, id_: str, **changes: object) -> None:
        server = self.now(id_)
        if server is None:
            raise LookupError(f"there is no server {id_}")
        changed: Callable[..., Server] = replace
        self._histories[id_].append((self.clock.now(), changed(server, **changes)))

    def _last(self, id_: str) -> Server | None:
        return next((one for _, one in reversed(self._histories.get(id_, [])) if one is not None), None)

    def _running_at(self, address: str) -> datetime | None:
        """Return since when the server at an address runs; None where none does."""
        now = (history[-1] for history in self._histories.values())
        return next((at for at, one in now if one and one.address == address and one.state == RUNNING), None)

    def _as_it_is(self, id_: str) -> tuple[datetime, Server | None]:
        """Return how a server is and since when it is in that state."""
        history = self._histories.get(id_, [(self.clock.now(), None)])
        since, now = history[-1]
        for at, one in reversed(history):
            if one is None or now is None or one.state != now.state:
                break
            since = at
        return since, now

    def _seen(self, id_: str) -> Server | None:
        at = self.clock.now() - self._behind
        known = [server for since, server in self._histories.get(id_, ()) if since <= at]
        return known[-1] if known else None
