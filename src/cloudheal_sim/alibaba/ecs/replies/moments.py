"""Instants as ECS writes them: UTC, to the minute for instances, to the second elsewhere."""

from __future__ import annotations

from cloudheal_sim.kernel.clock import iso_minutes, iso_seconds

#: What the service shows as the expiry of what does not expire.
NEVER = "2099-12-31T15:59Z"


def minute(instant: int | None) -> str:
    """Write an instant to the minute; None is empty."""
    return "" if instant is None else iso_minutes(instant)


def second(instant: int | None) -> str:
    """Write an instant to the second; None is empty."""
    return "" if instant is None else iso_seconds(instant)
