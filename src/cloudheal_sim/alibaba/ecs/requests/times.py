"""Wire in: instants as ECS takes them, in UTC with or without seconds, as epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

from cloudheal_sim.alibaba.rpc.request import Struct
from cloudheal_sim.kernel.clock import to_millis

_FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ")


def instant(text: str) -> int | None:
    """Read either form into epoch milliseconds; None when it is neither."""
    for form in _FORMS:
        try:
            return to_millis(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    return None


def _instant(value: object) -> object:
    if value == "":
        return None
    if not isinstance(value, str):
        return value
    found = instant(value)
    if found is None:
        msg = "expected yyyy-MM-ddTHH:mm:ssZ"
        raise ValueError(msg)
    return found


Instant = Annotated[int | None, BeforeValidator(_instant)]


class Range(Struct):
    """A span of time, either end open; both ends belong to it."""

    start: Instant = None
    end: Instant = None

    @property
    def backwards(self) -> bool:
        """True when it ends before it starts."""
        return self.start is not None and self.end is not None and self.end < self.start

    @property
    def bounded(self) -> bool:
        """True when it narrows anything down."""
        return self.start is not None or self.end is not None

    def covers(self, instant: int | None) -> bool:
        """Say whether an instant lies within; what has no instant lies in an unbounded range only."""
        if instant is None:
            return not self.bounded
        return (self.start is None or self.start <= instant) and (self.end is None or instant <= self.end)
