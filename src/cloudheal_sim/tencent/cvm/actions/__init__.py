"""The CVM calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.tencent.cvm.actions import instances, launch, power, repair
from cloudheal_sim.tencent.cvm.service import SERVICE

__all__ = ["SERVICE", "instances", "launch", "power", "repair"]
