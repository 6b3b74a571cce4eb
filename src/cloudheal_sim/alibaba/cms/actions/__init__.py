"""The handlers, by family. Importing this package registers every one of them with `SERVICE`."""

from cloudheal_sim.alibaba.cms.actions import events
from cloudheal_sim.alibaba.cms.service import SERVICE

__all__ = ["SERVICE", "events"]
