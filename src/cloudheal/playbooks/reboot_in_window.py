"""Answer an announced reboot ahead of time: prepare, reboot by the API, prove it, see the event avoided (S1.8-S1.13).

Its run begins when its slot has come. It keeps the evidence first, then takes the server on, so that two events about
one server share one reboot. It copies disks, leaves the balancers and runs a command as the rule says, and reads event
and server once more just before the call: only an event that is still Scheduled and a server that is Running and
unlocked are acted on, and a simulated event only ever dryly, unless a drill allows it. The reboot is one intent and is
never sent again blindly. What was taken out of balancers is put back as it was, unless the server did not come back
or does not answer the probe that the rule asks for.

What takes longer than a minute is waited for as a row: each look begins afresh and goes by the run's journal.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.decide.afresh import MOVING
from cloudheal.model.decision import Reason
from cloudheal.model.incident import MAINTENANCE, Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.model.system_event import ENDINGS, Cycle
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
    sight,
)
from cloudheal.playbooks.aftermath import After, Rebooted
from cloudheal.playbooks.answering import Answering, AnswerParameters, in_the_way
from cloudheal.playbooks.journal import DRY, FORCED, REBOOT, Journal
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE, LookOverError, held_back
from cloudheal.playbooks.preparing import Preparation
from cloudheal.playbooks.sight import EventSeen, ServerSeen, server_of
from cloudheal.settings.durations import Duration, duration_of

#: The only announced type that a reboot by its owner answers.
ANSWERED = "Instance:SystemMaintenance.Reboot"
#: Statuses of what the platform does or did by itself.
_PLATFORM = frozenset({Cycle.EXECUTING.value, Cycle.EXECUTED.value})


class RebootParameters(AnswerParameters):
    """Parameters of the playbook."""

    snapshot: bool = Field(default=False, description="Copy every disk first, and wait for the copies.")
    snapshot_fresh: Duration = Field(duration_of("24h"), description="A copy younger than this will do.")
    snapshot_timeout: Duration = Field(duration_of("1h"), description="How long copying may take.")
    reboot_timeout: Duration = Field(duration_of("10m"), description="How long the server may take to be back.")
    force: bool = Field(
        default=False, description="When it did not go down in that time: once more by force, which may lose data."
    )
    avoided_timeout: Duration = Field(duration_of("5m"), description="How long the event may take to be avoided.")
    settle: Duration = Field(duration_of("10m"), description="So long after another run's reboot none follows.")


def reboot_in_window(case: Case, hands: Hands) -> End | Refusal:
    """See one server through one announced reboot."""
    event, server = sight.look(case, hands, "look")
    past = Journal.read(case, hands)
    ready = Preparation(case, hands, server.at, past.deeds)
    answer = _Answer(case, hands, past, ready)
    try:
        if past.rebooted is not None:
            return answer.go_on(past.rebooted)
        return answer.begin(event, server)
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED, ready.told)
    except LookOverError as over:
        return over.told


class _Answer(Answering):
    """The answer to one event, in one look. Whatever ends the look without a return raises LookOverError."""

    def __init__(self, case: Case, hands: Hands, past: Journal, ready: Preparation) -> None:
        super().__init__(case, hands, ready)
        self._past = past
        self._with: RebootParameters = case.parameters

    # --- before the reboot -----------------------------------------------------------------------

    def begin(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        """Do everything, as far as one look may."""
        if event.problem or server.problem:
            return self._unread(server, event.problem or server.problem)
        if self._past.claimant or self._past.may_answer(event):
            return self._share(event, server)
        self._leave_it_to_the_platform(event, server)
        self._heed(_objection(event, server))
        self._keep_to_its_slot()
        if not evidence.gather(self._case, self._hands):
            raise SupersededError
        if event.simulated and not event.drill:
            return self._rehearse(DRY, server, self._steps())
        self._take_on(event, server)
        copies = partial(self._ready.copy_disks, self._with.snapshot_fresh, self._with.snapshot_timeout)
        self._prepare(copies if self._with.snapshot else None)
        event, server = sight.look(self._case, self._hands, "just before")
        if event.problem or server.problem:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        self._leave_it_to_the_platform(event, server)
        self._heed(_objection(event, server))
        if event.simulated and not event.drill:
            return self._with_all_put_back(End(Healed.NOT_NEEDED, "drill_over"))
        return self._reboot(server, forced=False)

    def _share(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        """Wait for what another run's reboot makes of this event; no second one follows."""
        shared = self._past.shared
        if shared is None or not self._past.may_answer(event):
            stop = _objection(event, server)
            return stop if isinstance(stop, End) else Refusal(Reason.UNDERWAY, after=PAUSE)
        patience = max(self._with.settle, self._with.avoided_timeout)
        waited = timedelta() if self._past.claimant else server.at - shared.at
        ending = aftermath.ending_of(event, waited, patience, self._with.unread_timeout)
        if not server.state:
            ending = (Healed.NOT_NEEDED, "gone")
        if ending is None:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        return End(*ending, {"event": event.status, "shared_with": shared.by})

    def _leave_it_to_the_platform(self, event: EventSeen, server: ServerSeen) -> None:
        """Where the platform was first, what was taken out goes back when the server has come through that."""
        if event.status in _PLATFORM and self._ready.owed and server.state:
            begun = min(event.not_before or server.at, server.at)
            raise LookOverError(self.go_on(Rebooted(begun, server.started, certain=True)))

    def _steps(self) -> dict[str, bool]:
        """Say what would be done."""
        return {
            "copy its disks": self._with.snapshot,
            "take it out of its balancers": self._with.take_out,
            "run the command": bool(self._with.command),
            f"reboot {self._case.resource.id}": True,
        }

    # --- the reboot ------------------------------------------------------------------------------

    def _reboot(self, server: ServerSeen, *, forced: bool) -> End | Refusal:
        """Ask for the reboot, once; what the cloud put off before doing anything may be asked for again."""
        asked = self._asked(server, FORCED if forced else REBOOT, forced=forced)
        if asked.kind is Kind.TRANSIENT:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        if asked.kind is Kind.PERMANENT:
            return self._with_all_put_back(End(Healed.NOT_HEALED, asked.code, {"request_id": asked.request_id}))
        refusal = held_back(asked)
        if refusal is not None:
            return refusal
        return self.go_on(Rebooted(server.at, server.started, asked.ok, forced, asked.request_id))

    def _asked(self, server: ServerSeen, name: str, *, forced: bool) -> Outcome:
        case = self._case
        before = {"started": server.started, "state": server.state, "at": server.at.isoformat()}

        def call(seconds: float) -> Outcome:
            request = case.compute.reboot(case.resource.region, case.resource.id, seconds, force=forced)
            return Outcome(Kind.OK, request_id=request)

        return self._called(name, before, call, lambda _: _went(case, server))

    # --- after it --------------------------------------------------------------------------------

    def go_on(self, rebooted: Rebooted) -> End | Refusal:
        """Go on after a reboot was asked for."""
        after = aftermath.see_through(self._case, self._hands, rebooted, self._with.reboot_timeout)
        told = {"request_id": rebooted.request_id, "proof": after.proof, "state": after.state or ""}
        self._ready.told |= {key: text for key, text in told.items() if text}
        if after.state == "":
            return End(Healed.NOT_NEEDED, "gone", self._ready.told)
        if after.is_well and (after.proof or after.is_over):
            self._probe(after)
            self._put_back(after)
            over = aftermath.see_event(self._case, self._hands, rebooted, self._with.avoided_timeout)
            return self._ended(over, rebooted)
        if after.at - rebooted.at < self._with.reboot_timeout:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        return self._not_back(rebooted, after)

    def _not_back(self, rebooted: Rebooted, after: After) -> End | Refusal:
        """End for a server that is not back, or was never away, when its time is over."""
        evidence_ = self._still_out(health=after.health)
        if after.state is None:
            return End(Healed.UNKNOWN, "server_unread", evidence_)
        if after.state != RUNNING:
            return End(Healed.NOT_HEALED, "not_running", evidence_)
        if after.proof:
            return End(Healed.NOT_HEALED, "unhealthy", evidence_)
        return self._not_away(rebooted, after)

    def _not_away(self, rebooted: Rebooted, after: After) -> End | Refusal:
        """End for a server that nothing shows to have been rebooted."""
        if self._with.force and rebooted.certain and not rebooted.forced and after.event.status == Cycle.SCHEDULED:
            event, server = sight.look(self._case, self._hands, "before force")
            may = not event.problem and (event.drill or not event.simulated)
            if may and server.state == RUNNING and not server.locks and not server.held:
                return self._reboot(server, forced=True)
        if rebooted.certain:
            return self._with_all_put_back(End(Healed.NOT_HEALED, "not_rebooted"))
        self._ready.put_back()
        question = (
            f"Was {self._case.resource.id} rebooted? The answer to the call was lost and nothing shows it. Approve to "
            "have it rebooted."
        )
        return Refusal(Reason.UNKNOWN_STATE, evidence=self._ready.told, question=question)

    def _ended(self, after: After, rebooted: Rebooted) -> End | Refusal:
        """Say what the event came to, or wait on."""
        waited, patience = after.at - rebooted.at, self._with.avoided_timeout
        ending = aftermath.ending_of(after.event, waited, patience, self._with.unread_timeout)
        if after.state == "":
            ending = (Healed.NOT_NEEDED, "gone")
        if ending is None:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        seen = {"event": after.event.status} if after.event.status else {"problem": after.event.problem}
        return End(*ending, {**self._ready.told, **seen})


def _objection(event: EventSeen, server: ServerSeen) -> End | Refusal | None:
    """Say why this server must not be rebooted now; None when nothing is in the way."""
    over = ENDINGS.get(event.status, (Healed.NOT_HEALED, "not_scheduled"))
    started = {"event": event.status, "advice": "starting it answers the event too"}
    reasons: tuple[tuple[bool, End | Refusal], ...] = (
        (not server.state, End(Healed.NOT_NEEDED, "gone")),
        (event.status == Cycle.EXECUTING, End(Healed.NOT_HEALED, "overtaken", {"event": event.status})),
        (event.status != Cycle.SCHEDULED, End(*over, {"event": event.status})),
        (event.type != ANSWERED, End(Healed.NOT_HEALED, "not_answered_by_a_reboot", {"type": event.type})),
    )
    stop = next((stop for holds, stop in reasons if holds), None)
    return stop or in_the_way(server, End(Healed.NOT_NEEDED, "stopped", started))


def _went(case: Case, before: ServerSeen) -> bool | None:
    """Settle a reboot whose answer was lost: only what shows that it took place settles it."""
    server = server_of(case)
    if server is not None and (server.state in MOVING or (server.started and server.started != before.started)):
        return True
    return True if sight.event_json(case)["status"] == Cycle.AVOIDED else None


REBOOT_IN_WINDOW = Playbook(
    name="reboot_in_window",
    troubles=(MAINTENANCE,),
    parameters=RebootParameters,
    verbs=(
        *("servers", "system_events", "health", "console", "disks", "snapshots", "snapshot"),
        *("run_command", "command_result", "memberships", "named", "members", "set_weights", "reboot"),
    ),
    reversible=False,
    run=reboot_in_window,
    summary="Answers an announced reboot of a server ahead of time, in its planned slot, and proves it.",
    risk=Risk.HIGH,
    promises=(
        "The event was read by its id as Avoided.",
        "The server was proven to have been rebooted and was read as Running and healthy, unless another run did that.",
        "The server answered the probe, where the rule asks for one, unless another run rebooted it.",
        "The server has the weights in its balancers that it had before.",
    ),
    planned=True,
    parts=(aftermath, answering, commanding, evidence, journal, leaving, ordering, preparing, probing, sight),
)
