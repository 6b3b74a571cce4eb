"""Where a drill takes place, and everything that it may use there.

A drill reads the handler's tables and asks clouds; all that it changes are its own rows and its own simulated events.
What only a simulator can do goes to the control API of a simulator, which no real cloud has: without one there is
nothing that such a step could be sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.decide.rulebook import RuleBook
from cloudheal.drills.stage.handler import Handler
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.errors import RefusedError
from cloudheal.model.event import Event
from cloudheal.model.resource import ResourceId
from cloudheal.pipeline.drills import DrillDesk
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Compute
from cloudheal.record.database import Database
from cloudheal.settings.rules import Rule
from cloudheal.settings.schema import Settings


class DrillStoppedError(RefusedError):
    """The drill was told to stop; what it had created was taken back."""

    code = "drill.stopped"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a drill takes place."""

    settings: Settings
    rules: RuleBook
    rules_for: Callable[[Event], Sequence[Rule]]
    """Returns the rules that match an event and know its trouble, as a worker asks them."""
    database: Database
    clock: Clock
    desk: DrillDesk
    compute_of: Callable[[ResourceId], Compute]
    queues: Callable[[], Mapping[str, str]]
    """Asks every queue; returns by its name why it does not answer, empty where it does."""
    passes: Callable[[datetime], object]
    """Lets some time pass, at most until a moment."""
    told: Callable[[], bool]
    """Says whether somebody wants the drill to stop."""
    pause: Callable[[float], object]
    """Waits so many real seconds: for a cloud that stumbles while the drill is taken back."""
    new_id: Callable[[], str]
    holder: str
    """Names this process among those that may drill: HOST/PID/ID."""
    who: str
    cloud: SimulatedCloud | None = None
    """The simulated cloud, where it is one."""
    handler: Handler | None = None
    """The handler, where it is the drill's own."""
