"""What the clouds hand over at once, taken apart into messages: pushes with a list of events, and calls of a function.

A rule's target gets one event; EventBridge may push a list (`[...]`, or `{"EventList": [...]}` on Tencent Cloud), and a
timer's call holds no event at all. Nothing is judged here: what is no event becomes a dead letter further on. But a
list of more parts than events of its size could be is not taken apart: each part would be a letter of its own, and one
push would keep the database busy for minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cloudheal.clouds.tencent.events import BATCH

#: The platforms' own default when the context does not say (Function Compute; that of SCF is shorter, and said).
DEFAULT_SECONDS = 60.0
#: Bytes that an event has at least, and parts that a list may have however short they are.
LEAST_BYTES, FEW_PARTS = 128, 100
#: Where SCF tells how long a function may run.
_LIMIT = "time_limit_in_ms"
#: What a timer's call consists of: on Function Compute, and on SCF.
_TIMERS = (frozenset({"triggerTime", "triggerName"}), frozenset({"Type", "TriggerName", "Time"}))


def bodies_of(event: object) -> list[bytes]:
    """Return the messages in a function's event argument; none for a timer's call."""
    raw = _raw(event)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return [raw]
    if isinstance(document, dict) and any(document.keys() >= timer for timer in _TIMERS):
        return []
    return _parts(document, raw)


def parts_of(raw: bytes) -> list[bytes]:
    """Return the messages in a body that was pushed; one that is no list is a message itself."""
    if raw.lstrip()[:1] != b"[" and BATCH.encode() not in raw:
        return [raw]
    try:
        return _parts(json.loads(raw), raw) or [raw]
    except (ValueError, RecursionError):
        return [raw]


def limit_of(context: object) -> float:
    """Return how many seconds the function may run, as Function Compute or SCF tell."""
    seconds: object = getattr(getattr(context, "function", None), "timeout", None)
    if isinstance(seconds, int | float) and seconds > 0:
        return float(seconds)
    millis = context.get(_LIMIT) if isinstance(context, Mapping) else getattr(context, _LIMIT, None)
    return millis / 1000 if isinstance(millis, int | float) and millis > 0 else DEFAULT_SECONDS


def _parts(document: object, raw: bytes) -> list[bytes]:
    listed = document.get(BATCH) if isinstance(document, dict) else document
    if not isinstance(listed, list) or len(listed) > max(FEW_PARTS, len(raw) // LEAST_BYTES):
        return [raw]
    return [json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass") for one in listed]


def _raw(event: object) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode("utf-8", "surrogatepass")
    return json.dumps(event, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
