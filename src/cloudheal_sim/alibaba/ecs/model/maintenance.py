"""What the owner wishes for maintenance of one instance: what to do on a host failure, and when maintenance suits.

Windows are whole hours in UTC+8, as the service takes them. An instance without a record has the defaults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pydantic import ConfigDict, Field, model_validator

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.world import Part

_HOUR = re.compile(r"([01]\d|2[0-3]):00:00")
_HOUR_MILLIS = round(timedelta(hours=1).total_seconds()) * MILLIS_PER_SECOND
#: The service's local time, whatever the region.
_OFFSET_HOURS = 8


class ActionOnMaintenance(StrEnum):
    """What becomes of the instance when its host fails."""

    STOP = "Stop"
    AUTO_RECOVER = "AutoRecover"
    AUTO_REDEPLOY = "AutoRedeploy"


#: The system failure that each action leads to.
FAILURE_OF = {
    ActionOnMaintenance.STOP: "SystemFailure.Stop",
    ActionOnMaintenance.AUTO_RECOVER: "SystemFailure.Reboot",
    ActionOnMaintenance.AUTO_REDEPLOY: "SystemFailure.Redeploy",
}


@dataclass(frozen=True, slots=True)
class Window:
    """From hour to hour in UTC+8; an end at or before the start is on the next day."""

    start: int
    end: int

    @property
    def hours(self) -> int:
        """How long it is."""
        return (self.end - self.start) % 24

    def next_start(self, after: int) -> int:
        """Return the first start at or after an instant, epoch milliseconds."""
        day = 24 * _HOUR_MILLIS
        phase = ((self.start - _OFFSET_HOURS) % 24) * _HOUR_MILLIS
        return after + (phase - after) % day


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The maintenance attributes of one instance; replaced as a whole."""

    action: ActionOnMaintenance = ActionOnMaintenance.AUTO_RECOVER
    window: Window | None = None
    notify: bool = False


DEFAULT = Maintenance()


def read_window(start: str, end: str) -> Window | None:
    """Read `HH:00:00` twice; None when it is no window of 1 to 23 whole hours."""
    first, last = _HOUR.fullmatch(start), _HOUR.fullmatch(end)
    if first is None or last is None or first[1] == last[1]:
        return None
    return Window(int(first[1]), int(last[1]))


def written_hour(hour: int) -> str:
    """Write an hour as the service does."""
    return f"{hour:02d}:00:00"


class WindowPart(Part):
    """A window in a world document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str
    end: str

    @model_validator(mode="after")
    def _is_a_window(self) -> WindowPart:
        if read_window(self.start, self.end) is None:
            raise ValueError("expected whole hours HH:00:00, 1 to 23 hours apart")
        return self


class MaintenancePart(Part):
    """The maintenance attributes of one instance in a world document."""

    action_on_maintenance: ActionOnMaintenance = ActionOnMaintenance.AUTO_RECOVER
    window: WindowPart | None = Field(None, description="hours in UTC+8")
    notify_on_maintenance: bool = False


def load_maintenance(part: MaintenancePart | None) -> Maintenance | None:
    """Make the record of a part; None for the defaults."""
    if part is None:
        return None
    window = None if part.window is None else read_window(part.window.start, part.window.end)
    return Maintenance(part.action_on_maintenance, window, part.notify_on_maintenance)


def dump_maintenance(maintenance: Maintenance | None) -> dict[str, object] | None:
    """Return the full form of a record; None for the defaults."""
    if maintenance is None:
        return None
    window = maintenance.window
    return {
        "action_on_maintenance": str(maintenance.action),
        "window": window and {"start": written_hour(window.start), "end": written_hour(window.end)},
        "notify_on_maintenance": maintenance.notify,
    }
