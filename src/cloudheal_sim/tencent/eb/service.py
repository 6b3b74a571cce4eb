"""The calls of EventBridge, to be declared by the modules below `actions`."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Service
from cloudheal_sim.tencent.eb.state import Eb

SERVICE: Service[Eb] = Service("eb", "EB", "2021-04-16")
