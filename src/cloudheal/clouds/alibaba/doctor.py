"""Looks at an account without touching it: whether `run` would work here, and if not, what exactly is missing.

Every finding has a code, the facts, and a level; the sentences and fixes stand in the catalogue of the face that shows
them. Permissions are tried with reads, and with the vendor's dry run for calls that would change something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from cloudheal.clouds.alibaba import trail
from cloudheal.clouds.alibaba.actions import PERMISSIONS
from cloudheal.clouds.alibaba.client import ACTIONTRAIL, CMS, ECS, SLB, STS, Client, host_of
from cloudheal.clouds.alibaba.setup import SECONDS, Deed, Place, plan
from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.clouds.keys import KeyRing
from cloudheal.clouds.reaching import reach, skew
from cloudheal.clouds.roles import examined
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.clock import Clock, SystemClock
from cloudheal.ports.findings import Code, Finding, Level

#: The vendor refuses requests that are older or younger than 15 minutes; half of it is worth a warning.
MOST_SKEW_SECONDS, REFUSED_SKEW_SECONDS = 450, 900
#: Messages that nobody took for so long mean that nobody is at work.
OLD_SECONDS = 600
_KEY_REFUSED = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidAccessKeySecret"),
    *("MissingSecurityToken", "InvalidSecurityToken", "SecurityToken"),
)
_FORBIDDEN = ("Forbidden", "NoPermission", "AccessDenied", "ImplicitDeny")
_REFUSED_TIME = ("InvalidTimeStamp", "TimeExpired")


@dataclass(frozen=True, slots=True)
class Patient:
    """The account to look at; `verbs` are what its rules' playbooks use."""

    id: str
    regions: Sequence[str]
    keys: KeyRing
    endpoint: str | None
    queues: Sequence[Place]
    verbs: frozenset[str]
    audit_trail: bool = False
    """Whether evidence is sought in ActionTrail."""


def examine(patient: Patient, clock: Clock) -> Iterator[Finding]:
    """Look at everything; what cannot be known because something before it failed is left out."""
    endpoints = list(_endpoints(patient))
    for name, url in endpoints:
        yield reach(name, url, SECONDS)
    yield skew(endpoints[0][1], SystemClock(), SECONDS, MOST_SKEW_SECONDS, REFUSED_SKEW_SECONDS)
    role = examined(patient.keys)
    if role is not None:
        yield role
        if role.level is Level.ERROR:
            return
    client = Client(patient.keys, patient.endpoint)
    key = _key(client, patient)
    yield key
    if key.level is Level.ERROR:
        return
    if patient.queues:
        yield from (_queue(patient, one, clock) for one in patient.queues)
        yield _events(client, patient)
    else:
        yield Finding(Code.QUEUE_NONE, Level.WARNING)
    for region in patient.regions:
        yield from _permissions(client, patient, region)


def _endpoints(patient: Patient) -> Iterator[tuple[str, str]]:
    for region in patient.regions:
        yield f"ecs {region}", patient.endpoint or f"https://{host_of(ECS, region)}"
    yield "cms", patient.endpoint or f"https://{host_of(CMS, patient.regions[0])}"
    yield "sts", patient.endpoint or f"https://{host_of(STS, patient.regions[0])}"
    for endpoint in sorted({one.endpoint for one in patient.queues}):
        yield "mns", endpoint


def _key(client: Client, patient: Patient) -> Finding:
    try:
        reply = client.call(STS, "GetCallerIdentity", patient.regions[0], {}, SECONDS)
    except (CloudPermanentError, CloudTransientError) as problem:
        facts = {"code": problem.vendor_code}
        if problem.vendor_code.startswith(_REFUSED_TIME):
            return Finding(Code.CLOCK_SKEWED, Level.ERROR, {"seconds": f"> {REFUSED_SKEW_SECONDS}"})
        if problem.vendor_code.startswith(_KEY_REFUSED):
            return Finding(Code.KEY_REFUSED, Level.ERROR, facts)
        return Finding(Code.KEY_UNANSWERED, Level.ERROR, facts)
    facts = {"account": str(reply.get("AccountId", "")), "wanted": patient.id, "arn": str(reply.get("Arn", ""))}
    same = facts["account"] == patient.id
    return Finding(Code.KEY_OK if same else Code.KEY_OTHER_ACCOUNT, Level.OK if same else Level.ERROR, facts)


def _queue(patient: Patient, place: Place, clock: Clock) -> Finding:
    facts = {"queue": place.queue, "endpoint": place.endpoint}
    try:
        with closing(MnsQueue(place.endpoint, patient.keys, place.queue)) as queue:
            oldest = queue.oldest()
    except (CloudPermanentError, CloudTransientError) as problem:
        missing = problem.vendor_code == "QueueNotExist"
        code = Code.QUEUE_MISSING if missing else Code.QUEUE_REFUSED
        return Finding(code, Level.ERROR, {**facts, "code": problem.vendor_code})
    if oldest is None:
        return Finding(Code.QUEUE_EMPTY, Level.OK, facts)
    age = round((clock.now() - oldest).total_seconds())
    old = age > OLD_SECONDS
    return Finding(
        Code.QUEUE_OLD if old else Code.QUEUE_OK, Level.WARNING if old else Level.OK, {**facts, "age": str(age)}
    )


def _events(client: Client, patient: Patient) -> Finding:
    try:
        missing = [item for item in plan(client, patient.keys, patient.queues) if item.deed is not Deed.KEEP]
    except (CloudPermanentError, CloudTransientError) as problem:
        return Finding(Code.EVENTS_UNKNOWN, Level.UNKNOWN, {"code": problem.vendor_code})
    if not missing:
        return Finding(Code.EVENTS_OK, Level.OK)
    named = ", ".join(f"{item.what} {item.name}" for item in missing)
    return Finding(Code.EVENTS_NOT_SET_UP, Level.ERROR, {"missing": named})


def _permissions(client: Client, patient: Patient, region: str) -> Iterator[Finding]:
    """Try what the rules' playbooks need, on any server of the region; nothing is changed."""
    wanted = {"servers", *patient.verbs}
    some = ""
    for permission in [*_needed(wanted), *([trail.PERMISSION] if patient.audit_trail else [])]:
        trial = _TRIALS.get(permission)
        facts = {"permission": permission, "region": region}
        if trial is None or (trial.needs_server and not some):
            yield Finding(Code.PERMISSION_UNKNOWN, Level.UNKNOWN, facts)
            continue
        query = {name: value.format(server=some) for name, value in trial.query.items()}
        try:
            reply = client.call(trial.version, permission.partition(":")[2], region, query, SECONDS)
        except (CloudPermanentError, CloudTransientError) as problem:
            yield _of_refusal(problem, facts)
            continue
        some = some or _first_server(reply)
        yield Finding(Code.PERMISSION_OK, Level.OK, facts)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A call that shows whether a permission is there and changes nothing."""

    version: str
    query: Mapping[str, str]
    needs_server: bool = False


_DRY = {"DryRun": "true", "InstanceId": "{server}"}
_TRIALS: Mapping[str, _Trial] = {
    "ecs:DescribeInstances": _Trial(ECS, {"PageSize": "1"}),
    "ecs:DescribeInstanceHistoryEvents": _Trial(ECS, {"MaxResults": "10"}),
    "ecs:DescribeInstancesFullStatus": _Trial(ECS, {"PageSize": "1"}),
    "slb:DescribeLoadBalancers": _Trial(SLB, {"PageSize": "1"}),
    trail.PERMISSION: _Trial(ACTIONTRAIL, {"MaxResults": "1"}),
    "ecs:StartInstance": _Trial(ECS, _DRY, needs_server=True),
    "ecs:RebootInstance": _Trial(ECS, _DRY, needs_server=True),
}


def _of_refusal(problem: CloudPermanentError | CloudTransientError, facts: Mapping[str, str]) -> Finding:
    """Read a refusal: who is not allowed is told so first, so any other refusal means that the call is allowed."""
    told = {**facts, "code": problem.vendor_code}
    if problem.vendor_code.startswith(_FORBIDDEN):
        return Finding(Code.PERMISSION_MISSING, Level.ERROR, told)
    if isinstance(problem, CloudPermanentError):
        return Finding(Code.PERMISSION_OK, Level.OK, facts)
    return Finding(Code.PERMISSION_UNKNOWN, Level.UNKNOWN, told)


def _needed(verbs: Iterable[str]) -> list[str]:
    """Return the permissions of verbs, reads first."""
    found = {one for verb in verbs for one in PERMISSIONS.get(verb, ())}
    return sorted(found, key=lambda one: (":Describe" not in one, one))


def _first_server(reply: Mapping[str, object]) -> str:
    listed = reply.get("Instances")
    servers = listed.get("Instance") if isinstance(listed, Mapping) else None
    return str(servers[0]["InstanceId"]) if isinstance(servers, list) and servers else ""
