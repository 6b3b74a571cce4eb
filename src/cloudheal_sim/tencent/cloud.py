"""Joins the services of the simulated Tencent Cloud: who is handed what, and which request goes to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.guest.chaos import GuestChaos
from cloudheal_sim.tencent.api3.call import is_of_tencent
from cloudheal_sim.tencent.api3.gateway import Gateway
from cloudheal_sim.tencent.clb import actions as clb
from cloudheal_sim.tencent.clb.state import Clb
from cloudheal_sim.tencent.clb.world import ClbSection
from cloudheal_sim.tencent.cvm import actions as cvm
from cloudheal_sim.tencent.cvm.chaos import CvmChaos
from cloudheal_sim.tencent.cvm.state import Cvm
from cloudheal_sim.tencent.cvm.world import CvmSection
from cloudheal_sim.tencent.eb import actions as eb
from cloudheal_sim.tencent.eb.state import Eb
from cloudheal_sim.tencent.eb.world import EbSection
from cloudheal_sim.tencent.events_control import EventsControl
from cloudheal_sim.tencent.happenings import Reporter
from cloudheal_sim.tencent.monitor import actions as monitor
from cloudheal_sim.tencent.monitor.state import Monitor
from cloudheal_sim.tencent.monitor.world import MonitorSection
from cloudheal_sim.tencent.places import REGIONS
from cloudheal_sim.tencent.sts import actions as sts
from cloudheal_sim.tencent.tat import actions as tat
from cloudheal_sim.tencent.tat.state import Tat
from cloudheal_sim.tencent.tat.world import TatSection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudheal_sim.kernel.chaos import Chaos
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.service import Service
    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest
    from cloudheal_sim.kernel.world import Section
    from cloudheal_sim.tencent.cvm.model.instance import Instance, Status
    from cloudheal_sim.tencent.monitor.model.alarms import Alarms


ACCOUNT = "100000000001"


class TencentCloud:
    """Every Tencent Cloud service of one simulator."""

    def __init__(self, kernel: Kernel, chaos: Chaos) -> None:
        self._cvm = Cvm(kernel)
        CvmChaos(self._cvm).register(chaos)
        GuestChaos(self._cvm.guests).register(chaos)
        self._tat = Tat(self._cvm)
        self._eb = Eb(kernel, ACCOUNT)
        self._monitor = Monitor(kernel, self._cvm, ACCOUNT)
        hearers = [self._monitor.metrics.hear, self._eb.hear, self._monitor.alarms.hear]
        Reporter(self._cvm).hearers.extend(hearers)
        self._clb = Clb(kernel, self._cvm)
        self._cvm.lifecycle.moved.append(self._moved)
        self._cvm.guests.changed.append(self._clb.server_changed)
        chaos.witness(self._clb.server_changed)
        self._gateway = Gateway(kernel, REGIONS).serve(sts.SERVICE, kernel).serve(cvm.SERVICE, self._cvm)
        self._gateway.serve(clb.SERVICE, self._clb)
        self._gateway.serve(tat.SERVICE, self._tat).serve(eb.SERVICE, self._eb)
        self._gateway.serve(monitor.SERVICE, self._monitor)

    def _moved(self, instance: Instance, _before: Status | None, _after: Status | None) -> None:
        """Have CLB look at an instance whose state has changed."""
        self._clb.server_changed(instance.id)

    @property
    def sections(self) -> Sequence[Section]:
        """The services' shares of the world document, in the order of installation."""
        return (
            CvmSection(self._cvm),
            ClbSection(self._clb),
            TatSection(self._tat),
            EbSection(self._eb.bridge),
            MonitorSection(self._monitor),
        )

    @property
    def cvm(self) -> Cvm:
        """The stores of CVM, for whoever only reads."""
        return self._cvm

    @property
    def alarms(self) -> Alarms:
        """The alarms of Cloud Monitor, for whoever only reads."""
        return self._monitor.alarms

    @property
    def eb(self) -> Eb:
        """The stores of EventBridge, for whoever only reads."""
        return self._eb

    @property
    def clb(self) -> Clb:
        """The stores of CLB, for whoever only reads."""
        return self._clb

    @property
    def services(self) -> Sequence[Service[Any]]:
        """The services with their actions."""
        return self._gateway.services

    @staticmethod
    def publishes(event: Mapping[str, Any]) -> bool:
        """Say whether an event given to the control API is one of this cloud's."""
        return EventsControl.owns(event)

    def publish(self, event: Mapping[str, Any]) -> Mapping[str, object]:
        """Publish an event given by the control API on EventBridge and to alarm policies. Raises WorldError."""
        return EventsControl(self._cvm, self._eb, self._monitor.alarms).publish(event)

    @staticmethod
    def serves(request: HttpRequest) -> bool:
        """Say whether a request is meant for this cloud."""
        return is_of_tencent(request)

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request of any of the services."""
        return await self._gateway.handle(request)

    def unreadable(self, request: HttpRequest, status: int) -> HttpReply:
        """Refuse a request whose body was too large (413) or broken (400), or own up to a mistake of ours (500)."""
        return self._gateway.unreadable(request, status)
