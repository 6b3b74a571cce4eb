"""Authorise a planned repair of a server in its slot, see it to its end, and prove that the server serves again (S3.3).

Its run begins when its slot has come. Only a task that still waits to be authorised is authorised, once: server and
task are read just before, and a call whose answer was lost is settled by the task's own status. One that is under way
or over is only followed. What can cost data, what nobody here knows, what somebody authorised already and what the
cloud refuses is asked about, with the evidence; an answer to that never authorises what can cost data.

The server is out of its balancers while it is repaired, and gets back exactly what was taken from it when the task is
over, the server runs, its agent was heard of since, and it answers the probe that the rule asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.model.decision import Reason
from cloudheal.model.deed import Deed
from cloudheal.model.incident import MAINTENANCE, Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.model.system_event import ENDINGS, FINAL, Consent, Cycle
from cloudheal.playbooks import (
    aftermath,
    answering,
    commanding,
    evidence,
    journal,
    leaving,
    ordering,
    preparing,
    probing,
    readiness,
    sight,
    starting,
)
from cloudheal.playbooks.aftermath import After, Rebooted
from cloudheal.playbooks.answering import Answering, AnswerParameters, in_the_way
from cloudheal.playbooks.journal import own_deeds
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE, LookOverError, raise_if_held
from cloudheal.playbooks.preparing import Preparation
from cloudheal.playbooks.sight import EventSeen, ServerSeen
from cloudheal.settings.durations import Duration, duration_of

AUTHORISE, DRY = "authorise", "dry authorisation"
#: Steps that keep when a person was asked, when somebody else's repair was first seen, and when the task was over.
ASKED, UNDER_WAY, OVER = "asked", "under way", "over"
#: An authorised task that still waits after this was not begun: the cloud begins at once.
BEGINS = timedelta(minutes=10)
#: Until the next look once somebody has answered.
LONG_PAUSE = timedelta(minutes=15)
#: Why a task is not authorised, by what its owner may say to it.
_NOT_OURS: Mapping[str, str] = {
    Consent.NONE: "its cloud takes no authorisation for it",
    Consent.LOSSY: "authorising it may lose what is on its disks",
    Consent.UNCLEAR: "what authorising it does is not known here",
    Consent.GIVEN: "it was authorised already and begins at that time",
}
#: Verdicts on a task that was over after it was authorised here.
_ENDINGS: Mapping[str, tuple[Healed, str]] = {
    Cycle.EXECUTED.value: (Healed.HEALED, "repaired"),
    Cycle.AVOIDED.value: (Healed.NOT_NEEDED, "avoided"),
    Cycle.CANCELED.value: (Healed.NOT_NEEDED, "canceled"),
    Cycle.FAILED.value: ENDINGS[Cycle.FAILED],
}


class RepairParameters(AnswerParameters):
    """Parameters of the playbook."""

    agent: bool = Field(
        default=True, description="The agent in the server must be heard of after the repair; false where it has none."
    )
    repair_timeout: Duration = Field(duration_of("2h"), description="How long the repair may take.")
    back_timeout: Duration = Field(duration_of("10m"), description="How long the server may take to be back after it.")
    within: Duration = Field(
        duration_of("7d"), description="How long after an approval the end of a task that is not ours is waited for."
    )


def repair_task_in_window(case: Case, hands: Hands) -> End | Refusal:
    """See one server through one repair."""
    event, server = sight.look(case, hands, "look")
    ready = Preparation(case, hands, server.at, own_deeds(case, hands))
    answer = _Answer(case, hands, ready)
    try:
        return answer.look(event, server)
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED, ready.told)
    except LookOverError as over:
        return over.told


class _Answer(Answering):
    """The answer to one task, in one look. Whatever ends the look without a return raises LookOverError."""

    def __init__(self, case: Case, hands: Hands, ready: Preparation) -> None:
        super().__init__(case, hands, ready)
        self._with: RepairParameters = case.parameters

    def look(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        """Go on after an authorisation, or come to it."""
        given = self._given
        # A lost call of an earlier look is settled by now: a task that waits still was never authorised.
        if given is not None and (given.outcome == Kind.OK or not _waits(event)):
            return self._follow(Rebooted.of(given), ours=True)
        return self._begin(event, server)

    @property
    def _given(self) -> Deed | None:
        """Our newest authorisation that may have reached the cloud."""
        return next((one for one in reversed(self._tried) if one.may_have_happened), None)

    @property
    def _tried(self) -> list[Deed]:
        return [one for one in self._deeds if one.name.startswith(f"{AUTHORISE} ")]

    # --- before the authorisation ----------------------------------------------------------------

    def _begin(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        if event.problem or server.problem:
            return self._unread(server, event.problem or server.problem)
        if asks := self._check(event, server):
            return asks
        self._keep_to_its_slot()
        if not evidence.gather(self._case, self._hands):
            raise SupersededError
        if event.simulated and not event.drill:
            return self._rehearse(DRY, server, self._steps())
        self._take_on(event, server)
        self._prepare()
        event, server = sight.look(self._case, self._hands, "just before")
        if event.problem or server.problem:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        return self._check(event, server) or self._authorise(server)

    def _check(self, event: EventSeen, server: ServerSeen) -> End | Refusal | None:
        """Say what is to be done in place of authorising it; None when nothing is in the way."""
        told = {"event": event.status, "type": event.type}
        is_late = event.status == Cycle.EXECUTING or (event.status in FINAL and bool(self._ready.owed))
        if not server.state:
            return End(Healed.NOT_NEEDED, "gone", told)
        if is_late:
            return self._overtaken(server)
        if event.status in FINAL:
            return End(*ENDINGS[event.status], told)
        last = self._tried[-1] if self._tried else None
        if last is not None and last.outcome == Kind.PERMANENT and not self._case.approved:
            return self._ask_again(last.code, told)
        if not _waits(event):
            return self._ask(event, server)
        stopped = End(Healed.NOT_NEEDED, "stopped", {**told, "advice": "the platform repairs it in its own time"})
        self._heed(in_the_way(server, stopped))
        return None

    def _overtaken(self, server: ServerSeen) -> End | Refusal:
        """Follow what the platform, or somebody else, began; what was taken out goes back after it."""
        if not self._hands.note(UNDER_WAY, {"state": server.state}):
            raise SupersededError
        return self._follow(Rebooted(self._since(UNDER_WAY, server.at), server.started, certain=True), ours=False)

    def _ask(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        """Ask a person who deals with it; once somebody has said so, wait for its end."""
        told = {"event": event.status, "type": event.type, "state": server.state, "because": _NOT_OURS[event.consent]}
        if not evidence.gather(self._case, self._hands):
            raise SupersededError
        self._ready.put_back()
        if self._case.approved and any(one.name == ASKED for one in self._deeds):
            latest = max(event.not_before or self._case.occurred, self._case.occurred) + self._with.within
            if server.at >= latest:
                return End(Healed.UNKNOWN, "still_open", told)
            return Refusal(Reason.UNDERWAY, after=LONG_PAUSE, evidence=told)
        if not self._hands.note(ASKED, told):
            raise SupersededError
        return Refusal(Reason.ASK, evidence=told, question=_question(self._case, event, server))

    def _ask_again(self, code: str, told: Mapping[str, str]) -> Refusal:
        question = (
            f"The cloud refused to authorise {self._case.trouble.id} of {self._case.resource.id}: {code}. Nothing was "
            "done. Approve when the reason is gone, to have it authorised."
        )
        return Refusal(Reason.ASK, evidence={**told, "refused": code}, question=question)

    def _steps(self) -> dict[str, bool]:
        """Say what would be done."""
        return {
            "take it out of its balancers": self._with.take_out,
            "run the command": bool(self._with.command),
            f"authorise {self._case.trouble.id}": True,
        }

    # --- the authorisation -----------------------------------------------------------------------

    def _authorise(self, server: ServerSeen) -> End | Refusal:
        """Authorise the task; it begins at once."""
        case = self._case
        before: dict[str, Any] = {"task": case.trouble.id, "started": server.started, "state": server.state}

        def call(seconds: float) -> Outcome:
            place, task = case.resource, case.trouble.id
            return Outcome(Kind.OK, request_id=case.system_events.authorise(place.region, place.id, task, seconds))

        asked = self._called(AUTHORISE, before, call, lambda _: _taken(case))
        raise_if_held(asked)
        if asked.kind is Kind.TRANSIENT:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        if asked.kind is Kind.PERMANENT:
            self._ready.put_back()
            return self._ask_again(asked.code, {**self._ready.told, "request_id": asked.request_id})
        given = Rebooted(server.at, server.started, asked.ok, request_id=asked.request_id)
        return self._follow(given, ours=True)

    # --- after it --------------------------------------------------------------------------------

    def _follow(self, given: Rebooted, *, ours: bool) -> End | Refusal:
        """Wait until the task is over, and then until the server serves."""
        after = aftermath.see_event(self._case, self._hands, given, self._with.repair_timeout)
        told = {"request_id": given.request_id, "event": after.event.status, "problem": after.event.problem}
        self._ready.told |= {name: text for name, text in told.items() if text}
        if after.state == "":
            return End(Healed.NOT_NEEDED, "gone", self._ready.told)
        if after.is_over:
            return self._back(after, ours=ours)
        waited = after.at - given.at
        if given.certain and _waits(after.event) and waited >= BEGINS:
            return self._with_all_put_back(End(Healed.NOT_HEALED, "not_begun"))
        patience = self._with.repair_timeout + (self._with.unread_timeout if after.event.problem else timedelta())
        if waited < patience:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        if after.event.problem:
            return End(Healed.UNKNOWN, "event_unread", self._still_out())
        return End(Healed.NOT_HEALED, "still_under_repair", self._still_out(state=after.state or ""))

    def _back(self, after: After, *, ours: bool) -> End | Refusal:
        """See the server back, let it serve again, and say what the task came to."""
        since = self._over_since(after)
        until = since + self._with.back_timeout
        back = readiness.see(self._case, self._hands, "back", None, since, until)
        if back.state == "":
            return End(Healed.NOT_NEEDED, "gone", self._ready.told)
        if not back.is_ready and (self._with.agent or back.state != RUNNING):
            if back.at < until:
                return Refusal(Reason.UNDERWAY, after=PAUSE, evidence=back.told())
            healed = Healed.UNKNOWN if back.state is None else Healed.NOT_HEALED
            return End(healed, "not_back", self._still_out(**back.told()))
        self._ready.told |= back.told()
        self._probe(after)
        self._put_back(after)
        endings = {**_ENDINGS, **({} if ours else {Cycle.EXECUTED.value: (Healed.NOT_HEALED, "overtaken")})}
        return End(*endings[after.event.status], self._ready.told)

    def _over_since(self, after: After) -> datetime:
        """Return when the task was first seen to be over."""
        if not self._hands.note(OVER, {"event": after.event.status}):
            raise SupersededError
        return self._since(OVER, after.at)


def _waits(event: EventSeen) -> bool:
    """Say whether a task waits to be authorised, by which nothing is lost."""
    return event.status == Cycle.SCHEDULED and event.consent == Consent.OPEN


def _taken(case: Case) -> bool | None:
    """Settle an authorisation whose answer was lost: a task that waits still was not authorised."""
    seen = EventSeen.of_json(sight.event_json(case))
    return None if seen.problem else not _waits(seen)


def _question(case: Case, event: EventSeen, server: ServerSeen) -> str:
    until = f" for {event.not_before.isoformat(timespec='minutes')}" if event.not_before else ""
    return (
        f"{event.type.rpartition(':')[2]} ({case.trouble.id}) of {case.resource.id}, which is {server.state}: "
        f"{event.status}{until}. cloudheal does not authorise it: {_NOT_OURS[event.consent]}. Approve when you have "
        "dealt with it, or leave it to the platform."
    )


REPAIR_TASK_IN_WINDOW = Playbook(
    name="repair_task_in_window",
    troubles=(MAINTENANCE,),
    parameters=RepairParameters,
    verbs=(
        *("servers", "system_events", "health", "console", "agents", "run_command", "command_result"),
        *("memberships", "named", "members", "set_weights", "authorise"),
    ),
    reversible=False,
    run=repair_task_in_window,
    summary="Authorises a planned repair of a server in its slot, waits for its end, and proves that the server "
    "is back.",
    risk=Risk.HIGH,
    promises=(
        "The task was read by its id as ended, after one authorisation.",
        "The server was read as Running, and its agent was heard of since, unless the rule says that it has none.",
        "The server answered the probe, where the rule asks for one.",
        "The server has the weights in its balancers that it had before.",
    ),
    steps=(
        "It reads the task by its id and the server; only one that waits to be authorised is authorised.",
        "What may lose data, is not known here, was authorised already or is refused by the cloud is asked about.",
        "It gives the server weight 0 in its balancers and runs the command, as the rule says.",
        "It reads both once more and authorises the task, once; a lost answer is settled by the status of the task.",
        "It waits until the task is over, and until the server runs, its agent is heard of and the probe is answered.",
        "It puts back exactly the weights that it took.",
    ),
    planned=True,
    parts=(
        *(aftermath, answering, commanding, evidence, journal, leaving, ordering, preparing),
        *(probing, readiness, sight, starting),
    ),
)
