"""The SLB calls, one module per family; importing this package declares them all."""

from cloudheal_sim.alibaba.slb.actions import backends, balancers, groups, listeners, tags
from cloudheal_sim.alibaba.slb.service import SERVICE

__all__ = ["SERVICE", "backends", "balancers", "groups", "listeners", "tags"]
