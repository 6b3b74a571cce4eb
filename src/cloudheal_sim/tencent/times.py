"""Times as older services write them: `YYYY-MM-DD hh:mm:ss` without a zone, taken to be UTC+8 (UNVERIFIED)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from cloudheal_sim.kernel.clock import to_datetime, to_millis

TIME_FORM = "YYYY-MM-DD hh:mm:ss"
_FORM = "%Y-%m-%d %H:%M:%S"
_LOCAL = timezone(timedelta(hours=8))


def local(instant: int) -> str:
    """Write an instant."""
    return to_datetime(instant).astimezone(_LOCAL).strftime(_FORM)


def from_local(text: str) -> int | None:
    """Read such a time; None when it is none."""
    try:
        return to_millis(datetime.strptime(text, _FORM).replace(tzinfo=_LOCAL).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def start_of_day(instant: int) -> int:
    """Return the beginning of the local day of an instant."""
    return to_millis(to_datetime(instant).astimezone(_LOCAL).replace(hour=0, minute=0, second=0, microsecond=0))
