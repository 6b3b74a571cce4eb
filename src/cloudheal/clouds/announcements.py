"""What is the same on every cloud about listing what it plans or did: patience with a page, nothing left out unsaid.

A page is read again while the service stumbles. A reading that breaks off raises, and so does one with rows that cannot
be read: nobody may take half a list for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from cloudheal.clouds.moments import moment
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.event import Event
from cloudheal.model.system_event import FINAL, SystemEvent

#: Seconds between tries of one page.
PAUSES = (0.5, 1.0, 2.0)
_Reply = TypeVar("_Reply")


def patiently(call: Callable[[], _Reply], pause: Callable[[float], object]) -> _Reply:
    """Read one page, again while the service stumbles. Raises Cloud*Error in the end."""
    for seconds in PAUSES:
        try:
            return call()
        except CloudTransientError:
            pause(seconds)
    return call()


def readable(
    pages: Iterable[Iterable[Mapping[str, Any]]], read: Callable[[Mapping[str, Any]], Event | None]
) -> Iterator[Sequence[Event]]:
    """Yield the events of pages. Raises Cloud*Error, also in the middle, and in the end when some were unreadable."""
    unreadable = 0
    for page in pages:
        events = [read(one) for one in page]
        unreadable += events.count(None)
        yield [one for one in events if one is not None]
    if unreadable:
        raise CloudPermanentError(f"{unreadable} system events cannot be read", vendor_code="UnreadableEvent")


def named_event(event: Event) -> SystemEvent:
    """Return what an event says of the system event that it is about."""
    told = event.data
    return SystemEvent(
        id=told["event_id"],
        type=event.type,
        resource=event.subject,
        status=event.status,
        published=moment(told["published"]),
        not_before=moment(told["not_before"]),
        finished=event.time if event.status in FINAL else None,
        reason=told["reason"],
        impact=told["impact"],
        disk=told["disk_id"],
        simulated=event.simulated,
    )
