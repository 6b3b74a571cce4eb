"""Looks at an account without touching it: whether `run` would work here, and if not, what exactly is missing.

Permissions are tried with reads. Of changing calls only RunCommand is tried, on a server that cannot exist: it shows
whether the service role of the automation tools is there, without which no command runs (UNVERIFIED: that the role is
looked for before the server is).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from cloudheal.clouds.keys import KeyRing
from cloudheal.clouds.reaching import reach, skew
from cloudheal.clouds.roles import examined
from cloudheal.clouds.tencent.actions import PERMISSIONS
from cloudheal.clouds.tencent.client import CLB, CVM, STS, TAT, Client, Service, host_of
from cloudheal.clouds.tencent.pollers import PERMISSIONS as POLLING
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.clock import Clock, SystemClock
from cloudheal.ports.findings import Code, Finding, Level
from cloudheal.ports.queue import Queue, QueueProblem
from cloudheal.settings.accounts import AccountSettings

SECONDS = 10.0
#: The vendor refuses requests that are older or younger than five minutes; half of it is worth a warning.
MOST_SKEW_SECONDS, REFUSED_SKEW_SECONDS = 150, 300
#: The role that lets the automation tools act on an account's servers.
ROLE, ROLE_MISSING = "TAT_QCSLinkedRoleInCommand", "ResourceNotFound.RoleNotFound"
#: A message that waits longer in a topic is taken by nobody.
OLD_SECONDS = 300
_TOPIC_PROBLEMS: Mapping[QueueProblem, Code] = {
    QueueProblem.MISSING: Code.TOPIC_MISSING,
    QueueProblem.REFUSED: Code.TOPIC_REFUSED,
}
_NOBODY = "ins-00000000"
_KEY_REFUSED = (
    "AuthFailure.Secret",
    "AuthFailure.Signature",
    "AuthFailure.Token",
    "AuthFailure.Invalid",
    "InvalidCred",
)
_REFUSED_TIME = ("AuthFailure.SignatureExpire",)
_FORBIDDEN = ("UnauthorizedOperation", "AuthFailure.UnauthorizedOperation")


@dataclass(frozen=True, slots=True)
class Patient:
    """The account to look at; `verbs` are what its rules' playbooks use."""

    settings: AccountSettings
    client: Client
    verbs: frozenset[str]
    queue: Callable[[], Queue | None]
    """Opens a connection to the topic of its events."""
    keys: KeyRing


@dataclass(frozen=True, slots=True)
class _Trial:
    """A call that shows whether a permission is there and changes nothing."""

    service: Service
    parameters: Mapping[str, Any]


_PAGE = {"Offset": 0, "Limit": 1}
_TRIALS: Mapping[str, _Trial] = {
    "cvm:DescribeInstances": _Trial(CVM, _PAGE),
    "cvm:DescribeTaskInfo": _Trial(CVM, _PAGE),
    "clb:DescribeLoadBalancers": _Trial(CLB, _PAGE),
    "tat:DescribeAutomationAgentStatus": _Trial(TAT, _PAGE),
    "tat:DescribeInvocationTasks": _Trial(TAT, _PAGE),
    "tat:RunCommand": _Trial(TAT, {"Content": b64encode(b"true").decode(), "InstanceIds": [_NOBODY]}),
}


def examine(patient: Patient, clock: Clock) -> Iterator[Finding]:
    """Look at everything; what cannot be known because something before it failed is left out."""
    endpoints = list(_endpoints(patient))
    for name, url in endpoints:
        yield reach(name, url, SECONDS)
    yield skew(endpoints[0][1], SystemClock(), SECONDS, MOST_SKEW_SECONDS, REFUSED_SKEW_SECONDS)
    key = examined(patient.keys)
    if key is not None:
        yield key
    if key is None or key.level is not Level.ERROR:
        key = _key(patient)
        yield key
    if patient.settings.kafka:
        yield _topic(patient, clock)
    if key.level is Level.ERROR:
        return
    for region in patient.settings.regions:
        yield from (_permission(patient, region, one) for one in _needed({"servers", *patient.verbs}))


def _endpoints(patient: Patient) -> Iterator[tuple[str, str]]:
    used = {one.partition(":")[0] for one in _needed({"servers", *patient.verbs})}
    for service in (CVM, TAT, CLB, STS):
        if service[0] in used or service is STS:
            yield service[0], patient.settings.endpoint or f"https://{host_of(service)}"


def _key(patient: Patient) -> Finding:
    try:
        reply = patient.client.call(STS, "GetCallerIdentity", patient.settings.regions[0], {}, SECONDS)
    except (CloudPermanentError, CloudTransientError) as problem:
        if problem.vendor_code.startswith(_REFUSED_TIME):
            return Finding(Code.CLOCK_SKEWED, Level.ERROR, {"seconds": f"> {REFUSED_SKEW_SECONDS}"})
        refused = problem.vendor_code.startswith(_KEY_REFUSED)
        code = Code.KEY_REFUSED if refused else Code.KEY_UNANSWERED
        return Finding(code, Level.ERROR, {"code": problem.vendor_code})
    wanted = patient.settings.id
    facts = {"account": str(reply.get("AccountId", "")), "wanted": wanted, "arn": str(reply.get("Arn", ""))}
    same = facts["account"] == wanted
    return Finding(Code.KEY_OK if same else Code.KEY_OTHER_ACCOUNT, Level.OK if same else Level.ERROR, facts)


def _topic(patient: Patient, clock: Clock) -> Finding:
    """Look at the topic of events without joining its group."""
    queue = patient.queue()
    facts = {"queue": queue.name if queue else ""}
    if queue is None:
        return Finding(Code.TOPIC_FAILED, Level.ERROR, {**facts, "code": ""})
    with closing(queue) as place:
        try:
            oldest = place.oldest()
        except (CloudPermanentError, CloudTransientError) as problem:
            code = _TOPIC_PROBLEMS.get(place.problem_of(problem), Code.TOPIC_FAILED)
            return Finding(code, Level.ERROR, {**facts, "code": problem.vendor_code})
    if oldest is None:
        return Finding(Code.QUEUE_EMPTY, Level.OK, facts)
    age = round((clock.now() - oldest).total_seconds())
    old = age > OLD_SECONDS
    code = Code.QUEUE_OLD if old else Code.QUEUE_OK
    return Finding(code, Level.WARNING if old else Level.OK, {**facts, "age": str(age)})


def _permission(patient: Patient, region: str, permission: str) -> Finding:
    """Try one permission; who is not allowed is told so first, so any other refusal means that the call is allowed."""
    trial, facts = _TRIALS.get(permission), {"permission": permission, "region": region}
    if trial is None:
        return Finding(Code.PERMISSION_UNKNOWN, Level.UNKNOWN, facts)
    try:
        patient.client.call(trial.service, permission.partition(":")[2], region, trial.parameters, SECONDS)
    except CloudPermanentError as problem:
        told = {**facts, "code": problem.vendor_code}
        if problem.vendor_code == ROLE_MISSING:
            return Finding(Code.ROLE_MISSING, Level.ERROR, {**told, "role": ROLE})
        if problem.vendor_code.startswith(_FORBIDDEN):
            return Finding(Code.PERMISSION_MISSING, Level.ERROR, told)
    except CloudTransientError as problem:
        return Finding(Code.PERMISSION_UNKNOWN, Level.UNKNOWN, {**facts, "code": problem.vendor_code})
    return Finding(Code.PERMISSION_OK, Level.OK, facts)


def _needed(verbs: Iterable[str]) -> list[str]:
    """Return the permissions of watching and of verbs, reads first."""
    found = {one for verb in verbs for one in PERMISSIONS.get(verb, ())} | set(POLLING["sweep"])
    return sorted(found, key=lambda one: (":Describe" not in one, one))
