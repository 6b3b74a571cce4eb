"""The SLB service object; every module of `actions/` declares its calls on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Service

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.slb.state import Slb

SERVICE: Service[Slb] = Service("slb", "Slb", "2014-05-15")
