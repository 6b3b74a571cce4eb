"""The calls of CLB, to be declared by the modules below `actions`."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Service
from cloudheal_sim.tencent.clb.state import Clb

SERVICE: Service[Clb] = Service("clb", "CLB", "2018-03-17")
