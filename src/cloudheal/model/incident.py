"""One trouble of one resource and what was done about it: trouble, run, the kinds of steps, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cloudheal.model.resource import Cloud, ResourceId


class Mode(StrEnum):
    """How far a rule is trusted."""

    SHADOW = "shadow"
    ASK = "ask"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: `stopped`, `interruption` or `unreachable`, or, with an id, one of those below."""

    kind: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind


#: The trouble of a resource that its cloud is about to take away; it goes before every other trouble.
INTERRUPTION = "interruption"
#: What a cloud has planned for a resource, by the id of its event; it can be answered ahead of time.
MAINTENANCE = "maintenance"
#: What befell a resource or its host without notice, by the id of the cloud's event; all that is left is to look.
FAILURE = "failure"
#: What befalls a disk, by the id of the cloud's event; it is the trouble of the server that the disk is attached to.
DISK = "disk"
#: Troubles that are a system event's, by its id.
OF_EVENTS = frozenset({MAINTENANCE, FAILURE, DISK})
#: Troubles that are over when their event is: nothing else is left to see to.
OVER_WITH_EVENT = frozenset({MAINTENANCE, DISK})
#: A server that does not answer: from outside, or its agent to its cloud.
UNREACHABLE = "unreachable"
#: What a monitor says is wrong inside a server, by the name of the situation or the id of the alarm.
ALARM = "alarm"
#: What each cloud leaves between the notice and the end of a spot server.
RECLAIM_NOTICE: Mapping[Cloud, timedelta] = {Cloud.ALIBABA: timedelta(minutes=5), Cloud.TENCENT: timedelta(minutes=2)}


def deadline_of(resource: ResourceId, trouble: Trouble, occurred: datetime) -> datetime | None:
    """Return when acting on a trouble has become pointless; None when it never does."""
    return occurred + RECLAIM_NOTICE[resource.cloud] if trouble.kind == INTERRUPTION else None


class RunState(StrEnum):
    """Where a run stands."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    ASKING = "asking"
    PLANNED = "planned"
    PARKED = "parked"
    ENDED = "ended"


class Parked(StrEnum):
    """Why a run was put aside for a person."""

    PLAYBOOK_CHANGED = "playbook_changed"
    POISONOUS = "poisonous"
    """It was at work in several processes when they died."""
    ENGINE_FAILED = "engine_failed"
    RESTORED = "restored"
    """It came out of a backup."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to heal an incident with one playbook; `look` counts how often it was taken up again."""

    id: str
    incident: str
    rule: str
    playbook: str
    playbook_digest: str
    mode: Mode
    state: RunState
    attempt: int = 0
    look: int = 0
    next_eligible: datetime | None = None


class StepKind(StrEnum):
    """What a step does; only `act` and `help` touch the world."""

    READ = "read"
    """Something that was seen and is kept."""
    ACT = "act"
    """An attempt at healing."""
    HELP = "help"
    """A change beside it, to prepare or to tidy up: it may be repeated, and is no attempt."""


class Healed(StrEnum):
    """The four ends of an incident."""

    HEALED = "healed"
    NOT_HEALED = "not healed"
    NOT_NEEDED = "not needed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of an incident and what proves it."""

    incident: str
    healed: Healed
    at: datetime
    evidence: Mapping[str, str] = field(default_factory=dict)
