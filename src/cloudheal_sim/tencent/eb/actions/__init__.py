"""The EventBridge calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.tencent.eb.actions import events, rules
from cloudheal_sim.tencent.eb.service import SERVICE

__all__ = ["SERVICE", "events", "rules"]
