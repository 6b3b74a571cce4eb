"""The calls of CVM, to be declared by the modules below `actions`."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Service
from cloudheal_sim.tencent.cvm.state import Cvm

SERVICE: Service[Cvm] = Service("cvm", "CVM", "2017-03-12")
