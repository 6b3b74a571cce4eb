"""Ask a person about a system event that nobody here answers by itself: redeployment, stops, disks, inquiries.

It gathers the evidence, says what is announced, until when, and which call of the cloud answers it, and asks. It does
nothing about the event itself, whatever the answer is: an approval says that somebody has dealt with it or leaves it to
the platform, and from then on it only waits for the end of the event and records that. A denial ends it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.model.decision import Reason
from cloudheal.model.incident import MAINTENANCE, Healed
from cloudheal.model.system_event import ENDINGS
from cloudheal.playbooks import evidence, journal, leaving, sight
from cloudheal.playbooks.sight import EventSeen, ServerSeen
from cloudheal.settings.durations import Duration, duration_of

#: Until the next look, unless a message about the event comes first; longer once somebody has answered.
PAUSE, LONG_PAUSE = timedelta(minutes=1), timedelta(minutes=15)
#: What a person can do about each type, as far as the vendor documents it.
ADVICE: Mapping[str, str] = {
    "SystemMaintenance.Reboot": "restart it by RebootInstance, or accept the event in the console",
    "SystemMaintenance.Stop": "stop and start it by StopInstance and StartInstance",
    "SystemMaintenance.Redeploy": "move it by RedeployInstance; local disks lose their data",
    "SystemFailure.Redeploy": "move it by RedeployInstance; local disks lose their data",
    "SystemMaintenance.RebootAndIsolateErrorDisk": "accept it by AcceptInquiredSystemEvent, then the disk is isolated",
    "SystemMaintenance.RebootAndReInitErrorDisk": "accept it by AcceptInquiredSystemEvent after the disk was replaced",
    "SystemMaintenance.IsolateErrorDisk": "accept it by AcceptInquiredSystemEvent, then the disk is isolated",
    "SystemMaintenance.ReInitErrorDisk": "accept it by AcceptInquiredSystemEvent after the disk was replaced",
}


class AskParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(
        duration_of("7d"), description="How long after an approval the end of the event is waited for."
    )


def ask_about_event(case: Case, hands: Hands) -> End | Refusal:
    """Ask about one system event, and see it to its end."""
    event, server = sight.look(case, hands, "look")
    if event.problem or server.problem:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"problem": event.problem or server.problem})
    told = {"event": event.status, "type": event.type, "state": server.state}
    if event.status in ENDINGS or not server.state:
        return End(*ENDINGS.get(event.status, (Healed.NOT_NEEDED, "gone")), told)
    if not evidence.gather(case, hands):
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    if not case.approved:
        return Refusal(Reason.ASK, evidence=told, question=_question(case, event, server))
    since, limit = journal.approved_since(case, hands, server.at), case.parameters.within
    if since is None:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    latest = max(event.not_before or since, since) + limit
    waits = Refusal(Reason.UNDERWAY, after=LONG_PAUSE, evidence=told)
    return waits if server.at < latest else End(Healed.UNKNOWN, "still_open", told)


def _question(case: Case, event: EventSeen, server: ServerSeen) -> str:
    until = f" for {event.not_before.isoformat(timespec='minutes')}" if event.not_before else ""
    drill = " It is a drill." if event.simulated else ""
    type_ = event.type.partition(":")[2]
    advice = ADVICE.get(type_, "see the vendor's page about this type")
    return (
        f"{type_} ({case.trouble.id}) of {case.resource.id}, which is {server.state}: {event.status}{until}.{drill} "
        f"Nothing is done about it by cloudheal. What answers it: {advice}. Approve when you have dealt with it, or "
        "leave it to the platform."
    )


ASK_ABOUT_EVENT = Playbook(
    name="ask_about_event",
    troubles=(MAINTENANCE,),
    parameters=AskParameters,
    verbs=("servers", "system_events", "health", "console"),
    reversible=True,
    run=ask_about_event,
    summary="Gathers the evidence about a system event, asks a person, and does nothing about it by itself.",
    risk=Risk.LOW,
    promises=("Nothing was called that changes anything.", "The end of the event was read by its id."),
    parts=(evidence, journal, sight),
)
