"""Joins the services of the simulated Tencent Cloud: who is handed what, and which request goes to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.guest.chaos import GuestChaos
from cloudheal_sim.tencent.api3.call import is_of_tencent
from cloudheal_sim.tencent.api3.gateway import Gateway
from cloudheal_sim.tencent.cvm import actions as cvm
from cloudheal_sim.tencent.cvm.chaos import CvmChaos
from cloudheal_sim.tencent.cvm.state import Cvm
from cloudheal_sim.tencent.cvm.world import CvmSection
from cloudheal_sim.tencent.places import REGIONS
from cloudheal_sim.tencent.sts import actions as sts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudheal_sim.kernel.chaos import Chaos
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.service import Service
    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest
    from cloudheal_sim.kernel.world import Section


class TencentCloud:
    """Every Tencent Cloud service of one simulator."""

    def __init__(self, kernel: Kernel, chaos: Chaos) -> None:
        self._cvm = Cvm(kernel)
        CvmChaos(self._cvm).register(chaos)
        GuestChaos(self._cvm.guests).register(chaos)
        self._gateway = Gateway(kernel, REGIONS).serve(sts.SERVICE, kernel).serve(cvm.SERVICE, self._cvm)

    @property
    def sections(self) -> Sequence[Section]:
        """The services' shares of the world document, in the order of installation."""
        return (CvmSection(self._cvm),)

    @property
    def cvm(self) -> Cvm:
        """The stores of CVM, for whoever only reads."""
        return self._cvm

    @property
    def services(self) -> Sequence[Service[Any]]:
        """The services with their actions."""
        return self._gateway.services

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
