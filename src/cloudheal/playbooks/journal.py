"""What a run goes by when it takes a reboot up again: its own deeds, and the reboots of other runs.

Two events about one server share one reboot. Whoever has taken the server on does the work; the others wait for what
that makes of their events. A reboot answers an event that was published by then, and no second one follows it for a
while, because the status of an event lags behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case
from cloudheal.model.deed import EVIDENCE, Deed
from cloudheal.playbooks.aftermath import Rebooted
from cloudheal.playbooks.sight import EventSeen

APPROVED = "approved"
REBOOT, FORCED, DRY = "reboot", "reboot by force", "dry reboot"
#: How far a cloud's time of publication and our time of a reboot may be apart.
SKEW = timedelta(seconds=30)
#: How long ago another run's reboot may be and still be looked at.
LONG_AGO = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Journal:
    """What was done in earlier looks, and by other runs."""

    deeds: tuple[Deed, ...]
    rebooted: Rebooted | None
    """Our own reboot, if we asked for one since a person last approved."""
    shared: Rebooted | None
    """Another run's newest reboot of this server."""
    claimant: str
    """The other run that is at work on this server; empty when there is none."""

    @classmethod
    def read(cls, case: Case, hands: Hands) -> Journal:
        """Read the journals."""

        def read() -> dict[str, Any]:
            theirs = case.memory.reboots_by_others(case.now() - LONG_AGO)[-1:]
            return {
                "mine": [_json(one) for one in case.memory.deeds()],
                "theirs": [_json(one) for one in theirs],
                "claimant": case.memory.claimant(),
            }

        seen = hands.read("journal", read).value
        mine = tuple(_deed(one) for one in seen["mine"])
        own = [one for one in mine if one.name.startswith(REBOOT) and one.may_have_happened]
        # What was tried before a person approved is settled by that.
        counts = own if case.attempts or not case.approved else []
        theirs = [Rebooted.of(_deed(one)) for one in seen["theirs"]]
        return cls(mine, Rebooted.of(counts[-1]) if counts else None, theirs[-1] if theirs else None, seen["claimant"])

    def may_answer(self, event: EventSeen) -> bool:
        """Say whether another run's reboot answers an event too: it must have been published by then."""
        return self.shared is not None and (event.published is None or event.published <= self.shared.at + SKEW)


def approved_since(case: Case, hands: Hands, now: datetime) -> datetime | None:
    """Return when a look of this run first saw that a person had approved, and keep that; None when it is not ours."""
    kept = [one.at for one in own_deeds(case, hands) if one.name == APPROVED]
    return kept[0] if kept else now if hands.note(APPROVED, {}) else None


def own_deeds(case: Case, hands: Hands) -> tuple[Deed, ...]:
    """Read what this run did in its earlier looks, where nobody else's deeds matter."""
    seen = hands.read("journal", lambda: {"mine": [_json(one) for one in case.memory.deeds()]}).value
    return tuple(_deed(one) for one in seen["mine"])


def _json(deed: Deed) -> dict[str, Any]:
    return {
        "run": deed.run,
        "look": deed.look,
        "name": deed.name,
        "at": deed.at.isoformat(),
        "outcome": deed.outcome,
        "code": deed.code,
        "request_id": deed.request_id,
        "before": {} if deed.name == EVIDENCE else dict(deed.before),
        "value": dict(deed.value),
    }


def _deed(document: Mapping[str, Any]) -> Deed:
    return Deed(**{**document, "at": datetime.fromisoformat(document["at"])})
