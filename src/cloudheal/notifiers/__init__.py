"""Tells people: words notices in their language and sends them through Apprise, from the outbox."""

from cloudheal.notifiers.apprise_target import AppriseTarget, targets_of
from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import Wording

__all__ = ["AppriseTarget", "Pace", "Sender", "Wording", "targets_of"]
