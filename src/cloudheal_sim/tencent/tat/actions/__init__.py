"""The TAT calls. Importing this package declares all of them on SERVICE."""

from __future__ import annotations

from cloudheal_sim.tencent.tat.actions import commands, lists
from cloudheal_sim.tencent.tat.service import SERVICE

__all__ = ["SERVICE", "commands", "lists"]
