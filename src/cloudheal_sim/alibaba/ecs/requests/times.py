"""Wire in: instants as ECS takes them, `YYYY-MM-DDThh:mm:ssZ` in UTC, as epoch milliseconds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter
from pydantic.types import AwareDatetime

from cloudheal_sim.alibaba.rpc.request import Struct
from cloudheal_sim.kernel.clock import to_millis

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z")
_MOMENT = TypeAdapter(AwareDatetime)


def _instant(value: object) -> object:
    if value == "":
        return None
    if not isinstance(value, str):
        return value
    if _FORM.fullmatch(value) is None:
        msg = "expected yyyy-MM-ddTHH:mm:ssZ"
        raise ValueError(msg)
    return to_millis(_MOMENT.validate_python(value))


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
