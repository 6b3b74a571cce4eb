"""Joins the services of the simulated Alibaba Cloud: who is handed what, and which request goes to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.actiontrail import actions as actiontrail
from cloudheal_sim.alibaba.actiontrail.state import ActionTrail
from cloudheal_sim.alibaba.actiontrail.world import TrailSection
from cloudheal_sim.alibaba.cms import actions as cms
from cloudheal_sim.alibaba.cms import legacy as cms_2018
from cloudheal_sim.alibaba.cms.chaos_monitoring import MonitoringChaos
from cloudheal_sim.alibaba.cms.control_events import EventsControl
from cloudheal_sim.alibaba.cms.model.delivery import Mailboxes
from cloudheal_sim.alibaba.cms.state import Cms
from cloudheal_sim.alibaba.cms.world_events import EventsSection
from cloudheal_sim.alibaba.cms.world_monitoring import MonitoringSection
from cloudheal_sim.alibaba.ecs import actions as ecs
from cloudheal_sim.alibaba.ecs.chaos_events import EventChaos
from cloudheal_sim.alibaba.ecs.chaos_instances import InstanceChaos
from cloudheal_sim.alibaba.ecs.state import Ecs
from cloudheal_sim.alibaba.ecs.world import EcsSection
from cloudheal_sim.alibaba.ecs.world_assistant import AssistantSection
from cloudheal_sim.alibaba.ecs.world_events import SystemEventsSection
from cloudheal_sim.alibaba.location import actions as location
from cloudheal_sim.alibaba.mns.service import Mns
from cloudheal_sim.alibaba.mns.world import MnsSection
from cloudheal_sim.alibaba.rpc.gateway import Gateway
from cloudheal_sim.alibaba.slb import actions as slb
from cloudheal_sim.alibaba.slb.state import Slb
from cloudheal_sim.alibaba.slb.world import SlbSection
from cloudheal_sim.alibaba.sts import actions as sts
from cloudheal_sim.alibaba.vpc import actions as vpc
from cloudheal_sim.guest.chaos import GuestChaos

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from cloudheal_sim.alibaba.events import SystemEvent
    from cloudheal_sim.alibaba.networks import Region, VSwitch
    from cloudheal_sim.alibaba.rpc import Service
    from cloudheal_sim.kernel.chaos import Chaos
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest
    from cloudheal_sim.kernel.world import Section

ACCOUNT = "1000000000000001"


class AlibabaCloud:
    """Every Alibaba Cloud service of one simulator."""

    def __init__(self, kernel: Kernel, chaos: Chaos) -> None:
        self._kernel = kernel
        self._chaos = chaos
        self._mns = mns = Mns(kernel, ACCOUNT, lambda: next(iter(self._ecs.catalogue.regions), "cn-hangzhou"))
        mailboxes = Mailboxes(mns.has_queue, mns.has_topic, mns.enqueue, mns.publish, mns.put)
        self._cms = Cms(kernel, ACCOUNT, mailboxes)
        self._ecs = Ecs(kernel, self._published)
        InstanceChaos(self._ecs).register(chaos)
        self._cms.monitoring.know(self._ecs)
        MonitoringChaos(self._cms).register(chaos)
        EventChaos(self._ecs).register(chaos)
        GuestChaos(self._ecs.guests).register(chaos)
        self._slb = Slb(kernel, self._ecs.facts, self._regions, self._switches)
        self._cms.monitoring.know_listeners(self._listeners)
        chaos.witness(self._slb.server_changed)
        self._ecs.guests.changed.append(self._slb.server_changed)
        self._gateway = Gateway(kernel).serve(sts.SERVICE, kernel).serve(cms.SERVICE, self._cms)
        self._gateway.serve(cms_2018.SERVICE, self._cms)
        self._gateway.serve(ecs.SERVICE, self._ecs).serve(slb.SERVICE, self._slb)
        self._gateway.serve(vpc.SERVICE, vpc.Vpc(self._regions, self._switches))
        self._gateway.serve(location.SERVICE, location.Location(self._products, self._regions))
        self._trail = ActionTrail(kernel, ACCOUNT, _Servers(self._ecs))
        self._trail.register(chaos)
        self._gateway.serve(actiontrail.SERVICE, self._trail).witnesses.append(self._trail.saw)

    def _published(self, event: SystemEvent) -> None:
        """Send an event through CloudMonitor's rules; SLB looks at the server it is about."""
        self._cms.events.publish(event)
        self._slb.server_changed(event.resource_id)

    def _listeners(self) -> Iterator[Mapping[str, str]]:
        """Tell the listeners of load balancers by the dimensions of their metrics."""
        for balancer in self._slb.balancers.values():
            if balancer.deleted is None:
                for port in balancer.listeners:
                    yield {"instanceId": balancer.id, "port": str(port), "vip": balancer.address}

    def _regions(self) -> Collection[Region]:
        return self._ecs.catalogue.regions.values()

    def _switches(self) -> Collection[VSwitch]:
        return self._ecs.catalogue.vswitches.values()

    def _products(self) -> Collection[str]:
        return {service.product.lower() for service in self.services}

    @property
    def sections(self) -> Sequence[Section]:
        """The services' shares of the world document, in the order of installation."""
        return (
            EcsSection(self._ecs),
            SystemEventsSection(self._ecs),
            AssistantSection(self._ecs),
            MnsSection(self._mns),
            EventsSection(self._cms.events, self._cms.custom_alarms),
            MonitoringSection(self._cms.monitoring),
            SlbSection(self._slb),
            TrailSection(self._trail),
        )

    @property
    def ecs(self) -> Ecs:
        """The stores of ECS, for whoever only reads."""
        return self._ecs

    @property
    def mns(self) -> Mns:
        """The stores of MNS, for whoever only reads."""
        return self._mns

    @property
    def services(self) -> Sequence[Service[Any]]:
        """The RPC services with their actions."""
        return self._gateway.services

    def restart(self) -> None:
        """Forget what is not in the world document (nonces)."""
        self._gateway.restart()

    def publish(self, event: Mapping[str, Any]) -> Mapping[str, object]:
        """Publish an event given by the control API through CloudMonitor's rules. Raises WorldError."""
        return EventsControl(self._cms, self._ecs.facts).publish(event)

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request of any of the services."""
        if self._mns.serves(request):
            return await self._mns.handle(request)
        return await self._gateway.handle(request)

    def unreadable(self, request: HttpRequest, status: int) -> HttpReply:
        """Refuse a request whose body was too large (413) or broken (400) in the words of the service meant."""
        if request.target.startswith(("/queues", "/topics")):
            return self._mns.unreadable(status)
        return self._gateway.unreadable(request.target, status)


class _Servers:
    """What the trail needs of ECS."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def region_of(self, id_: str) -> str | None:
        found = self._ecs.fleet.find(id_)
        return None if found is None else found.region

    def stop(self, id_: str) -> bool:
        found = self._ecs.fleet.find(id_)
        return found is not None and self._ecs.lifecycle.stop(found)
