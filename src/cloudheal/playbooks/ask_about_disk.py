"""Ask a person about a disk that hangs or is broken, with the evidence, and see it to its end.

No call of the cloud mends a disk; what helps (to take the server out of its balancers, to stop what writes, to replace
a local disk) depends on what is on it, and a mistake costs data. So it gathers the evidence, says which disk of which
server it is and what helps, and asks. It does nothing about the disk, whatever the answer is: an approval says that
somebody sees to it, and from then on it only waits for the end of the event. A denial ends it at once.

The cloud shows an event of a disk while it goes on, and forgets it then: that it is not shown any more is its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.model.decision import Reason
from cloudheal.model.incident import DISK, Healed
from cloudheal.playbooks import evidence, journal, leaving, sight
from cloudheal.settings.durations import Duration, duration_of

#: Until the next look, unless a message about the event comes first; longer once somebody has answered.
PAUSE, LONG_PAUSE = timedelta(minutes=1), timedelta(minutes=15)
#: A message may come before the cloud's list shows what it tells of.
UNLISTED = timedelta(minutes=5)
#: What helps, by type.
_ASIDE = "take the server out of its balancers and stop what writes to it until the event is over"
ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("Disk:Stalled", "Disk:SeverelyDegraded"), _ASIDE),
    "Disk:ErrorDetected": "stop using it; a local disk is replaced by the cloud, which announces that as maintenance "
    "of the server, and its data comes back from a copy",
}


class DiskParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(
        duration_of("7d"), description="How long after an approval the end of the event is waited for."
    )


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """What a look saw: the event, empty when the cloud does not show it, and the server, empty when there is none."""

    at: datetime
    type: str
    disk: str
    state: str

    @classmethod
    def of(cls, read: Outcome) -> Self:
        """Read a checkpoint back."""
        seen = read.value
        return cls(datetime.fromisoformat(seen["at"]), seen["type"], seen["disk"], seen["state"])

    def told(self) -> dict[str, str]:
        """Return it as evidence."""
        told = {"type": self.type, "disk": self.disk, "state": self.state}
        return {name: value for name, value in told.items() if value}


def ask_about_disk(case: Case, hands: Hands) -> End | Refusal:
    """Ask about one disk, and see its event to the end."""
    read = hands.read("look", lambda: _look(case))
    if not read.ok:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"problem": read.code or read.kind.value})
    seen = DiskSeen.of(read)
    if not seen.state:
        return End(Healed.NOT_NEEDED, Reason.GONE.value, seen.told())
    if not seen.type:
        is_new = seen.at < case.occurred + UNLISTED
        over = End(Healed.NOT_NEEDED, "event_executed", seen.told())
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence=seen.told()) if is_new else over
    if not evidence.gather(case, hands):
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    if not case.approved:
        return Refusal(Reason.ASK, evidence=seen.told(), question=_question(case, seen))
    return _seen_to(case, hands, seen)


def _seen_to(case: Case, hands: Hands, seen: DiskSeen) -> End | Refusal:
    """Wait for the end of the event, which somebody sees to."""
    since, limit = journal.approved_since(case, hands, seen.at), case.parameters.within
    if since is None:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    waits = Refusal(Reason.UNDERWAY, after=LONG_PAUSE, evidence=seen.told())
    return waits if seen.at < since + limit else End(Healed.UNKNOWN, "still_open", seen.told())


def _look(case: Case) -> dict[str, Any]:
    # The event first: what the server shows is then at least as new.
    event = case.system_events.disk_events(case.resource.region, [case.trouble.id]).get(case.trouble.id)
    server = sight.server_of(case)
    return {
        "at": case.now().isoformat(),
        "type": event.type if event else "",
        "disk": event.disk if event else "",
        "state": server.state if server else "",
    }


def _question(case: Case, seen: DiskSeen) -> str:
    advice = ADVICE.get(seen.type, "see the vendor's page about this type")
    return (
        f"{seen.type} ({case.trouble.id}) of the disk {seen.disk} of {case.resource.id}, which is {seen.state}. "
        f"Nothing is done about it by cloudheal. What helps: {advice}. Approve when you see to it."
    )


ASK_ABOUT_DISK = Playbook(
    name="ask_about_disk",
    troubles=(DISK,),
    parameters=DiskParameters,
    verbs=("servers", "disk_events", "health", "console"),
    reversible=True,
    run=ask_about_disk,
    summary="Gathers the evidence about a disk that hangs or is broken, asks a person, and does nothing about it by "
    "itself.",
    risk=Risk.LOW,
    promises=("Nothing was called that changes anything.", "The event was read by its id until it was over."),
    parts=(evidence, journal, sight),
)
