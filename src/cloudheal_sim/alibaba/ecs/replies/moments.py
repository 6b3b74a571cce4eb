"""Instants as ECS writes and reads them: UTC, to the minute for instances, to the second elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

from cloudheal_sim.kernel.clock import to_datetime, to_millis

#: What the service shows as the expiry of what does not expire.
NEVER = "2099-12-31T15:59Z"
_FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ")


def minute(instant: int | None) -> str:
    """Write an instant to the minute; None is empty."""
    return "" if instant is None else to_datetime(instant).strftime("%Y-%m-%dT%H:%MZ")


def second(instant: int | None) -> str:
    """Write an instant to the second; None is empty."""
    return "" if instant is None else to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> int | None:
    """Read either form into epoch milliseconds; None when it is neither."""
    for form in _FORMS:
        try:
            return to_millis(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    return None
