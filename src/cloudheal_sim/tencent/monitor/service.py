"""The calls of Cloud Monitor, to be declared by the modules below `actions`."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Service
from cloudheal_sim.tencent.monitor.state import Monitor

SERVICE: Service[Monitor] = Service("monitor", "Monitor", "2018-07-24")
