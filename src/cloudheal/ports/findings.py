"""What a look at an account found: whether `run` would work there, and if not, what exactly is missing.

Every finding has a code, the facts, and a level; the sentences and fixes stand in the catalogue of the face that shows
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; only `error` makes the check fail."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


class Code(StrEnum):
    """Everything that can be found; stable, because runbooks cite it."""

    ENDPOINT_OK = "endpoint.ok"
    ENDPOINT_UNREACHABLE = "endpoint.unreachable"
    CLOCK_OK = "clock.ok"
    CLOCK_SKEWED = "clock.skewed"
    KEY_OK = "key.ok"
    KEY_REFUSED = "key.refused"
    KEY_UNANSWERED = "key.unanswered"
    KEY_OTHER_ACCOUNT = "key.other_account"
    QUEUE_OK = "queue.ok"
    QUEUE_EMPTY = "queue.empty.ok"
    QUEUE_OLD = "queue.old"
    QUEUE_NONE = "queue.none"
    QUEUE_MISSING = "queue.missing"
    QUEUE_REFUSED = "queue.refused"
    TOPIC_MISSING = "topic.missing"
    TOPIC_REFUSED = "topic.refused"
    TOPIC_FAILED = "topic.failed"
    EVENTS_OK = "events.ok"
    EVENTS_NOT_SET_UP = "events.not_set_up"
    EVENTS_UNKNOWN = "events.unknown"
    PERMISSION_OK = "permission.ok"
    PERMISSION_MISSING = "permission.missing"
    PERMISSION_UNKNOWN = "permission.unknown"
    ROLE_MISSING = "role.missing"
    ROLE_OK = "role.ok"
    ROLE_REFUSED = "role.refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; its code is stable, because runbooks cite it."""

    code: Code
    level: Level
    facts: Mapping[str, str] = field(default_factory=dict)
