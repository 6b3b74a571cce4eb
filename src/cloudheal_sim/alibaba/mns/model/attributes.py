"""What can be set on a queue, with the documented ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The values a numeric attribute may have."""

    low: int
    high: int
    unit: str

    def holds(self, value: int) -> bool:
        """Say whether the value is allowed."""
        return self.low <= value <= self.high


#: By wire name. Older texts allow a retention of 1296000 s.
QUEUE_SPANS = {
    "VisibilityTimeout": Span(1, 43200, "seconds"),
    "MaximumMessageSize": Span(1024, 65536, "bytes"),
    "MessageRetentionPeriod": Span(60, 604800, "seconds"),
    "DelaySeconds": Span(0, 604800, "seconds"),
    "PollingWaitSeconds": Span(0, 30, "seconds"),
}


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """The settings of a queue; seconds and bytes."""

    visibility_timeout: int = 30
    maximum_message_size: int = 65536
    message_retention_period: int = 345600
    delay_seconds: int = 0
    polling_wait_seconds: int = 0
    logging_enabled: bool = False


def is_name(text: str) -> bool:
    """Say whether a queue, topic or subscription may be called that, leaving its length aside."""
    return _NAME.fullmatch(text) is not None
