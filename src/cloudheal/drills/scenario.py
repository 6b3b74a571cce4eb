"""What a scenario file may hold: on which servers, what is caused, what must follow, in this order and within limits.

A step either causes something or expects something. What only a simulated cloud can do (`chaos`, `faults`, `publish`)
or only a handler of the drill's own can suffer (`handler`) is known by the kind of the step, so that a drill on a real
account refuses it before anything begins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, field_validator, model_validator

from cloudheal.model.event import Channel
from cloudheal.model.incident import Healed
from cloudheal.model.plan import Binding, Policy
from cloudheal.model.resource import Cloud
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.part import Part
from cloudheal.settings.rules import Rule, Selector

#: When a stage begins unless its scenario says otherwise: six o'clock in the evening in Shanghai, a Friday.
BEGIN: Final = datetime.fromisoformat("2026-03-06T10:00:00+00:00")
#: The types of which the cloud makes simulated events.
Announceable = Literal[
    "SystemMaintenance.Reboot",
    "SystemMaintenance.Stop",
    "SystemMaintenance.Redeploy",
    "SystemFailure.Reboot",
    "SystemFailure.Stop",
    "SystemFailure.Redeploy",
    "InstanceFailure.Reboot",
]


class Description(Part):
    """What the drill shows, for people, in both languages."""

    en: str = Field(min_length=1, description="In English.")
    zh: str = Field(min_length=1, description="In Chinese.")


class Targets(Selector):
    """The servers of the drill: those selected, in the order of their ids; with `count` the first so many of them."""

    one_group: bool = Field(default=False, description="Only those of one group: of the one that has the most of them.")
    count: int | None = Field(None, ge=1, le=1000, description="At most so many, the first by id; absent: all.")


# --- what is caused -----------------------------------------------------------------------------


class Announce(Part):
    """A simulated system event for every target."""

    type: Announceable = Field(description="The cloud's name of it.")
    ahead: Duration = Field(alias="in", description="How long from now it begins by itself, or a failure ends.")


class Chaos(Part):
    """What the simulated cloud does to every target."""

    do: str = Field(min_length=1, description="A deed of the simulator, such as power_off, hang or reclaim.")
    options: dict[str, Any] = Field({}, alias="with", description="The deed's options.")


class HandlerDeed(StrEnum):
    """What befalls the drill's own handler."""

    KILL = "kill"
    STOP = "stop"
    START = "start"


# --- what is expected ---------------------------------------------------------------------------


class EventSeen(Part):
    """An event was recorded. Words may hold * and ?."""

    type: str = Field("*", description="Its type, such as Instance:SystemMaintenance.Reboot.")
    status: str = Field("*", description="Its status or state.")
    channel: Channel | None = Field(None, description="The way by which it came.")


class DecisionMade(Part):
    """A rule decided."""

    rule: str = Field("*", description="The rule's name.")
    reason: str = Field("*", description="The reason code, such as act, plan, held or storm.")


class RunBegun(Part):
    """A run began to work."""

    rule: str = Field("*", description="The rule's name.")
    playbook: str = Field("*", description="The playbook's name.")


class ActionTaken(Part):
    """A step of a run that touches something, or would, was written down before it was done."""

    step: str = Field("*", description="The step's name, such as `start 1`, `reboot 1` or `dry reboot`.")
    outcome: str = Field("", description="What came of it: ok, transient, permanent, refused; absent: whatever.")


class RunWaits(Part):
    """A run waits, or asks a person, for a reason."""

    reason: str = Field("*", description="The reason code.")


class VerdictGiven(Part):
    """An incident ended."""

    healed: Healed | None = Field(None, description="The verdict.")
    code: str = Field("*", description="The code behind the verdict.")
    trouble: str = Field("*", description="What was wrong: stopped, interruption, maintenance:*, failure:*.")


class PlanMade(Part):
    """A run has its place in the plan of maintenance, or has none."""

    policy: Policy | None = Field(None, description="Who does it.")
    binding: Binding | None = Field(None, description="What leaves no slot.")
    slot: bool | None = Field(None, description="Whether it has a slot.")
    alone: bool | None = Field(None, description="Whether no other target's slot overlaps with its own.")


class QuestionAsked(Part):
    """A person was asked."""

    text: str = Field("*", description="The question.")


class ServerIs(Part):
    """The cloud, asked afresh, shows a server in a state."""

    state: str = Field(description="The vendor's word: Running, Stopped; empty: there is no such server.")


class EventStands(Part):
    """The cloud, asked afresh, shows the system event of a target in a status."""

    status: str = Field(description="Scheduled, Executing, Executed, Avoided, Canceled or Failed.")
    type: str = Field("*", description="Its type, such as Instance:SystemMaintenance.Reboot.")


class CallTaken(Part):
    """The simulated cloud took a call that changed something; a real one keeps no journal that a drill could read."""

    action: str = Field(min_length=1, description="The API's name, such as RebootInstance.")


class Expectation(Part):
    """Exactly one thing that must be, or must never be."""

    event: EventSeen | None = Field(None, description="An event was recorded.")
    decision: DecisionMade | None = Field(None, description="A rule decided.")
    run: RunBegun | None = Field(None, description="A run began.")
    action: ActionTaken | None = Field(None, description="A run did something, or would have.")
    waits: RunWaits | None = Field(None, description="A run waits.")
    verdict: VerdictGiven | None = Field(None, description="An incident ended.")
    plan: PlanMade | None = Field(None, description="The plan has it.")
    question: QuestionAsked | None = Field(None, description="A person was asked.")
    server: ServerIs | None = Field(None, description="The cloud shows the server so.")
    system_event: EventStands | None = Field(None, description="The cloud shows its system event so.")
    call: CallTaken | None = Field(None, description="The simulated cloud was called; skipped on a real account.")

    @property
    def said(self) -> tuple[str, Any]:
        """Return the kind and what it says."""
        named = ((one, getattr(self, one)) for one in type(self).kinds())
        return next((one, value) for one, value in named if value is not None)

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return what one may say."""
        return tuple(Expectation.model_fields)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        found = [one for one in type(self).kinds() if getattr(self, one) is not None]
        if len(found) != 1:
            msg = f"expected exactly one of {', '.join(type(self).kinds())}; got {' and '.join(found) or 'none'}"
            raise ValueError(msg)
        return self


#: Steps that cause something.
CAUSES: Final = ("announce", "cancel", "wait", "chaos", "faults", "publish", "handler")
#: Causes that only a simulated cloud can bring about.
SIMULATED: Final = frozenset({"chaos", "faults", "publish"})


class Step(Expectation):
    """One step: what is caused, or what must follow within a limit."""

    name: str = Field("", max_length=100, description="What reports call it; absent: made of what it says.")
    announce: Announce | None = Field(None, description="Create a simulated system event for every target.")
    cancel: Literal[True] | None = Field(None, description="Cancel the simulated events that the drill created.")
    wait: Duration | None = Field(None, description="Let so much time pass.")
    chaos: Chaos | None = Field(None, description="Simulator only: do something to every target.")
    faults: list[dict[str, Any]] | None = Field(None, description="Simulator only: what goes wrong from now on.")
    publish: dict[str, Any] | None = Field(None, description="Simulator only: publish an event, or a raw message.")
    handler: HandlerDeed | None = Field(None, description="With --simulator only: kill, stop or start the handler.")
    never: Expectation | None = Field(
        None, description="This must not have been since the drill began, and must not be until its end."
    )
    within: Duration | None = Field(None, description="How long after the step before; absent: the scenario's.")
    servers: int | None = Field(
        None, ge=1, description="For at least so many targets; absent: for every one, and of `never` for any."
    )
    times: int = Field(1, ge=1, le=1000, description="At least so often for a target.")

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return what one may say."""
        return (*CAUSES, *Expectation.model_fields, "never")

    @property
    def kind(self) -> str:
        """Which step it is."""
        return self.said[0]

    @property
    def causes(self) -> bool:
        """True when it causes something, and expects nothing."""
        return self.kind in CAUSES

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or titled(self)

    @model_validator(mode="after")
    def _limits_what_is_expected(self) -> Self:
        if self.causes and (self.within is not None or self.servers is not None or self.times != 1):
            msg = f"within, servers and times belong to what is expected, not to {self.kind}"
            raise ValueError(msg)
        if self.kind == "never" and self.within is not None:
            msg = "never holds from the beginning to the end, so within says nothing"
            raise ValueError(msg)
        return self


class StageSettings(Part):
    """The simulated cloud and the handler of `--simulator`; a drill on settings of your own ignores it."""

    cloud: Cloud = Field(Cloud.ALIBABA, description="Which cloud is simulated: alibaba or tencent.")
    now: AwareDatetime = Field(BEGIN, description="When it begins.")
    world: dict[str, Any] = Field(
        {}, description="Keys of the world document's part of the cloud, in place of those of the usual stage."
    )
    rules: list[Rule] | None = Field(None, description="The handler's rules; absent: those of the usual stage.")
    settings: dict[str, Any] = Field({}, description="Keys of the handler's settings, in place of the usual ones.")


class Scenario(Part):
    """The whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="What it is called.")
    description: Description = Field(description="What it shows.")
    targets: Targets = Field(description="The servers of the drill; an empty selector selects nothing.")
    actions: Literal["dry", "real"] = Field(
        "dry", description="`real`: the handler may act on the targets for the drill's events; needs --real-actions."
    )
    within: Duration = Field(duration_of("2m"), description="The limit of steps that name none.")
    fails_at: str = Field(
        "", description="The title of the step at which it must fail: a scenario that proves that drills can."
    )
    steps: list[Step] = Field(description="What is caused and what must follow, in this order.", min_length=1)
    stage: StageSettings = Field(StageSettings(), description="What `--simulator` sets up.")

    @field_validator("steps")
    @classmethod
    def _expects_something(cls, steps: list[Step]) -> list[Step]:
        if all(one.causes for one in steps):
            msg = "expected at least one step that expects something: a drill that cannot fail proves nothing"
            raise ValueError(msg)
        return steps

    @model_validator(mode="after")
    def _fails_at_a_step(self) -> Self:
        if self.fails_at and self.fails_at not in {one.title for one in self.steps}:
            msg = f"fails_at: no step is called {self.fails_at!r}"
            raise ValueError(msg)
        return self

    @property
    def announced(self) -> tuple[str, ...]:
        """The types of the simulated events that it creates."""
        return tuple(dict.fromkeys(one.announce.type for one in self.steps if one.announce))


def titled(step: Expectation) -> str:
    """Return what a step says in a line."""
    kind, value = step.said
    match value:
        case Expectation():
            return f"{kind} {titled(value)}"
        case BaseModel():
            said = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            return " ".join([kind, *(f"{name}={one}" for name, one in said.items() if one not in ({}, None))])
        case list():
            named = (one.get("fault") for one in value)
            return " ".join([kind, *(str(one.get("kind")) if isinstance(one, dict) else str(one) for one in named)])
        case dict():
            return f"{kind} {value.get('name', value.get('type', 'raw'))}"
        case True:
            return kind
    return f"{kind} {written(value) if isinstance(value, timedelta) else value}"
