"""Look after a server that failed without notice: wait until it is up again, prove it, and tell (S1.4).

The host or the guest failed and the cloud restarts the server by itself; there is nothing to schedule and nothing to
reboot. This playbook calls nothing that changes anything. It waits for the event to be over and the server to run in
good health, and ends with what it saw. A server that is not up in time is told to people; starting one that stayed
down is `restart_stopped`'s work.

While the event is not over a server that shows Running may be the one from before its restart, so that proves nothing.
It never waits in a thread: each look is one reading, and the next one comes in a minute or when a message tells more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.decision import Reason
from cloudheal.model.evidence import listed
from cloudheal.model.incident import FAILURE, Healed
from cloudheal.model.inventory import RUNNING, STOPPED
from cloudheal.model.system_event import FINAL, Cycle
from cloudheal.settings.durations import Duration, duration_of

#: Until the next look, unless a message about the event or the server comes first.
PAUSE = timedelta(minutes=1)
#: Words for a server that is not well yet; any other, such as NotApplicable, is no objection.
UNWELL = frozenset({"Impaired", "Initializing", "Maintaining"})


class CheckParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(
        duration_of("15m"), description="How long after the failure the server may take to be up; clouds say 10m."
    )


def check_after_failure(case: Case, hands: Hands) -> End | Refusal:
    """See one server through a failure."""
    seen = hands.read("look", lambda: _look(case))
    if not seen.ok:
        return _unread(case, hands, seen)
    told = {name: str(value) for name, value in seen.value.items() if value and name != "purpose"}
    if not seen.value["state"]:
        return _end_of_the_gone(seen, told)
    if _is_up(seen) and seen.value["event"] in FINAL:
        return End(Healed.HEALED, "running", told)
    if not _is_late(case, seen):
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence=told)
    return _end_of_the_late(seen, told)


def _unread(case: Case, hands: Hands, seen: Outcome) -> Refusal:
    """Look again where a cloud that stumbles may answer in time; a person is asked where it refused, or it is late."""
    late = hands.read("late", lambda: {"late": case.now() - case.occurred >= case.parameters.within}).value["late"]
    if seen.kind is Kind.TRANSIENT and not late:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"seen": seen.code})
    return Refusal(Reason.UNKNOWN_STATE, evidence={"seen": seen.code})


def _end_of_the_gone(seen: Outcome, told: Mapping[str, str]) -> End:
    """End for a server that does not exist any more: a failure that deletes is not over by being over."""
    if seen.value["type"].endswith(".Delete") and seen.value["event"] != Cycle.AVOIDED:
        return End(Healed.NOT_HEALED, "gone", {**told, "advice": "the cloud rolled the server back: order it again"})
    return End(Healed.NOT_NEEDED, "gone", told)


def _end_of_the_late(seen: Outcome, told: Mapping[str, str]) -> End:
    """End when the time is over."""
    if _is_up(seen) and seen.value["simulated"]:
        return End(Healed.NOT_NEEDED, "simulated", told)
    if _is_up(seen):
        # The list of events may never show this one; one that goes on for so long is a riddle for a person.
        over = seen.value["event"] == ""
        return End(Healed.HEALED, "running", told) if over else End(Healed.UNKNOWN, "event_not_over", told)
    if seen.value["state"] == STOPPED and seen.value.get("purpose"):
        return End(Healed.NOT_NEEDED, Reason.INTENDED.value, {**told, "on_purpose": seen.value["purpose"]})
    code = "unhealthy" if seen.value["state"] == RUNNING else "not_running"
    return End(
        Healed.NOT_HEALED, code, {**told, "advice": "look at its console; restart_stopped starts what is Stopped"}
    )


def _is_up(seen: Outcome) -> bool:
    return bool(seen.value["state"] == RUNNING and seen.value["health"] not in UNWELL)


def _is_late(case: Case, seen: Outcome) -> bool:
    limit: timedelta = case.parameters.within
    return datetime.fromisoformat(seen.value["at"]) - case.occurred >= limit


def _look(case: Case) -> dict[str, Any]:
    region, id_ = case.resource.region, case.resource.id
    # The event first: what the server shows is then at least as new as the end of the event.
    event = case.system_events.system_events(region, [case.trouble.id]).get(case.trouble.id)
    server = case.compute.servers(region, [id_]).get(id_)
    told = {
        "at": case.now().isoformat(),
        "event": event.status if event else "",
        "type": event.type if event else "",
        "simulated": "yes" if event and event.simulated else "",
        "state": server.state if server else "",
        "health": _health(case) if server else "",
        "started": server.started if server else "",
    }
    return {**told, "purpose": listed(case.intent(server).purpose) if server and server.state == STOPPED else ""}


def _health(case: Case) -> str:
    """Return the health; it adds to the state, and one that cannot be read is no objection."""
    try:
        return case.system_events.health(case.resource.region, [case.resource.id]).get(case.resource.id, "")
    except (CloudPermanentError, CloudTransientError):
        return ""


CHECK_AFTER_FAILURE = Playbook(
    name="check_after_failure",
    troubles=(FAILURE,),
    parameters=CheckParameters,
    verbs=("servers", "system_events", "health"),
    reversible=True,
    run=check_after_failure,
    summary="Sees a server through a failure that its cloud mends by itself: waits until it is up, and tells. Never "
    "reboots.",
    risk=Risk.LOW,
    promises=(
        "The server was read back as Running and healthy, and the cloud's event was over or is not to be found.",
        "Nothing was called that changes anything.",
    ),
)
