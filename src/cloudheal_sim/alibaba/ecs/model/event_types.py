"""The types of system events, and the graph along which the status of each may move (aliyun.md 2.3 and 7).

Published codes are Scheduled 24, Executed 0, Avoided 8 and the types 1, 34, 65 and 7; the other numbers are choices of
this simulator, and a client should compare names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloudheal_sim.alibaba.events import EXCEPTION, MAINTENANCE


class Cycle(StrEnum):
    """The states in the life of a system event."""

    INQUIRING = "Inquiring"
    SCHEDULED = "Scheduled"
    EXECUTING = "Executing"
    EXECUTED = "Executed"
    AVOIDED = "Avoided"
    CANCELED = "Canceled"
    FAILED = "Failed"


#: Codes of the states; only those of Scheduled, Executed and Avoided are published.
CYCLE_CODES = {
    Cycle.INQUIRING: 32,
    Cycle.SCHEDULED: 24,
    Cycle.EXECUTING: 16,
    Cycle.EXECUTED: 0,
    Cycle.AVOIDED: 8,
    Cycle.CANCELED: 4,
    Cycle.FAILED: 2,
}
FINAL = frozenset({Cycle.EXECUTED, Cycle.AVOIDED, Cycle.CANCELED, Cycle.FAILED})
#: Where a status may go; final ones stay.
GRAPH = {
    Cycle.INQUIRING: frozenset({Cycle.SCHEDULED, Cycle.EXECUTING, Cycle.AVOIDED, Cycle.CANCELED, Cycle.FAILED}),
    Cycle.SCHEDULED: frozenset({Cycle.EXECUTING, Cycle.AVOIDED, Cycle.CANCELED}),
    Cycle.EXECUTING: frozenset({Cycle.EXECUTED, Cycle.AVOIDED, Cycle.CANCELED, Cycle.FAILED}),
} | dict.fromkeys(FINAL, frozenset[Cycle]())


class Effect(StrEnum):
    """What executing an event does to the instance."""

    NOTHING = ""
    REBOOT = "reboot"
    STOP = "stop"
    REDEPLOY = "redeploy"
    RELEASE = "release"


class Answer(StrEnum):
    """What the owner may do ahead of time to answer an event."""

    REBOOT = "reboot"
    """RebootInstance."""
    RESTART = "restart"
    """StopInstance followed by StartInstance."""
    REDEPLOY = "redeploy"
    """RedeployInstance."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of system event."""

    name: str
    code: int
    kind: str
    """The eventType of its notifications: Maintenance, Exception, or empty for money matters."""
    states: frozenset[Cycle]
    effect: Effect = Effect.NOTHING
    answers: frozenset[Answer] = frozenset()
    redeployable: frozenset[Cycle] = frozenset()
    """The states in which RedeployInstance answers it."""
    level: str = "CRITICAL"
    of_disk: bool = False

    @property
    def planned(self) -> bool:
        """True when it is announced ahead and waits for its NotBefore."""
        return Cycle.SCHEDULED in self.states and self.kind != EXCEPTION

    @property
    def first(self) -> Cycle:
        """The state in which it normally begins."""
        if self.planned:
            return Cycle.SCHEDULED
        return Cycle.INQUIRING if Cycle.INQUIRING in self.states else Cycle.EXECUTING

    @property
    def recovers(self) -> bool:
        """True when executing it leaves the instance running again."""
        return self.effect in {Effect.REBOOT, Effect.REDEPLOY}

    def level_at(self, status: Cycle) -> str:
        """Return the level of the notification of a status; money matters calm down at the end."""
        if self.kind:
            return self.level
        return {Cycle.AVOIDED: "INFO", Cycle.CANCELED: "WARN", Cycle.FAILED: "WARN"}.get(status, self.level)

    def notification(self, status: Cycle) -> str:
        """Return the name of the notification of a status."""
        return f"{'Disk' if self.of_disk else 'Instance'}:{self.name}:{status}"


_LETTERS = {
    "S": Cycle.SCHEDULED,
    "Q": Cycle.INQUIRING,
    "X": Cycle.EXECUTING,
    "D": Cycle.EXECUTED,
    "A": Cycle.AVOIDED,
    "C": Cycle.CANCELED,
    "F": Cycle.FAILED,
}


def _states(letters: str) -> frozenset[Cycle]:
    return frozenset(_LETTERS[letter] for letter in letters)


_BY_RESTARTING = frozenset({Answer.REBOOT, Answer.RESTART, Answer.REDEPLOY})
_BY_REBOOT = frozenset({Answer.REBOOT, Answer.REDEPLOY})
_BY_REDEPLOY = frozenset({Answer.REDEPLOY})
_AHEAD = _states("SQ")

_TYPES = (
    EventType("SystemMaintenance.Reboot", 1, MAINTENANCE, _states("SQXDACF"), Effect.REBOOT, _BY_RESTARTING, _AHEAD),
    EventType("SystemMaintenance.Stop", 2, MAINTENANCE, _states("SXDACF"), Effect.STOP, frozenset({Answer.RESTART})),
    EventType("SystemMaintenance.Redeploy", 3, MAINTENANCE, _states("SQXDAC"), Effect.REDEPLOY, _BY_REDEPLOY, _AHEAD),
    EventType(
        "SystemMaintenance.RebootAndIsolateErrorDisk",
        4,
        MAINTENANCE,
        _states("QXDAC"),
        Effect.REBOOT,
        _BY_REBOOT,
        _states("Q"),
    ),
    EventType(
        "SystemMaintenance.RebootAndReInitErrorDisk",
        5,
        MAINTENANCE,
        _states("QXDAC"),
        Effect.REBOOT,
        _BY_REBOOT,
        _states("Q"),
    ),
    EventType(
        "SystemMaintenance.IsolateErrorDisk",
        13,
        MAINTENANCE,
        _states("QXDACF"),
        Effect.NOTHING,
        _BY_REDEPLOY,
        _states("Q"),
    ),
    EventType(
        "SystemMaintenance.ReInitErrorDisk",
        14,
        MAINTENANCE,
        _states("QXDACF"),
        Effect.NOTHING,
        _BY_REDEPLOY,
        _states("Q"),
    ),
    EventType("SystemMaintenance.CleanInactiveDisks", 15, MAINTENANCE, _states("QSXDAC")),
    EventType("SystemMaintenance.CleanReleasedDisks", 17, MAINTENANCE, _states("QSXDAC")),
    EventType("SystemMaintenance.PerformanceImpact", 16, MAINTENANCE, _states("XD"), level="WARN"),
    EventType("SystemFailure.Reboot", 65, EXCEPTION, _states("XDF"), Effect.REBOOT),
    EventType("SystemFailure.Stop", 66, EXCEPTION, _states("XD"), Effect.STOP),
    EventType("SystemFailure.Redeploy", 67, EXCEPTION, _states("SXDAC"), Effect.REDEPLOY, _BY_REDEPLOY, _AHEAD),
    EventType("SystemFailure.Delete", 68, EXCEPTION, _states("XDA"), Effect.RELEASE),
    EventType("InstanceFailure.Reboot", 69, EXCEPTION, _states("XD"), Effect.REBOOT),
    EventType("InstanceExpiration.Stop", 34, "", _states("SXDACF"), Effect.STOP),
    EventType("InstanceExpiration.Delete", 35, "", _states("SXDACF"), Effect.RELEASE),
    EventType("AccountUnbalanced.Stop", 36, "", _states("SXDACF"), Effect.STOP),
    EventType("AccountUnbalanced.Delete", 37, "", _states("SXDACF"), Effect.RELEASE),
    EventType("Stalled", 7, EXCEPTION, _states("XD"), of_disk=True),
    EventType("Degraded", 8, EXCEPTION, _states("XD"), of_disk=True),
    EventType("SeverelyDegraded", 9, EXCEPTION, _states("XD"), of_disk=True),
    EventType("ErrorDetected", 10, EXCEPTION, _states("XD"), of_disk=True),
)
EVENT_TYPES = {one.name: one for one in _TYPES}
#: The types that CreateSimulatedSystemEvents takes.
SIMULATED = frozenset(
    {
        *("SystemMaintenance.Reboot", "SystemMaintenance.Stop", "SystemMaintenance.Redeploy"),
        *("SystemFailure.Reboot", "SystemFailure.Stop", "SystemFailure.Redeploy", "InstanceFailure.Reboot"),
    }
)
