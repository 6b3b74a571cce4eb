"""Steps after a reboot was asked for: prove it, see the server well, put it back, and wait for what the event says.

That the API accepted the call proves nothing. A reboot is proven by a new time of start, by the server being seen or
told of as going down or coming up, or by the event being avoided. The event is asked for by its id; an answer that did
not come is not an answer, and is never taken for `Avoided`.

The six ends are told apart: avoided, overtaken (the platform did it), canceled, still scheduled, not to be read, and
the server gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case
from cloudheal.decide.afresh import MOVING
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.deed import Deed
from cloudheal.model.incident import Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.model.system_event import Cycle
from cloudheal.playbooks.ordering import PATIENCE
from cloudheal.playbooks.sight import UNWELL, EventSeen, health_of, server_of, tried_event_json
from cloudheal.ports.cloud import Group, Health, Place

_WENT = frozenset({"Stopping", "Starting"})
_PASSING = frozenset({Health.NORMAL, Health.UNCHECKED})
_UNREAD_CHECKS = "could not be read"


@dataclass(frozen=True, slots=True)
class Rebooted:
    """A reboot that was asked for: when, and how the server was before. Not certain: its answer was lost."""

    at: datetime
    started: str
    certain: bool
    forced: bool = False
    request_id: str = ""
    by: str = ""
    """The run that asked for it, where it was another one."""

    @classmethod
    def of(cls, deed: Deed) -> Self:
        """Read it from a journal."""
        forced = "force" in deed.name
        return cls(
            deed.at, str(deed.before.get("started", "")), deed.outcome == "ok", forced, deed.request_id, deed.run
        )


@dataclass(frozen=True, slots=True)
class After:
    """What was seen since; `state` is empty when there is no server any more, None when it could not be read."""

    at: datetime
    event: EventSeen
    state: str | None
    health: str
    proof: str
    """What shows that the server was rebooted; empty while nothing does."""

    @property
    def is_well(self) -> bool:
        """True when the server runs and nothing is said against its health."""
        return self.state == RUNNING and self.health not in UNWELL

    @property
    def is_over(self) -> bool:
        """True when the event will not change any more."""
        return self.event.status in ENDINGS

    @classmethod
    def of_json(cls, seen: Mapping[str, Any]) -> Self:
        """Read a checkpoint back."""
        event = EventSeen.of_json(seen["event"])
        return cls(datetime.fromisoformat(seen["at"]), event, seen["state"], seen["health"], seen["proof"])


#: What the end of an event means for whoever rebooted to avoid it.
ENDINGS: Mapping[str, tuple[Healed, str]] = {
    Cycle.AVOIDED.value: (Healed.HEALED, "avoided"),
    Cycle.EXECUTED.value: (Healed.NOT_HEALED, "overtaken"),
    Cycle.CANCELED.value: (Healed.NOT_NEEDED, "canceled"),
    Cycle.FAILED.value: (Healed.NOT_HEALED, "event_failed"),
}
STILL_SCHEDULED = (Healed.NOT_HEALED, "still_scheduled")
UNREAD = (Healed.UNKNOWN, "event_unread")


def ending_of(event: EventSeen, waited: timedelta, patience: timedelta, unread: timedelta) -> tuple[Healed, str] | None:
    """Say what an event came to, `waited` after the reboot; None while it is worth waiting for.

    One that cannot be read is waited for longer than one that is read as unchanged, because it may be over already.
    """
    if event.status in ENDINGS:
        return ENDINGS[event.status]
    if event.status == Cycle.EXECUTING or (event.problem and waited < patience + unread):
        return None
    if event.problem:
        return UNREAD
    return STILL_SCHEDULED if waited >= patience else None


def see_through(case: Case, hands: Hands, rebooted: Rebooted, limit: timedelta) -> After:
    """Wait for a while until the server is back; a reboot of ours is to be proven first."""
    name = "back by force" if rebooted.forced else "back"

    def is_back(after: After) -> bool:
        return after.is_well and bool(after.proof)

    return _watched(case, hands, rebooted, name, (limit, is_back))


def see_event(case: Case, hands: Hands, rebooted: Rebooted, limit: timedelta) -> After:
    """Wait for a while until the event is over."""
    return _watched(case, hands, rebooted, "event", (limit, lambda after: after.is_over))


def _watched(
    case: Case, hands: Hands, rebooted: Rebooted, name: str, until: tuple[timedelta, Callable[[After], bool]]
) -> After:
    """Look until something holds, for no longer than a look may wait and its time after the reboot lasts."""
    limit, holds = until

    def read() -> dict[str, Any]:
        looks: list[dict[str, Any]] = []

        def enough() -> bool:
            proof = looks[-1]["proof"] if looks else ""
            looks.append(_sample(case, rebooted, proof))
            after = After.of_json(looks[-1])
            return after.state == "" or holds(after)

        left = min(PATIENCE, rebooted.at + limit - case.now())
        case.wait(max(left, timedelta()).total_seconds(), enough)
        return looks[-1]

    return After.of_json(hands.read(name, read).value)


def _sample(case: Case, rebooted: Rebooted, proof: str) -> dict[str, Any]:
    """Look once; the event first, so that the server is at least as new. What cannot be read is no answer."""
    event = tried_event_json(case)
    try:
        server = server_of(case)
        state, started = (server.state, server.started) if server else ("", "")
    except (CloudPermanentError, CloudTransientError):
        state, started = None, ""
    told = [one for one in case.memory.states_told(rebooted.at) if one in _WENT]
    reasons = (
        (bool(started) and started != rebooted.started, f"started {started}, before {rebooted.started or 'unknown'}"),
        (state in MOVING, f"seen {state}"),
        (bool(told), f"told {', '.join(told)}"),
        (event["status"] == Cycle.AVOIDED, "the event is avoided"),
    )
    return {
        "at": case.now().isoformat(),
        "event": event,
        "state": state,
        "health": health_of(case) if state == RUNNING else "",
        "proof": proof or next((text for holds, text in reasons if holds), ""),
    }


def failed_checks(case: Case, hands: Hands, places: tuple[Place, ...]) -> str:
    """Wait for a while until no group that checks its members finds the server unhealthy; return those that still do.

    Empty: all is well, or there is none.
    """
    failing: list[str] = []

    def passes() -> bool:
        groups = case.balancers.named(case.resource.region, case.resource.id, places)
        failing[:] = [str(group.place) for group in groups if _is_unwell_in(group, case.resource.id)]
        return not failing

    def read() -> dict[str, str]:
        if case.wait(PATIENCE.total_seconds(), passes):
            return {"failing": ""}
        return {"failing": "; ".join(failing) or _UNREAD_CHECKS}

    if not places:
        return ""
    seen = hands.read("balancers' checks", read)
    return str(seen.value["failing"]) if seen.ok else _UNREAD_CHECKS


def _is_unwell_in(group: Group, server: str) -> bool:
    return any(one.weight > 0 and one.health not in _PASSING for one in group.of(server))
