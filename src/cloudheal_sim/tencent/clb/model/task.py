"""A change of targets under way: what DescribeTaskStatus tells of, and what takes effect when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal_sim.tencent.clb.model.target import Targets


class TaskStatus(IntEnum):
    """The values of Status."""

    OK = 0
    FAILED = 1
    RUNNING = 2


@dataclass(frozen=True, slots=True)
class Change:
    """The targets that a place is to have."""

    listener: str
    location: str
    targets: Targets


@dataclass(slots=True, eq=False)
class ClbTask:
    """One change; its id is the request id of the call that asked for it."""

    id: str
    balancer: str
    status: TaskStatus
    message: str = ""
    due: int | None = None
    """When it ends, epoch milliseconds; None once it has."""
    changes: tuple[Change, ...] = ()
    left_out: int = 0
    """How many targets an injected fault keeps it from changing; more than none makes it fail in the end."""
