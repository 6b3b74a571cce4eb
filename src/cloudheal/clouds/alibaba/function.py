"""What Function Compute hands to a function: events as CloudMonitor, EventBridge and timers send them, and its limit.

The event argument is bytes. A rule's target gets one envelope, an EventBridge push may hold a list of events, and a
timer's call holds no event at all. Nothing is judged here: what is no event becomes a dead letter further on.
"""

from __future__ import annotations

import json

#: The platform's own default when the context does not say.
DEFAULT_SECONDS = 60.0
#: What a timer's call consists of.
_TIMER = frozenset({"triggerTime", "triggerName"})


def bodies_of(event: object) -> list[bytes]:
    """Return the messages in an event argument; none for a timer's call."""
    raw = _raw(event)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return [raw]
    if isinstance(document, dict) and document.keys() >= _TIMER:
        return []
    if isinstance(document, list):
        return [json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass") for one in document]
    return [raw]


def limit_of(context: object) -> float:
    """Return how many seconds the function may run."""
    seconds = getattr(getattr(context, "function", None), "timeout", None)
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else DEFAULT_SECONDS


def _raw(event: object) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode("utf-8", "surrogatepass")
    return json.dumps(event, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
