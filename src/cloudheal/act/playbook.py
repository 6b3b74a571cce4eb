"""What a playbook is: a name, a parameter model, what it needs and risks, and a function that reads like a runbook.

A playbook touches the world only through its `Hands`, waits only through `Case.wait`, and returns a verdict, or the
reason for which its run must wait or ask; it never raises. It may run again from its first line after a crash:
everything it reads or does is checkpointed by the hands.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from cloudheal.act.hands import Hands
from cloudheal.act.memory import Memory, NoMemory
from cloudheal.model.decision import Reason, Station, coded
from cloudheal.model.drill import Allowance
from cloudheal.model.evidence import Evidence
from cloudheal.model.incident import Healed, Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.model.trigger import Trigger
from cloudheal.ports.cloud import LOOKS, Backups, Balancers, Compute, Guests, Orders, Place, Server, SystemEvents
from cloudheal.ports.probes import Probes


@dataclass(frozen=True, slots=True)
class Case:
    """The incident that a playbook is to heal, and what it may use."""

    run: str
    resource: ResourceId
    trouble: Trouble
    occurred: datetime
    deadline: datetime | None
    """When the resource is taken away; None when nothing hurries."""
    parameters: Any
    compute: Compute
    balancers: Balancers
    orders: Orders
    backups: Backups
    guests: Guests
    system_events: SystemEvents
    probes: Probes
    """Asks servers themselves over the network; a playbook calls them only inside what its hands read."""
    places: Callable[[], Sequence[Place]]
    """Names the balancer groups that the resource was in at the last sweep: a hint where to look first."""
    desired_on: bool
    """The rule says so; `intent` knows tags and schedules too."""
    intent: Callable[[Server], Evidence]
    """Says what speaks for a stop on purpose and what for an accident, of a server as it was just read. Asks the tables
    and the audit trail, so a playbook calls it only inside what its hands read."""
    now: Callable[[], datetime]
    """The operator's clock; a playbook asks it only inside what its hands read, so that a replay decides alike."""
    wait: Callable[[float, Callable[[], bool]], bool]
    """Waits until the condition holds or so many seconds of the operator's clock have passed; says which."""
    attempts: int = 0
    """Attempts of this run in earlier looks, since a person last approved it; throttled calls are none."""
    last_attempt: datetime | None = None
    approved: bool = False
    """A person said that it is to be done."""
    slot_passed: bool = False
    """It is planned, and was held back until its slot was over: it tidies up and refuses with `plan`."""
    memory: Memory = field(default_factory=NoMemory)
    allowance: Callable[[SystemEvent], Allowance] = lambda _: Allowance.NONE
    """Says what drills allow about a system event, which was just read, on this resource. What is simulated is answered
    by dry actions only, unless this says `REAL`. Asks the tables, so a playbook calls it only inside a read."""
    fires: Callable[[], bool | None] = lambda: None
    """Says whether the alarm on a log that told of the trouble still fires; None when none did. Asks the tables, so a
    playbook calls it only inside a read."""


@dataclass(frozen=True, slots=True)
class End:
    """How a playbook ended: the verdict, the reason code behind it, and the evidence."""

    healed: Healed
    code: str
    evidence: Mapping[str, str] = field(default_factory=dict)
    stations: tuple[Station, ...] = ()
    """The questions of the last look, where they decided."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A look that ends without a verdict: the run waits until its reason ends, or asks a person, as the reason says.

    The next look begins afresh, from the first line of the playbook.
    """

    reason: Reason
    detail: str = ""
    """The kind of lock."""
    after: timedelta | None = None
    """When to look again at the latest; None when something must happen first."""
    stations: tuple[Station, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    question: str = ""
    """What a person is asked, where the reason leads to one; empty: whether the playbook may go on."""

    @property
    def code(self) -> str:
        """The reason as people read it."""
        return coded(self.reason, self.detail)


class Risk(StrEnum):
    """The worst that a playbook can do when its rule is wrong."""

    LOW = "low"
    """It adds what was meant to be there: nothing that works is touched."""
    MEDIUM = "medium"
    """It changes the one resource that is in trouble, so that a wrong look hurts that one."""
    HIGH = "high"
    """It changes what others rely on, or spends money."""


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook as it declares itself."""

    name: str
    troubles: tuple[str, ...]
    parameters: type[BaseModel]
    verbs: tuple[str, ...]
    """Verbs of the cloud port that it uses; the least-privilege policy is made from them."""
    reversible: bool
    run: Callable[[Case, Hands], End | Refusal]
    parts: tuple[ModuleType, ...] = ()
    """Modules of its own that hold steps of it."""
    summary: str = ""
    """What it does, in one sentence."""
    risk: Risk = Risk.HIGH
    promises: tuple[str, ...] = ()
    """What holds when its verdict is `healed`, a sentence each."""
    steps: tuple[str, ...] = ()
    """What it does, in order, a sentence each; for whoever reads the plan before it is trusted."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Verbs that it uses only where a parameter is given, by the name of that."""
    planned: bool = False
    """It is begun at a time that the planner chooses before the event's deadline, not at once."""
    triggers: tuple[Trigger, ...] = ()
    """Events that open troubles which nothing else knows; those of the clouds are built in."""

    @property
    def may_ask(self) -> tuple[str, ...]:
        """Every verb that it may use, whatever its parameters are."""
        return tuple(dict.fromkeys((*self.verbs, *(verb for verbs in self.options.values() for verb in verbs))))

    def needs(self, parameters: Mapping[str, object]) -> frozenset[str]:
        """Return the verbs that it uses with these parameters, as a rule gives them."""
        return frozenset(self.verbs).union(*(self.options[name] for name in self.options if parameters.get(name)))

    @property
    def only_looks(self) -> bool:
        """True when it asks for nothing that changes anything; whatever limits changes does not hold it back."""
        return LOOKS.issuperset(self.may_ask)

    @property
    def digest(self) -> str:
        """What makes two versions of a playbook different: its source, as it was when it was first asked for."""
        return _digest(self.run, self.parts)


@cache
def _digest(run: Callable[[Case, Hands], End | Refusal], parts: tuple[ModuleType, ...]) -> str:
    """Read the source once in a process: a file that is changed later is not what this process runs."""
    module = inspect.getmodule(_function_of(run))
    sources = [inspect.getsource(one) for one in (module, *parts) if one]
    return hashlib.sha256("".join(sources or [repr(run)]).encode()).hexdigest()[:16]


def _function_of(run: object) -> object:
    """Return the function behind what runs, which some of its arguments may have been given already."""
    while isinstance(run, partial):
        run = run.func
    return run
