"""Playbooks whose time a planner chooses, without a plan: in the crash matrix they begin at once."""

from __future__ import annotations

from dataclasses import replace

from cloudheal.playbooks import reboot_in_window, repair_task_in_window

REBOOT_AT_ONCE = replace(reboot_in_window.REBOOT_IN_WINDOW, name="reboot_at_once", planned=False)
REPAIR_AT_ONCE = replace(repair_task_in_window.REPAIR_TASK_IN_WINDOW, name="repair_at_once", planned=False)
