"""The second half of a decision: what a fresh look at a stopped server says, asked in a fixed order.

    readable? - still there? - still stopped? - unlocked? - not held? - not on purpose? - by accident?

The first that refuses names the decision. It is a pure function of what was seen, so that a look that is replayed after
a crash decides alike. Room is not asked here: a run that looks holds its grant already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloudheal.decide.walk import Walk
from cloudheal.model.decision import Reason, Station

RUNNING, STOPPED = "Running", "Stopped"
#: States that pass by themselves.
MOVING = frozenset(
    {
        *("Pending", "Starting", "Stopping"),
        *("EnterServiceLiveMigrate", "ServiceLiveMigrate", "ExitServiceLiveMigrate"),
    }
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a server, and what is known of why it stopped."""

    problem: str
    """The vendor's code when the server could not be read; empty when it could."""
    state: str
    """Empty when the cloud does not know the server."""
    locks: tuple[str, ...]
    accident: str
    """What says that it is to run; empty when nothing does."""
    purpose: str = ""
    """What says that it was stopped on purpose; empty when nothing does."""
    held: str = ""
    """The tag by which somebody holds it; empty when nobody does."""


def afresh(sight: Sight) -> Walk:
    """Ask every question in order until one refuses."""
    return Walk(tuple(_until_refused(sight)))


def _until_refused(sight: Sight) -> Iterator[Station]:
    for ask in QUESTIONS:
        station = ask(sight)
        yield station
        if station.reason is not None:
            return


def _readable(sight: Sight) -> Station:
    return Station("readable", Reason.UNKNOWN_STATE if sight.problem else None, sight.problem)


def _there(sight: Sight) -> Station:
    return Station("still there", None if sight.state else Reason.GONE, "")


def _stopped(sight: Sight) -> Station:
    if sight.state == STOPPED:
        return Station("still stopped", None, sight.state)
    known = {RUNNING: Reason.RECOVERED, **dict.fromkeys(MOVING, Reason.UNDERWAY)}
    return Station("still stopped", known.get(sight.state, Reason.UNKNOWN_STATE), sight.state)


def _unlocked(sight: Sight) -> Station:
    return Station("unlocked", Reason.LOCKED if sight.locks else None, ", ".join(sight.locks))


def _unheld(sight: Sight) -> Station:
    return Station("not held", Reason.HELD if sight.held else None, f"tag {sight.held}" if sight.held else "")


def _not_on_purpose(sight: Sight) -> Station:
    return Station("not on purpose", Reason.INTENDED if sight.purpose else None, sight.purpose)


def _accident(sight: Sight) -> Station:
    return Station("by accident", None if sight.accident else Reason.UNEXPLAINED, sight.accident)


#: The questions in the order of DESIGN section 3.
QUESTIONS: tuple[Callable[[Sight], Station], ...] = (
    _readable,
    _there,
    _stopped,
    _unlocked,
    _unheld,
    _not_on_purpose,
    _accident,
)
