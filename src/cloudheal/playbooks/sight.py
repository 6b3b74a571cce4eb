"""What a look at planned maintenance sees: the system event by its id, and its server.

Both are read afresh and apart from each other, because an event that cannot be read says nothing about the server. A
part that could not be read carries the reason; nobody may take that for a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Outcome
from cloudheal.act.playbook import Case
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.drill import Allowance
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.ports.cloud import Server

#: Words for a server that is not well yet. `Warning` only says that an event is announced.
UNWELL = frozenset({"Impaired", "Initializing", "Maintaining"})
#: Said of an event that the cloud answered about and did not show.
NOT_SHOWN = "event_not_shown"


@dataclass(frozen=True, slots=True)
class EventSeen:
    """A system event as it was just read; `problem` says why there is no status."""

    status: str = ""
    problem: str = ""
    type: str = ""
    simulated: bool = False
    drill: bool = False
    """A drill allows real actions for it."""
    published: datetime | None = None
    not_before: datetime | None = None
    consent: str = ""

    @classmethod
    def of(cls, read: Outcome) -> Self:
        """Read what a step saw."""
        if not read.ok:
            return cls(problem=read.code or read.kind.value)
        return cls.of_json(read.value)

    @classmethod
    def of_json(cls, seen: Mapping[str, Any]) -> Self:
        """Read a checkpoint back."""
        plain = ("status", "problem", "type", "simulated", "drill", "consent")
        facts: dict[str, Any] = {name: seen[name] for name in plain}
        for name in ("published", "not_before"):
            facts[name] = datetime.fromisoformat(seen[name]) if seen[name] else None
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A server as it was just read; without a state there is none, unless `problem` says that it was not read."""

    at: datetime
    state: str = ""
    problem: str = ""
    locks: tuple[str, ...] = ()
    started: str = ""
    held: str = ""
    held_until: datetime | None = None

    @classmethod
    def of(cls, read: Outcome, otherwise: datetime) -> Self:
        """Read what a step saw; `otherwise` is when, if it saw nothing."""
        if not read.ok:
            return cls(otherwise, problem=read.code or read.kind.value)
        seen = read.value
        until = datetime.fromisoformat(seen["held_until"]) if seen["held_until"] else None
        at = datetime.fromisoformat(seen["at"])
        return cls(at, seen["state"], "", tuple(seen["locks"]), seen["started"], seen["held"], until)


def look(case: Case, hands: Hands, name: str) -> tuple[EventSeen, ServerSeen]:
    """Read both, the event first: what the server shows is then at least as new."""
    event = hands.read(f"{name}: event", lambda: event_json(case))
    server = hands.read(f"{name}: server", lambda: server_json(case))
    at = hands.read(f"{name}: time", lambda: {"at": case.now().isoformat()})
    return EventSeen.of(event), ServerSeen.of(server, datetime.fromisoformat(at.value["at"]))


def event_json(case: Case) -> dict[str, Any]:
    """Read the event of a case. Raises Cloud*Error."""
    found = case.system_events.system_events(case.resource.region, [case.trouble.id]).get(case.trouble.id)
    if found is None or _is_of_another(found, case.resource):
        return _without_status(NOT_SHOWN)
    allowed = case.allowance(found)
    return {
        "status": found.status,
        "problem": "",
        "type": found.type,
        # An event that a drill of ours asked for is simulated, whatever words the cloud finds for its reason.
        "simulated": found.simulated or allowed is not Allowance.NONE,
        "drill": allowed is Allowance.REAL,
        "published": found.published.isoformat() if found.published else "",
        "not_before": found.not_before.isoformat() if found.not_before else "",
        "consent": found.consent,
    }


def tried_event_json(case: Case) -> dict[str, Any]:
    """Read the event of a case; one that cannot be read has a problem instead of a status."""
    try:
        return event_json(case)
    except (CloudPermanentError, CloudTransientError) as problem:
        return _without_status(problem.vendor_code or type(problem).__name__)


def server_of(case: Case) -> Server | None:
    """Read the server of a case; None when there is none. Raises Cloud*Error."""
    return case.compute.servers(case.resource.region, [case.resource.id]).get(case.resource.id)


def health_of(case: Case, server: str = "") -> str:
    """Read the health of the case's server, or of another. It adds to the state; unreadable is no objection."""
    wanted = server or case.resource.id
    try:
        return case.system_events.health(case.resource.region, [wanted]).get(wanted, "")
    except (CloudPermanentError, CloudTransientError):
        return ""


def server_json(case: Case) -> dict[str, Any]:
    """Read the server of a case, with who holds it. Raises Cloud*Error."""
    server = server_of(case)
    if server is None:
        return {
            "at": case.now().isoformat(),
            "state": "",
            "locks": [],
            "started": "",
            "held": "",
            "held_until": "",
        }
    will = case.intent(server)
    return {
        "at": case.now().isoformat(),
        "state": server.state,
        "locks": list(server.locks),
        "started": server.started,
        "held": will.held,
        "held_until": will.held_until.isoformat() if will.held_until else "",
    }


def _is_of_another(event: SystemEvent, resource: ResourceId) -> bool:
    """Say whether a message named an event that the cloud shows for another server."""
    return event.resource.kind == resource.kind and event.resource.id != resource.id


def _without_status(problem: str) -> dict[str, Any]:
    blank = dict.fromkeys(("status", "type", "published", "not_before", "consent"), "")
    return {**blank, "simulated": False, "drill": False, "problem": problem}
