"""Wire in: kinds of parameters that the monitoring calls share."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.rpc.request import Blank, JsonText
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_millis

#: A time of day without a zone is the time of China (requirement C3).
CHINA = timezone(timedelta(hours=8))
#: Below this a Unix time is in seconds.
_MOST_SECONDS = 100_000_000_000
_MOST_DIGITS = 15


def read_json(text: str) -> Any:
    """Read JSON text; what is nested too deeply to be read is no more valid than what is not JSON."""
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem


def _moment(value: object) -> object:
    if value == "" or value is None:
        return None
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        number = int(text)
        return number * MILLIS_PER_SECOND if number < _MOST_SECONDS else number
    moment = datetime.fromisoformat(text)
    return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=CHINA))


def _spread(value: object) -> object:
    """Take `a,b` or a JSON array for a list of names."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        return [str(one) for one in read_json(text)]
    return [one.strip() for one in text.split(",") if one.strip()]


def _bracketed(value: object) -> object:
    """Take one object for a list of one."""
    return [value] if isinstance(value, dict) else value


def _named(value: object) -> object:
    """Take a bare instance id for `{"instanceId": id}` and numbers for their text."""
    if not isinstance(value, list):
        return value
    listed: list[Any] = [{"instanceId": one} if isinstance(one, str) else one for one in value]
    return [{k: str(v) for k, v in one.items()} if isinstance(one, dict) else one for one in listed]


#: Unix milliseconds or seconds, ISO text, or `YYYY-MM-DD hh:mm:ss`; epoch milliseconds inside.
Moment = Annotated[int | None, BeforeValidator(_moment)]
#: Names separated by commas, or a JSON array.
Names = Annotated[tuple[str, ...], BeforeValidator(_spread)]
#: `[{"instanceId":"i-a"}]`, one such object, or bare instance ids. Validators run from right to left.
Dimensions = Annotated[
    tuple[dict[str, str], ...], BeforeValidator(_named), BeforeValidator(_bracketed), JsonText, Field(max_length=50)
]
#: Limited by what a page token can hold, far above any real page.
PageNumber = Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, Blank]
PageSize = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, Blank]
GroupNumber = Annotated[int, Field(ge=1, le=10**15)]
OptionalGroup = Annotated[Annotated[int, Field(ge=1, le=10**15)] | None, Blank]
