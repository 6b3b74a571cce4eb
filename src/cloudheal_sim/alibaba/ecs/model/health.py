"""The health status of an instance or a disk, told from what is happening to it.

Ok 0, Warning 64 and Impaired 128 are published codes; the other numbers are choices of this simulator.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.event_types import Cycle
from cloudheal_sim.alibaba.ecs.model.instance import Status
from cloudheal_sim.alibaba.events import EXCEPTION, MAINTENANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.system_event import Event


class Health(StrEnum):
    """The health statuses, spelt as the service spells them."""

    OK = "Ok"
    WARNING = "Warning"
    IMPAIRED = "Impaired"
    MAINTAINING = "Maintaining"
    INITIALIZING = "Initializing"
    INSUFFICIENT_DATA = "InsufficientData"
    NOT_APPLICABLE = "NotApplicable"


HEALTH_CODES = {
    Health.OK: 0,
    Health.WARNING: 64,
    Health.IMPAIRED: 128,
    Health.MAINTAINING: 96,
    Health.INITIALIZING: 192,
    Health.INSUFFICIENT_DATA: 208,
    Health.NOT_APPLICABLE: 224,
}
#: Codes of instance states; only that of Running is published.
STATUS_CODES = {Status.PENDING: 0, Status.RUNNING: 1, Status.STARTING: 2, Status.STOPPING: 3, Status.STOPPED: 4}


def health_of(instance: Instance, status: Status, events: Iterable[Event], as_of: int | None) -> Health:
    """Tell the health of an instance that shows `status`, from its events as a read at `as_of` shows them."""
    found = {(one.type.kind, one.status_at(as_of)) for one in events if not one.type.of_disk}
    if (EXCEPTION, Cycle.EXECUTING) in found or (instance.trouble is not None and instance.trouble.hung):
        return Health.IMPAIRED
    if (MAINTENANCE, Cycle.EXECUTING) in found:
        return Health.MAINTAINING
    if status in {Status.PENDING, Status.STARTING}:
        return Health.INITIALIZING
    if any(state in {Cycle.SCHEDULED, Cycle.INQUIRING} for _, state in found):
        return Health.WARNING
    return Health.OK if status is Status.RUNNING else Health.NOT_APPLICABLE


def disk_health(events: Iterable[Event], as_of: int | None) -> Health:
    """Tell the health of a disk from its events."""
    executing = {one.type.name for one in events if one.status_at(as_of) is Cycle.EXECUTING}
    if executing & {"Stalled", "ErrorDetected"}:
        return Health.IMPAIRED
    return Health.WARNING if executing else Health.OK
