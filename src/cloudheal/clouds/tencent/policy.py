"""The least that an account must allow, as a CAM policy: what watching and the playbooks of the rules need.

Resources are not narrowed: the list calls take no resource, and those of TAT and of repair tasks authorise by action
only (UNVERIFIED), so the actions are exactly those that the verbs declare and nothing else.
"""

from __future__ import annotations

from typing import Any

from cloudheal.clouds.tencent.actions import PERMISSIONS
from cloudheal.clouds.tencent.pollers import PERMISSIONS as POLLING
from cloudheal.ports.account import Duties
from cloudheal.settings.accounts import AccountSettings


def document_of(account: AccountSettings, duties: Duties) -> dict[str, Any]:  # noqa: ARG001 - policies are not narrowed
    """Return the least CAM policy that lets an account do its duties."""
    verbs = {"servers", *duties.verbs}
    actions = {action for verb in verbs for action in PERMISSIONS.get(verb, ())} | set(POLLING["sweep"])
    return {"version": "2.0", "statement": [{"effect": "allow", "action": sorted(actions), "resource": ["*"]}]}
