"""The Cloud Monitor calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.tencent.monitor.actions import alarms, metrics
from cloudheal_sim.tencent.monitor.service import SERVICE

__all__ = ["SERVICE", "alarms", "metrics"]
