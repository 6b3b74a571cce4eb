"""Trigger: which events open which trouble. The clouds' own are built in; a playbook may bring more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble

#: The statuses of a fault and of the recovery from it, on a cloud that tells of both.
FAULT, RECOVERED = "1", "0"


@cache
def _only(trouble: str) -> Trouble:
    """Return a trouble of which a resource has one at a time; there are as many as there are triggers."""
    return Trouble(trouble)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Events of one type, with one of these statuses, open this trouble; no statuses: whatever the status is."""

    trouble: str
    type: str
    statuses: tuple[str, ...] = ()
    id_field: str = ""
    """The field of the event's data that tells two troubles of one resource apart, such as `event_id`."""
    fresh: timedelta | None = None
    """News that is older than this when it comes is history and opens nothing; None: it never is."""

    recoveries: tuple[str, ...] = ()
    """The statuses by which events of this type tell that the trouble is over; they open nothing."""
    measured: bool = False
    """A recovery is what the same measure shows that showed the fault: nothing that has not begun is needed after it.
    Elsewhere a recovery is a hint: a server that answers again need not do its work again."""

    def matches(self, event: Event) -> bool:
        """Say whether an event opens this trouble."""
        if event.type != self.type or (self.statuses and event.status not in self.statuses):
            return False
        return self.fresh is None or event.received - event.time <= self.fresh

    def opened_by(self, event: Event) -> Trouble:
        """Return the trouble that a matching event opens."""
        return Trouble(self.trouble, str(event.data.get(self.id_field) or "")) if self.id_field else _only(self.trouble)

    def __str__(self) -> str:
        return f"{self.type} ({', '.join(self.statuses)})" if self.statuses else self.type
