"""The CLB calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.tencent.clb.actions import balancers, reads, writes
from cloudheal_sim.tencent.clb.service import SERVICE

__all__ = ["SERVICE", "balancers", "reads", "writes"]
