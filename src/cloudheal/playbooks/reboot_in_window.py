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
from enum import StrEnum
from functools import partial

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.decide.afresh import MOVING, STOPPED
from cloudheal.model.decision import Reason
from cloudheal.model.deed import CLAIM, SHARED
from cloudheal.model.incident import MAINTENANCE, Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.model.system_event import ENDINGS, Cycle
from cloudheal.playbooks import aftermath, commanding, evidence, journal, leaving, ordering, preparing, probing, sight
from cloudheal.playbooks.aftermath import After, Rebooted
from cloudheal.playbooks.journal import DRY, FORCED, REBOOT, UNREAD, Journal
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE, TRIES, LookOverError, held_back
from cloudheal.playbooks.preparing import NotPreparedError, Preparation
from cloudheal.playbooks.probing import ProbeParameters
from cloudheal.playbooks.sight import EventSeen, ServerSeen, server_of
from cloudheal.ports.cloud import Command, Shell
from cloudheal.settings.durations import Duration, duration_of

#: How often a lock is looked at again.
LOCK_PAUSE = timedelta(minutes=15)
#: The only announced type that a reboot by its owner answers.
ANSWERED = "Instance:SystemMaintenance.Reboot"
#: Statuses of what the platform does or did by itself.
_PLATFORM = frozenset({Cycle.EXECUTING.value, Cycle.EXECUTED.value})


class Unprepared(StrEnum):
    """What follows when a preparation fails."""

    ABORT = "abort"
    CONTINUE = "continue"


class RebootParameters(PlannedParameters):
    """Parameters of the playbook."""

    snapshot: bool = Field(default=False, description="Copy every disk first, and wait for the copies.")
    snapshot_fresh: Duration = Field(duration_of("24h"), description="A copy younger than this will do.")
    snapshot_timeout: Duration = Field(duration_of("1h"), description="How long copying may take.")
    take_out: bool = Field(
        default=True, description="Give the server weight 0 in its balancers before, and put it back."
    )
    drain: Duration = Field(duration_of("30s"), description="Weight 0 for so long before the reboot.")
    remove_last: bool = Field(default=False, description="Drain even the last healthy server of a group.")
    command: str = Field("", description="Run inside the server before the reboot; it must end with exit code 0.")
    shell: Shell = Field(Shell.SH, description="What the command is written for: `sh` or `powershell`.")
    command_timeout: Duration = Field(duration_of("1m"), description="How long the command may take.")
    if_not_prepared: Unprepared = Field(
        Unprepared.ABORT, description="`abort`: no reboot, people are told; `continue`: reboot, with a warning."
    )
    reboot_timeout: Duration = Field(duration_of("10m"), description="How long the server may take to be back.")
    force: bool = Field(
        default=False, description="When it did not go down in that time: once more by force, which may lose data."
    )
    probe: ProbeParameters | None = Field(
        None,
        description="What the server must answer after it before it serves again: `tcp` or `http`; absent: nothing.",
    )
    healthy_timeout: Duration = Field(
        duration_of("5m"), description="How long the balancers' checks may take after it."
    )
    avoided_timeout: Duration = Field(duration_of("5m"), description="How long the event may take to be avoided.")
    unread_timeout: Duration = Field(duration_of("10m"), description="How much longer an event is asked for in vain.")
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


class _Answer:
    """The answer to one event, in one look. Whatever ends the look without a return raises LookOverError."""

    def __init__(self, case: Case, hands: Hands, past: Journal, ready: Preparation) -> None:
        self._case = case
        self._hands = hands
        self._past = past
        self._ready = ready
        self._with: RebootParameters = case.parameters

    # --- before the reboot -----------------------------------------------------------------------

    def begin(self, event: EventSeen, server: ServerSeen) -> End | Refusal:
        """Do everything, as far as one look may."""
        if event.problem or server.problem:
            return self._unread(server, event.problem or server.problem)
        if self._past.claimant or self._past.may_answer(event):
            return self._share(event, server)
        self._leave_it_to_the_platform(event, server)
        self._go_on_if_allowed(event, server)
        if not evidence.gather(self._case, self._hands):
            raise SupersededError
        if event.simulated and not event.drill:
            return self._rehearse(server)
        self._take_on(event, server)
        self._prepare()
        event, server = sight.look(self._case, self._hands, "just before")
        if event.problem or server.problem:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        self._go_on_if_allowed(event, server)
        if event.simulated and not event.drill:
            return self._with_all_put_back(End(Healed.NOT_NEEDED, "drill_over"))
        return self._reboot(server, forced=False)

    def _unread(self, server: ServerSeen, problem: str) -> Refusal:
        """Ask again: no answer means do not act. When that lasts, a person is asked."""
        if not self._hands.note(UNREAD, {"problem": problem}):
            raise SupersededError
        lasts = server.at - self._past.unread_since(server.at) >= self._with.unread_timeout
        if lasts and not self._case.approved:
            return Refusal(Reason.UNKNOWN_STATE, evidence={"problem": problem})
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"problem": problem})

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

    def _go_on_if_allowed(self, event: EventSeen, server: ServerSeen) -> None:
        """End the look when something is in the way; what was taken out goes back first, unless it only waits."""
        stop = _objection(event, server)
        if stop is None:
            return
        if isinstance(stop, End):
            raise LookOverError(self._with_all_put_back(stop))
        if stop.reason is Reason.LOCKED:
            self._ready.put_back()
        raise LookOverError(stop)

    def _with_all_put_back(self, end: End) -> End:
        if self._ready.put_back():
            return End(end.healed, end.code, {**end.evidence, **self._ready.told})
        return End(Healed.NOT_HEALED, "not_put_back", {**end.evidence, **self._ready.told, "because": end.code})

    def _rehearse(self, server: ServerSeen) -> End | Refusal:
        """Answer a simulated event: what would be done is journaled, and nothing is called (law 10)."""
        steps = {
            "copy its disks": self._with.snapshot,
            "take it out of its balancers": self._with.take_out,
            "run the command": bool(self._with.command),
            f"reboot {self._case.resource.id}": True,
        }
        would = ", ".join(text for text, wanted in steps.items() if wanted)
        before = {"dry": True, "would": would, "state": server.state}
        noted = self._hands.act_repeatable(DRY, before, lambda _: Outcome(Kind.OK), lambda _: True, helps=True)
        return held_back(noted) or End(Healed.NOT_NEEDED, "simulated", {"dry": "yes", "would": would})

    def _take_on(self, event: EventSeen, server: ServerSeen) -> None:
        """Take the server on, unless an earlier look did or another run has."""
        if any(one.name == CLAIM and one.outcome == Kind.OK for one in self._past.deeds):
            return
        claimed = self._hands.claim({"event": event.status, "state": server.state})
        if not claimed.ok:
            refusal = None if claimed.code == SHARED else held_back(claimed)
            raise LookOverError(refusal or Refusal(Reason.UNDERWAY, after=PAUSE))

    def _prepare(self) -> None:
        """Prepare as the rule says; what fails ends the run or is a warning, as the rule says too."""
        ready, wanted = self._ready, self._with
        seconds = round(wanted.command_timeout.total_seconds())
        steps = (
            (wanted.snapshot, partial(ready.copy_disks, wanted.snapshot_fresh, wanted.snapshot_timeout)),
            (wanted.take_out, partial(ready.leave_balancers, wanted.drain, remove_last=wanted.remove_last)),
            (bool(wanted.command), partial(ready.run_command, Command(wanted.command, wanted.shell, seconds))),
        )
        for is_wanted, step in steps:
            try:
                if is_wanted:
                    step()
            except NotPreparedError as failed:
                self._not_prepared(failed)

    def _not_prepared(self, failed: NotPreparedError) -> None:
        if self._with.if_not_prepared is Unprepared.ABORT:
            self._ready.put_back()
            told = {**self._ready.told, "seen": failed.detail}
            raise LookOverError(End(Healed.NOT_HEALED, failed.code, told)) from failed
        warnings = [self._ready.told.get("warnings", ""), f"{failed.code} {failed.detail}".strip()]
        self._ready.told["warnings"] = "; ".join(one for one in warnings if one)

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

        asked = Outcome(Kind.TRANSIENT)
        for attempt in range(1, TRIES + 1):
            asked = self._hands.act(f"{name} {attempt}", before, call, lambda _: _went(case, server))
            if asked.kind is not Kind.TRANSIENT:
                break
            self._hands.read(f"{name} {attempt} put off", partial(ordering.paused, case))
        return asked

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

    def _probe(self, after: After) -> None:
        """Wait until the server itself answers; one that does not stays out of its balancers."""
        ready = self._ready
        if self._with.probe is None:
            return
        probed = probing.ask(self._case, self._hands, self._with.probe, ready.deeds, after.at)
        ready.told["probe"] = probed.told
        if probed.answers:
            return
        if not probed.is_over:
            raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"probe": probed.told}))
        out = f"; not put back into its balancers: {ready.out}" if ready.out else ""
        told = {**ready.told, "still_out": ready.out, "event": after.event.status, "advice": f"{probed.told}{out}"}
        raise LookOverError(End(Healed.NOT_HEALED, "probe_failed", {name: text for name, text in told.items() if text}))

    def _put_back(self, after: After) -> None:
        """Put the server back into its balancers, and wait until their own checks find it healthy."""
        ready = self._ready
        places = (*ready.owed, *leaving.given_back(ready.deeds))
        since = min((one.at for one in ready.deeds if one.name.startswith("restore ")), default=after.at)
        if not ready.put_back():
            raise LookOverError(End(Healed.NOT_HEALED, "not_put_back", ready.told))
        if aftermath.passes_checks(self._case, self._hands, places):
            return
        if after.at - since < self._with.healthy_timeout:
            raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))
        raise LookOverError(End(Healed.NOT_HEALED, "unhealthy_in_balancer", ready.told))

    def _not_back(self, rebooted: Rebooted, after: After) -> End | Refusal:
        """End for a server that is not back, or was never away, when its time is over."""
        told = {**self._ready.told, "still_out": self._ready.out, "health": after.health}
        evidence_ = {name: text for name, text in told.items() if text}
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
    until = server.held_until - server.at if server.held_until else None
    started = {"event": event.status, "advice": "starting it answers the event too"}
    reasons: tuple[tuple[bool, End | Refusal], ...] = (
        (not server.state, End(Healed.NOT_NEEDED, "gone")),
        (event.status == Cycle.EXECUTING, End(Healed.NOT_HEALED, "overtaken", {"event": event.status})),
        (event.status != Cycle.SCHEDULED, End(*over, {"event": event.status})),
        (event.type != ANSWERED, End(Healed.NOT_HEALED, "not_answered_by_a_reboot", {"type": event.type})),
        (bool(server.locks), Refusal(Reason.LOCKED, next(iter(server.locks), ""), LOCK_PAUSE)),
        (bool(server.held), Refusal(Reason.HELD, after=until)),
        (server.state == STOPPED, End(Healed.NOT_NEEDED, "stopped", started)),
        (server.state != RUNNING, Refusal(Reason.UNDERWAY, after=PAUSE)),
    )
    return next((stop for holds, stop in reasons if holds), None)


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
    parts=(aftermath, commanding, evidence, journal, leaving, ordering, preparing, probing, sight),
)
