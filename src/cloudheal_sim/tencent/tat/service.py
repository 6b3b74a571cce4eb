"""The calls of TAT, to be declared by the modules below `actions`."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Service
from cloudheal_sim.tencent.tat.state import Tat

SERVICE: Service[Tat] = Service("tat", "TAT", "2020-10-28")
