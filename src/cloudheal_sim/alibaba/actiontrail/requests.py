"""Wire in: the parameters of LookupEvents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.actiontrail.errors import INVALID_DIRECTION, INVALID_TIME
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Struct, Text
from cloudheal_sim.kernel.clock import to_millis


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    return to_millis(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)) if value else None


Instant = Annotated[int | None, BeforeValidator(_instant)]


class LookupAttribute(Struct):
    """One condition; exact, and it matters whether letters are large or small."""

    key: str = ""
    value: str = ""


class LookupEvents(RpcRequest):
    """Events of a time, narrowed by one or two conditions."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "StartTime": INVALID_TIME,
        "EndTime": INVALID_TIME,
        "Direction": INVALID_DIRECTION,
    }

    start_time: Instant = None
    end_time: Instant = None
    direction: Text = None
    lookup_attribute: tuple[LookupAttribute, ...] = ()
    max_results: int = Field(20, ge=1, le=50)
    next_token: Text = None
