"""What every answer to an announced event shares: preparing a server before it, and its return into service after it.

Before: what cannot be read is asked for again, a server is taken on by one run at a time, and what a rule wants to be
prepared either holds the answer up or is a warning. After: a server that does not answer its probe stays out of its
balancers, one that does gets back exactly what was taken from it. A simulated event causes a dry step and nothing else.
Which call answers an event, and what proves that it did, is each playbook's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from pydantic import Field

from cloudheal.act.hands import Call, Hands, Settle
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.decide.afresh import STOPPED
from cloudheal.model.decision import Reason
from cloudheal.model.deed import CLAIM, SHARED, Deed
from cloudheal.model.incident import Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.playbooks import aftermath, leaving, ordering, probing
from cloudheal.playbooks.aftermath import After
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE, TRIES, LookOverError, held_back
from cloudheal.playbooks.preparing import SLOT_PASSED, NotPreparedError, Preparation
from cloudheal.playbooks.probing import ProbeParameters
from cloudheal.playbooks.sight import EventSeen, ServerSeen
from cloudheal.ports.cloud import Command, Shell
from cloudheal.settings.durations import Duration, duration_of

#: How often a lock is looked at again.
LOCK_PAUSE = timedelta(minutes=15)
#: The step that keeps since when something could not be read.
UNREAD = "unread"


class Unprepared(StrEnum):
    """What follows when a preparation fails."""

    ABORT = "abort"
    CONTINUE = "continue"


class AnswerParameters(PlannedParameters):
    """Parameters of every playbook that answers an announced event in its slot."""

    take_out: bool = Field(
        default=True, description="Give the server weight 0 in its balancers before, and put it back."
    )
    drain: Duration = Field(duration_of("30s"), description="Weight 0 for so long before anything else is done.")
    remove_last: bool = Field(default=False, description="Drain even the last healthy server of a group.")
    command: str = Field("", description="Run inside the server before; it must end with exit code 0.")
    shell: Shell = Field(Shell.SH, description="What the command is written for: `sh` or `powershell`.")
    command_timeout: Duration = Field(duration_of("1m"), description="How long the command may take.")
    if_not_prepared: Unprepared = Field(
        Unprepared.ABORT, description="`abort`: nothing is done, people are told; `continue`: done, with a warning."
    )
    probe: ProbeParameters | None = Field(
        None,
        description="What the server must answer after it before it serves again: `tcp` or `http`; absent: nothing.",
    )
    healthy_timeout: Duration = Field(
        duration_of("5m"), description="How long the balancers' checks may take after it."
    )
    unread_timeout: Duration = Field(duration_of("10m"), description="How much longer an event is asked for in vain.")


class Answering:
    """The answer to one event, in one look. Whatever ends the look without a return raises LookOverError."""

    def __init__(self, case: Case, hands: Hands, ready: Preparation) -> None:
        self._case = case
        self._hands = hands
        self._ready = ready
        self._wanted: AnswerParameters = case.parameters

    def _unread(self, server: ServerSeen, problem: str) -> Refusal:
        """Ask again: no answer means do not act. When that lasts, a person is asked."""
        if not self._hands.note(UNREAD, {"problem": problem}):
            raise SupersededError
        lasts = server.at - self._since(UNREAD, server.at) >= self._wanted.unread_timeout
        if lasts and not self._case.approved:
            question = f"Go on with {self._case.trouble}? It, or {self._case.resource.id}, could not be read: {problem}"
            return Refusal(Reason.UNKNOWN_STATE, evidence={"problem": problem}, question=question)
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"problem": problem})

    def _since(self, name: str, otherwise: datetime) -> datetime:
        """Return when an earlier look kept something for the first time."""
        return min((one.at for one in self._deeds if one.name == name), default=otherwise)

    @property
    def _deeds(self) -> Sequence[Deed]:
        return self._ready.deeds

    def _with_all_put_back(self, end: End) -> End:
        if self._ready.put_back():
            return End(end.healed, end.code, {**end.evidence, **self._ready.told})
        return End(Healed.NOT_HEALED, "not_put_back", {**end.evidence, **self._ready.told, "because": end.code})

    def _heed(self, stop: End | Refusal | None) -> None:
        """End the look when something is in the way; what was taken out goes back first, unless it only waits."""
        if stop is None:
            return
        if isinstance(stop, End):
            raise LookOverError(self._with_all_put_back(stop))
        if stop.reason is Reason.LOCKED:
            self._ready.put_back()
        raise LookOverError(stop)

    def _rehearse(self, name: str, server: ServerSeen, steps: Mapping[str, bool]) -> End | Refusal:
        """Answer a simulated event: what would be done is journaled, and nothing is called (law 10)."""
        would = ", ".join(text for text, wanted in steps.items() if wanted)
        before = {"dry": True, "would": would, "state": server.state}
        noted = self._hands.act_repeatable(name, before, lambda _: Outcome(Kind.OK), lambda _: True, helps=True)
        return held_back(noted) or End(Healed.NOT_NEEDED, "simulated", {"dry": "yes", "would": would})

    def _take_on(self, event: EventSeen, server: ServerSeen) -> None:
        """Take the server on, unless an earlier look did or another run has."""
        if any(one.name == CLAIM and one.outcome == Kind.OK for one in self._deeds):
            return
        claimed = self._hands.claim({"event": event.status, "state": server.state})
        if not claimed.ok:
            refusal = None if claimed.code == SHARED else held_back(claimed)
            raise LookOverError(refusal or Refusal(Reason.UNDERWAY, after=PAUSE))

    def _keep_to_its_slot(self) -> None:
        """Return to the plan where the slot passed while a guard objected; what was taken out goes back first."""
        if not self._case.slot_passed:
            return
        if not self._ready.put_back():
            raise LookOverError(End(Healed.NOT_HEALED, "not_put_back", self._ready.told))
        if not self._hands.note(SLOT_PASSED, self._ready.told):
            raise SupersededError
        raise LookOverError(Refusal(Reason.PLAN))

    def _prepare(self, first: Callable[[], object] | None = None) -> None:
        """Prepare as the rule says; what fails ends the run or is a warning, as the rule says too."""
        ready, wanted = self._ready, self._wanted
        seconds = round(wanted.command_timeout.total_seconds())
        steps = (
            first,
            partial(ready.leave_balancers, wanted.drain, remove_last=wanted.remove_last) if wanted.take_out else None,
            partial(ready.run_command, Command(wanted.command, wanted.shell, seconds)) if wanted.command else None,
        )
        for step in steps:
            try:
                if step is not None:
                    step()
            except NotPreparedError as failed:
                self._not_prepared(failed)

    def _not_prepared(self, failed: NotPreparedError) -> None:
        if self._wanted.if_not_prepared is Unprepared.ABORT:
            self._ready.put_back()
            told = {**self._ready.told, "seen": failed.detail}
            raise LookOverError(End(Healed.NOT_HEALED, failed.code, told)) from failed
        warnings = [self._ready.told.get("warnings", ""), f"{failed.code} {failed.detail}".strip()]
        self._ready.told["warnings"] = "; ".join(one for one in warnings if one)

    def _called(self, name: str, before: Mapping[str, Any], call: Call, settle: Settle) -> Outcome:
        """Make the call that answers; what the cloud put off before doing anything may be asked for again."""
        asked = Outcome(Kind.TRANSIENT)
        for attempt in range(1, TRIES + 1):
            asked = self._hands.act(f"{name} {attempt}", before, call, settle)
            if asked.kind is not Kind.TRANSIENT:
                break
            self._hands.read(f"{name} {attempt} put off", partial(ordering.paused, self._case))
        return asked

    # --- back into service -----------------------------------------------------------------------

    def _probe(self, after: After) -> None:
        """Wait until the server itself answers; one that does not stays out of its balancers."""
        ready = self._ready
        if self._wanted.probe is None:
            return
        probed = probing.ask(self._case, self._hands, self._wanted.probe, ready.deeds, after.at)
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
        failing = aftermath.failed_checks(self._case, self._hands, places)
        if not failing:
            return
        if after.at - since < self._wanted.healthy_timeout:
            raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))
        told = {**ready.told, "unhealthy_in": failing}
        raise LookOverError(End(Healed.NOT_HEALED, "unhealthy_in_balancer", told))

    def _still_out(self, **more: str) -> dict[str, str]:
        """Return the evidence of an end that leaves the server where it is."""
        told = {**self._ready.told, "still_out": self._ready.out, **more}
        return {name: text for name, text in told.items() if text}


def in_the_way(server: ServerSeen, stopped: End) -> End | Refusal | None:
    """Say what a server is waited for, or that it is `stopped`; None when it runs and nobody objects."""
    until = server.held_until - server.at if server.held_until else None
    reasons: tuple[tuple[bool, End | Refusal], ...] = (
        (bool(server.locks), Refusal(Reason.LOCKED, next(iter(server.locks), ""), LOCK_PAUSE)),
        (bool(server.held), Refusal(Reason.HELD, after=until)),
        (server.state == STOPPED, stopped),
        (server.state != RUNNING, Refusal(Reason.UNDERWAY, after=PAUSE)),
    )
    return next((stop for holds, stop in reasons if holds), None)
