"""What is done about trouble inside a server: find out, keep what was found, mend what the rule allows, or tell people.

Finding out is one command that only reads and that runs to its end whatever tools are missing; what it printed is kept
as evidence, cut and masked, before anything else is done. Where the rule says how, a restore command follows, with the
contract that those have (see `restoring`). Else, and when the server cannot be asked, people get what was found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import ClassVar

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.decide.afresh import STOPPED
from cloudheal.model.decision import Reason
from cloudheal.model.deed import EVIDENCE, Deed
from cloudheal.model.incident import ALARM, FAILURE, Healed
from cloudheal.playbooks import commanding, evidence, leaving, readiness, restoring
from cloudheal.playbooks.commanding import Errand, Ran
from cloudheal.playbooks.journal import own_deeds
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import LookOverError
from cloudheal.playbooks.readiness import Ready
from cloudheal.playbooks.restoring import CommandParameters, begun_at, not_ready, power_times, proven, waits_since
from cloudheal.ports.cloud import Command
from cloudheal.settings.durations import Duration, duration_of

#: Characters of what a diagnosis printed that are kept as evidence, and of those that stand in the verdict.
MOST, MOST_TOLD = 16_000, 600
#: How long a diagnosis may take.
SECONDS = 60
#: What each of them may ask of a cloud.
VERBS = ("servers", "agents", "run_command", "command_result", "console", "system_events", "health")


class DiagnoseParameters(CommandParameters):
    """How long to try to ask the server; and how to mend it, where that is wanted."""

    REQUIRED: ClassVar[bool] = False

    limit: Duration = Field(
        duration_of("5m"), description="How long the server may take to be ready to be asked; then people are told."
    )


@dataclass(frozen=True, slots=True)
class Situation:
    """One kind of trouble inside a server: what to look at, and what people can do about it."""

    subject: str
    """What is looked at, in words."""
    looks: tuple[str, ...]
    """Shell commands that change nothing; each may fail."""
    advice: str
    mends: str = "It runs the command that the rule gives, once, and proves it."
    """What is done about it, in a sentence."""

    @property
    def script(self) -> str:
        """The command that looks at everything."""
        parts = (f"echo '== {number}'\n{{ {look}; }} 2>&1" for number, look in enumerate(self.looks, 1))
        return "\n".join(["export LC_ALL=C", *parts, "exit 0", ""])

    @property
    def errand(self) -> Errand:
        """The command as it is run."""
        return Errand("diagnose", Command(self.script, timeout=SECONDS), tail=MOST)


def see_to(case: Case, hands: Hands, situation: Situation) -> End | Refusal:
    """See to one server, as far as one look may."""
    try:
        return _Look(case, hands, situation).see_to()
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    except LookOverError as over:
        return over.told


class _Look:
    """One look at trouble inside a server."""

    def __init__(self, case: Case, hands: Hands, situation: Situation) -> None:
        self._case = case
        self._hands = hands
        self._situation = situation
        self._with: DiagnoseParameters = case.parameters

    def see_to(self) -> End | Refusal:
        """Find out, keep that, and mend or tell."""
        past = own_deeds(self._case, self._hands)
        began = begun_at(self._case, self._hands)
        until = waits_since(self._hands, past, began) + self._with.limit
        if not commanding.is_sent(self._with.errand(), past):
            restoring.be_real(self._case, self._hands, began, until)
        if not commanding.is_sent(self._situation.errand, past):
            self._be_ready("look", past, until)
        ran = commanding.done(self._case, self._hands, self._situation.errand, past, began)
        if not any(one.name == EVIDENCE for one in past):
            self._keep(ran)
        told = _told(ran)
        if not self._with.says_how:
            return self._left_to_people(told)
        if not commanding.is_sent(self._with.errand(), past):
            self._be_ready("look before mending", past, until)
        return proven(self._case, self._hands, past, began, told)

    def _be_ready(self, name: str, past: Sequence[Deed], until: datetime) -> Ready:
        """See the server ready for a command, just before one is sent. Raises LookOverError."""
        seen = readiness.see(
            self._case, self._hands, name, None, max(power_times(past), default=self._case.occurred), until
        )
        if seen.state == "":
            raise LookOverError(End(Healed.NOT_NEEDED, Reason.GONE.value, seen.told()))
        if not seen.is_ready:
            raise LookOverError(not_ready(seen, until) or self._cannot_be_asked(seen))
        return seen

    def _keep(self, ran: Ran) -> bool:
        found = {
            "diagnosis": {
                "looks": list(self._situation.looks),
                "ended": ran.code or "well",
                "printed": ran.output or ran.status,
            }
        }
        if not evidence.gather(self._case, self._hands, found):
            raise SupersededError
        return True

    def _cannot_be_asked(self, seen: Ready) -> End:
        """Tell people with what could be found without the server's help."""
        if not evidence.gather(self._case, self._hands):
            raise SupersededError
        how = "it is stopped" if seen.state == STOPPED else f"its agent is {seen.voice or 'not known'}"
        advice = f"{how}, so it could not be asked; {self._situation.advice}"
        return End(Healed.NOT_HEALED, "not_ready", {**seen.told(), "advice": advice})

    def _left_to_people(self, told: Mapping[str, str]) -> End:
        advice = f"{self._situation.advice}; cloudheal evidence {self._case.resource.id} shows what was found"
        return End(Healed.NOT_HEALED, "left_to_people", {**told, "advice": advice})


def _told(ran: Ran) -> dict[str, str]:
    printed = ran.output.strip()[-MOST_TOLD:]
    facts = {"diagnosis": ran.id, "printed": printed, "problem": "" if ran.went_well else ran.text[-MOST_TOLD:]}
    return {name: text for name, text in facts.items() if text}


def declared(
    *,
    name: str,
    run: Callable[[Case, Hands], End | Refusal],
    parameters: type[DiagnoseParameters],
    situation: Situation,
    summary: str,
    failures: bool = False,
    parts: Sequence[ModuleType] = (),
) -> Playbook:
    """Declare one of these playbooks; `failures`: it is for failures that a cloud tells of, too."""
    return Playbook(
        name=name,
        troubles=(ALARM, FAILURE) if failures else (ALARM,),
        parameters=parameters,
        verbs=VERBS,
        reversible=False,
        run=run,
        summary=summary,
        risk=Risk.MEDIUM,
        promises=(
            "What was found inside the server was kept as evidence before anything was changed.",
            "The command that mends was run once and ended with exit code 0.",
            "The second command and the probe went well, where the rule asks for them.",
        ),
        steps=(
            "It waits until the agent in the server was heard of since the trouble began; for `limit`.",
            f"It runs one command that only looks, at {situation.subject}.",
            "It keeps what was found as evidence.",
            situation.mends,
            "It tells people what was found where nothing mends it, or where that does not go well.",
        ),
        parts=(*restoring.PARTS, *parts, sys.modules[__name__]),
    )
