"""The least that an account must allow, as statements of a RAM policy: for playbooks, for the queue, for setting up.

Reads of ECS cannot be narrowed to single servers by the vendor's list calls, so resources are narrowed to account and
region; actions are exactly those that the verbs of the enabled playbooks declare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cloudheal.clouds.alibaba import drills, grouping, log_service, trail
from cloudheal.clouds.alibaba import metrics as cloud_metrics
from cloudheal.clouds.alibaba.actions import PERMISSIONS
from cloudheal.clouds.alibaba.setup import Place, places_of
from cloudheal.clouds.grouping import BY_MONITOR_GROUP
from cloudheal.ports.account import Duties
from cloudheal.settings.accounts import AccountSettings

#: What `run` does with the queue, and `check` with its age.
_QUEUE = ("mns:ReceiveMessage", "mns:DeleteMessage", "mns:ChangeMessageVisibility", "mns:PeekMessage")
_CANARY = ("mns:SendMessage",)
_SETUP_QUEUE = ("mns:CreateQueue", "mns:GetQueueAttributes", "mns:SetQueueAttributes")
#: The calls of CloudMonitor cannot be narrowed to a resource.
_SETUP_EVENTS = (
    "cms:DescribeEventRuleList",
    "cms:DescribeEventRuleTargetList",
    "cms:PutEventRule",
    "cms:PutEventRuleTargets",
)


def document_of(account: AccountSettings, duties: Duties) -> dict[str, Any]:
    """Return the least RAM policy that lets an account do its duties; with a role, that and what leads to it."""
    policy = {"Version": "1", "Statement": list(statements(account, duties, places_of(account)))}
    return {"role": policy, **_to_the_role(account)} if account.role else policy


def _to_the_role(account: AccountSettings) -> dict[str, Any]:
    """Return whom the role trusts, as its trust policy, and what the user of the keys must be allowed."""
    trusted = {"RAM": [f"acs:ram::{account.id}:root"]}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trusted}
    return {
        "role_trust": {"Version": "1", "Statement": [trust]},
        "user": {"Version": "1", "Statement": [_allow(["sts:AssumeRole"], [account.role])]},
    }


def statements(account: AccountSettings, duties: Duties, places: Sequence[Place]) -> Iterator[dict[str, Any]]:
    """Return everything that an account's duties need; `places` are where its events go."""
    yield from playbook_statements(account.id, account.regions, duties.verbs)
    yield from looking_statements(account.group_by, audit_trail=account.audit_trail, metrics=duties.metrics)
    if places:
        yield queue_statement(account.id, places, sends=duties.canaries)
        if duties.setup:
            yield from setup_statements(account.id, places)
    if duties.log_stores:
        stores = [log_service.resource_of(account.id, url, name) for url, name in duties.log_stores]
        yield _allow([log_service.PERMISSION], stores)
    if duties.drills:
        yield from drill_statements(account.id, account.regions)


def playbook_statements(account: str, regions: Sequence[str], verbs: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Return one statement a product for what the verbs need; reading servers is always needed."""
    actions = sorted({action for verb in {"servers", *verbs} for action in PERMISSIONS.get(verb, ())})
    for product in sorted({action.partition(":")[0] for action in actions}):
        mine = [action for action in actions if action.startswith(f"{product}:")]
        yield _allow(mine, [f"acs:{product}:{region}:{account}:*" for region in regions])


def looking_statements(group_by: str, *, audit_trail: bool, metrics: bool = False) -> Iterator[dict[str, Any]]:
    """Return what CloudMonitor's groups and metrics and the audit trail need; none can be narrowed to a resource."""
    asked = [*(grouping.PERMISSIONS[group_by] if group_by == BY_MONITOR_GROUP else ())]
    if audit_trail:
        asked.append(trail.PERMISSION)
    if metrics:
        asked.append(cloud_metrics.PERMISSION)
    if asked:
        yield _allow(sorted(asked), ["*"])


def drill_statements(account: str, regions: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return what `drill` and `rules fire` need; the latter's call cannot be narrowed to a resource."""
    yield _allow(sorted(drills.DRILLS), [f"acs:ecs:{region}:{account}:*" for region in regions])
    yield _allow([drills.FIRES], ["*"])


def queue_statement(account: str, places: Sequence[Place], *, sends: bool = False) -> dict[str, Any]:
    """Return what taking messages needs, on these queues only; `sends`: and canaries."""
    queues = [f"acs:mns:{one.region}:{account}:/queues/{one.queue}/messages" for one in places]
    return _allow([*_QUEUE, *(_CANARY if sends else ())], queues)


def setup_statements(account: str, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Return what `setup` needs beyond it, which may be taken away again afterwards."""
    queues = [f"acs:mns:{one.region}:{account}:/queues/{one.queue}" for one in places]
    return [_allow(list(_SETUP_QUEUE), queues), _allow(list(_SETUP_EVENTS), ["*"])]


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
