"""The playbooks that come with cloudheal, one file each; users add their own by the same door."""

from collections.abc import Mapping

from cloudheal.act.playbook import Playbook
from cloudheal.playbooks.restart_stopped import RESTART_STOPPED
from cloudheal.playbooks.spot_evacuate import SPOT_EVACUATE

BUILT_IN: Mapping[str, Playbook] = {one.name: one for one in (RESTART_STOPPED, SPOT_EVACUATE)}

__all__ = ["BUILT_IN"]
