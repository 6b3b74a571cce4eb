"""Brings a process back inside a server: waits until it can be asked for, asks once, and proves that it is there.

The restore command keeps a contract: it checks first, starts only what is absent, and ends with 0 only when the process
runs, so that running it again does no harm. A rule gives it whole (`command`, sent byte for byte and held to the same
contract), or in parts from which it is made (`check` and `start`, or a systemd `unit`). It is sent once in a run,
however many events tell of the trouble; that the cloud accepted it proves nothing: its exit code does, and then what
the rule asks for besides. Nothing is sent to a server that is not ready, and in the end people are told instead.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import ModuleType
from typing import ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.model.decision import Reason
from cloudheal.model.deed import Deed
from cloudheal.model.incident import FAILURE, Healed
from cloudheal.playbooks import (
    commanding,
    evidence,
    journal,
    leaving,
    ordering,
    probing,
    readiness,
    sight,
    starting,
)
from cloudheal.playbooks.commanding import Errand, Ran
from cloudheal.playbooks.journal import own_deeds
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE, LookOverError
from cloudheal.playbooks.probing import ProbeParameters, QuestionParameters
from cloudheal.playbooks.readiness import Ready
from cloudheal.playbooks.sight import EventSeen, event_json
from cloudheal.ports.cloud import Command, Shell
from cloudheal.settings.durations import Duration, duration_of

#: Modules that hold the steps of those who restore.
PARTS: tuple[ModuleType, ...] = (
    *(commanding, evidence, journal, leaving, ordering, probing, readiness, sight, starting),
    sys.modules[__name__],
)
#: The step that keeps since when a run waits.
WAITS = "waits"
#: Steps that give a server new time to become ready.
POWER = ("start ", "reboot ")
#: When nobody looked for so long (a pause, a question to a person), waiting begins anew.
GAP = timedelta(minutes=5)
#: Bytes of a command that both clouds take.
MOST_BYTES = 18_000
#: The exit code of a command made here when the process does not run after its start: `EX_UNAVAILABLE`.
ABSENT = 69
#: Refusals of a command that only say that the server is not ready after all; nothing was run.
NOT_YET = frozenset(
    {
        "InvalidInstance.NotMatch",
        "ResourceUnavailable.AgentStatusNotOnline",
        "ResourceUnavailable.InstanceStateNotRunning",
    }
)
#: What an operator can do about other refusals.
ADVICE: Mapping[str, str] = {
    "ResourceNotFound.RoleNotFound": "create the service role that lets the cloud run commands; `cloudheal check` "
    "names it",
    "ResourceUnavailable.AgentNotInstalled": "install the cloud's agent in the server",
    "InvalidParameter.InvalidUsername": "name a user that exists in the server",
    "InvalidParameterValue.InvalidUsername": "name a user that exists in the server",
    "InvalidParameterValue.InvalidWorkingDirectory": "name a directory that exists in the server",
}


#: What is done before and once a server is ready, for `playbooks show`.
READY = (
    "It waits until the server runs, its agent was heard of since the trouble began, and `reach` answers; for `limit`."
)
STEPS = (
    "It runs the restore command, once in a run, and reads its exit code and the end of its output.",
    "It runs `verify` and asks the `probe`, where the rule names them.",
    "It tells people where any of this does not go well.",
)


class CommandParameters(BaseModel):
    """How a process is brought back, and what proves it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    #: Whether a rule must say how.
    REQUIRED: ClassVar[bool] = True

    command: str = Field(
        "", description="The whole restore command, sent as it stands: it checks first and ends with 0 if all is well."
    )
    check: str = Field("", description="Ends with 0 when the process runs, such as `pgrep -x app`; belongs to `start`.")
    start: str = Field(
        "", description="Starts the process when the check fails; in the background with its output redirected."
    )
    unit: str = Field(
        "", pattern=r"^$|^\w[\w@.:-]*$", max_length=255, description="A systemd unit to start when it is not active."
    )
    restart: bool = Field(default=False, description="Restart the unit even when it is active.")
    appears: Duration = Field(duration_of("30s"), description="How long the process may take to run after its start.")
    shell: Shell = Field(Shell.SH, description="What the command is written for: `sh` or `powershell`.")
    user: str = Field("", max_length=64, description="Who runs it inside the server; empty: the agent's own user.")
    directory: str = Field("", max_length=255, description="Where it is run; empty: where the agent runs commands.")
    command_timeout: Duration = Field(duration_of("1m"), description="How long the command may take.")
    verify: str = Field("", description="A second command that must end with 0 afterwards; it only looks.")
    probe: ProbeParameters | None = Field(
        None, description="What the server must answer afterwards: `tcp` or `http`; absent: nothing."
    )

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if bool(self.check) != bool(self.start):
            raise ValueError("check and start belong together")
        ways = sum(self._ways())
        if ways > 1 or (self.REQUIRED and not ways):
            raise ValueError("say how the process is started: either command, or check and start, or unit")
        if self.restart and not self.unit:
            raise ValueError("restart belongs to unit")
        if self.shell is Shell.POWERSHELL and (self.check or self.unit):
            raise ValueError("check, start and unit are for sh; for powershell give the whole command")
        if len(self.text.encode()) > MOST_BYTES:
            raise ValueError(f"the command is longer than the {MOST_BYTES} bytes that clouds take")
        return self

    @property
    def says_how(self) -> bool:
        """True when there is anything to be run."""
        return any(self._ways())

    @property
    def text(self) -> str:
        """The restore command, byte for byte as it is sent."""
        if self.unit:
            begin = f"systemctl {'restart' if self.restart else 'start'} {self.unit}"
            return _made(f"systemctl is-active --quiet {self.unit}", begin, self.appears, anyway=self.restart)
        return _made(self.check, self.start, self.appears) if self.check else self.command

    def errand(self) -> Errand:
        """Return the command as it is run."""
        seconds = self.command_timeout + (timedelta() if self.command else self.appears)
        return Errand("command", self._command(self.text, seconds), helps=False)

    def proof(self) -> Errand:
        """Return the second command."""
        return Errand("verify", self._command(self.verify, self.command_timeout))

    def _ways(self) -> tuple[bool, ...]:
        """Return which ways to start a process the rule names."""
        return (bool(self.command), bool(self.check), bool(self.unit))

    def _command(self, text: str, limit: timedelta) -> Command:
        return Command(text, self.shell, round(limit.total_seconds()), self.user, self.directory)


class RestoreParameters(CommandParameters):
    """The same, with how long the server may take to be ready for it."""

    limit: Duration = Field(
        duration_of("10m"), description="How long the server may take to be ready; after that nothing is sent."
    )
    reach: QuestionParameters | None = Field(
        None, description="What must answer before the command is sent: `tcp` or `http`; absent: the agent is enough."
    )


class Power(Protocol):
    """What may be done to a server that is not ready."""

    def help(self, seen: Ready, waits_since: datetime, past: Sequence[Deed]) -> End | Refusal | None:
        """Help, or say why not; None: go on waiting. Raises LookOverError, SupersededError."""


def restore(case: Case, hands: Hands, power: Power | None = None) -> End | Refusal:
    """Bring a process back, as far as one look may."""
    try:
        return _Restoration(case, hands).look(power)
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)
    except LookOverError as over:
        return over.told


def proven(case: Case, hands: Hands, past: Sequence[Deed], at: datetime, told: Mapping[str, str]) -> End | Refusal:
    """Run the restore command, once, and prove what it did. Raises LookOverError, SupersededError."""
    wanted: CommandParameters = case.parameters
    ran = commanding.done(case, hands, wanted.errand(), past, at)
    told = {**told, **ran.told()}
    if not ran.went_well:
        return _failed(ran, told)
    if wanted.verify:
        verified = commanding.done(case, hands, wanted.proof(), past, at)
        told = {**told, "verified": verified.text}
        if not verified.went_well:
            return End(Healed.NOT_HEALED, "not_verified", {**told, "advice": f"verify: {verified.text}"})
    if wanted.probe is not None:
        probed = probing.ask(case, hands, wanted.probe, past, at)
        told = {**told, "probe": probed.told}
        if not probed.answers and not probed.is_over:
            return Refusal(Reason.UNDERWAY, after=PAUSE, evidence=told)
        if not probed.answers:
            return End(Healed.NOT_HEALED, "probe_failed", {**told, "advice": probed.told})
    return End(Healed.HEALED, "restored", told)


def waits_since(hands: Hands, past: Sequence[Deed], began: datetime) -> datetime:
    """Return since when a run waits without a gap and without having helped; kept for later looks.

    Raises SupersededError.
    """
    if not hands.note(WAITS, {"at": began.isoformat()}):
        raise SupersededError
    since = began
    for deed in reversed([one for one in past if one.name == WAITS]):
        if since - deed.at > GAP:
            break
        since = deed.at
    return max((since, *power_times(past)))


def begun_at(case: Case, hands: Hands) -> datetime:
    """Return when this look began."""
    return datetime.fromisoformat(hands.read("time", lambda: {"at": case.now().isoformat()}).value["at"])


def be_real(case: Case, hands: Hands, began: datetime, until: datetime) -> EventSeen | None:
    """See that a failure that a cloud told of by an id is none of a drill's, which is answered dryly only.

    An event that cannot be read is no answer: it is asked for again, and in the end a person. Raises LookOverError.
    """
    if case.trouble.kind != FAILURE:
        return None
    event = EventSeen.of(hands.read("event", lambda: event_json(case)))
    if event.problem and began < until:
        raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"problem": event.problem}))
    if event.problem and not case.approved:
        raise LookOverError(Refusal(Reason.UNKNOWN_STATE, evidence={"problem": event.problem}))
    if event.simulated and not event.drill:
        told = {"dry": "yes", "would": f"run a command on {case.resource.id}"}
        raise LookOverError(End(Healed.NOT_NEEDED, "simulated", told))
    return event


def not_ready(seen: Ready, until: datetime) -> Refusal | None:
    """Say how long to wait on for a server; None when the time is over. What was never read is for a person."""
    if seen.at < until:
        after = max(min(PAUSE, until - seen.at), timedelta(seconds=1))
        return Refusal(Reason.UNDERWAY, after=after, evidence=seen.told())
    return Refusal(Reason.UNKNOWN_STATE, evidence=seen.told()) if seen.state is None else None


def _failed(ran: Ran, told: Mapping[str, str]) -> End | Refusal:
    """Say what follows from a command that did not go well."""
    if not ran.id and ran.status in NOT_YET:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={**told, "refused": ran.status})
    code = ran.code if ran.id else ran.status
    return End(Healed.NOT_HEALED, code, {**told, "advice": ADVICE.get(ran.status, ran.text)})


class _Restoration:
    """The bringing back of one process, in one look."""

    def __init__(self, case: Case, hands: Hands) -> None:
        self._case = case
        self._hands = hands
        self._with: RestoreParameters = case.parameters

    def look(self, power: Power | None) -> End | Refusal:
        """Do as much as one look may."""
        past = own_deeds(self._case, self._hands)
        began = begun_at(self._case, self._hands)
        if commanding.is_sent(self._with.errand(), past):
            return proven(self._case, self._hands, past, began, _ready_told(past))
        since = waits_since(self._hands, past, began)
        heard_since = max(power_times(past), default=self._case.occurred)
        until = since + self._with.limit
        be_real(self._case, self._hands, began, until)
        seen = readiness.see(self._case, self._hands, "look", self._with.reach, heard_since, until)
        if seen.state == "":
            return End(Healed.NOT_NEEDED, Reason.GONE.value, seen.told())
        if seen.is_ready:
            return self._ready(seen, past)
        helped = power.help(seen, since, past) if power else None
        return helped or self._not_ready(seen, until)

    def _ready(self, seen: Ready, past: Sequence[Deed]) -> End | Refusal:
        waited = max(seen.at - self._case.occurred, timedelta())
        told = {**seen.told(), "ready_after": f"{round(waited.total_seconds())}s"}
        if not self._hands.note("ready", told):
            raise SupersededError
        return proven(self._case, self._hands, past, seen.at, told)

    def _not_ready(self, seen: Ready, until: datetime) -> End | Refusal:
        """Wait on; when the time is over people are told, and nothing was sent."""
        advice = f"not ready for a command: {', '.join(f'{name} {text}' for name, text in seen.told().items())}"
        return not_ready(seen, until) or End(Healed.NOT_HEALED, "not_ready", {**seen.told(), "advice": advice})


def power_times(past: Sequence[Deed]) -> list[datetime]:
    """Return when a server was started or rebooted, or may have been."""
    return [one.at for one in past if one.name.startswith(POWER) and one.may_have_happened]


def _ready_told(past: Sequence[Deed]) -> Mapping[str, str]:
    """Return how the server was when the command was sent."""
    kept = [one.before for one in past if one.name == "ready"]
    return {str(name): str(text) for name, text in kept[-1].items()} if kept else {}


def _made(check: str, start: str, appears: timedelta, *, anyway: bool = False) -> str:
    """Return a command that checks first, starts only what is absent, and waits until the check holds.

    Both parts stand in it as they were given, on lines of their own.
    """
    first = f"if\n{check}\nthen\necho 'cloudheal: it runs already'\nexit 0\nfi\n"
    return (
        f"{'' if anyway else first}{start}\n"
        f"cloudheal_left={round(appears.total_seconds())}\n"
        f"until\n{check}\ndo\n"
        'if [ "$cloudheal_left" -le 0 ]; then\n'
        f"echo 'cloudheal: it does not run after its start'\nexit {ABSENT}\nfi\n"
        "cloudheal_left=$((cloudheal_left - 1))\nsleep 1\ndone\n"
        "echo 'cloudheal: it was started and runs'\n"
    )
