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


def document_of(account: AccountSettings, duties: Duties) -> dict[str, Any]:
    """Return the least CAM policy that lets an account do its duties; with a role, that and what leads to it."""
    verbs = {"servers", *duties.verbs}
    actions = {action for verb in verbs for action in PERMISSIONS.get(verb, ())} | set(POLLING["sweep"])
    policy = _written({"effect": "allow", "action": sorted(actions), "resource": ["*"]})
    return {"role": policy, **_to_the_role(account)} if account.role else policy


def _to_the_role(account: AccountSettings) -> dict[str, Any]:
    """Return whom the role trusts, as its trust policy, and what the user of the keys must be allowed."""
    taking = {"effect": "allow", "action": ["name/sts:AssumeRole"]}
    trusted = {"qcs": [f"qcs::cam::uin/{account.id}:root"]}
    return {
        "role_trust": _written({**taking, "principal": trusted}),
        "user": _written({**taking, "resource": [account.role]}),
    }


def _written(statement: dict[str, Any]) -> dict[str, Any]:
    return {"version": "2.0", "statement": [statement]}
