"""The public names for authors of playbooks and listeners; everything else of the product may move.

A playbook is a function from a `Case` and its `Hands` to an `End`, declared by a `Playbook`. `docs/en/howto/extend.md`
leads from an empty file to a tested one.
"""

from cloudheal.act.hands import Hands
from cloudheal.act.listening import BasicListener, EventDocument, Listeners
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.decision import Reason, reason_of
from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.model.trigger import Trigger
from cloudheal.ports.cloud import (
    Command,
    Group,
    Health,
    Made,
    Member,
    Order,
    Ordered,
    Place,
    Result,
    Server,
    Shell,
    Snapshot,
)
from cloudheal.ports.probes import Finding, Probes
from cloudheal.settings.durations import Duration, duration_of

__all__ = [
    "BasicListener",
    "Case",
    "CloudPermanentError",
    "CloudTransientError",
    "Command",
    "Duration",
    "End",
    "Event",
    "EventDocument",
    "Finding",
    "Group",
    "Hands",
    "Healed",
    "Health",
    "Kind",
    "Listeners",
    "Made",
    "Member",
    "Order",
    "Ordered",
    "Outcome",
    "Place",
    "PlannedParameters",
    "Playbook",
    "Probes",
    "Reason",
    "Refusal",
    "ResourceId",
    "Result",
    "Risk",
    "Server",
    "Shell",
    "Snapshot",
    "Trigger",
    "Trouble",
    "duration_of",
    "reason_of",
]
