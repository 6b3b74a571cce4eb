"""The calls of MNS, by the vendor's names; importing this package registers all of them."""

from cloudheal_sim.alibaba.mns.actions import account, messages, queues, topics
from cloudheal_sim.alibaba.mns.actions.registry import ACTIONS

__all__ = ["ACTIONS", "account", "messages", "queues", "topics"]
