"""The alarm that every log with groups has: a metric had more series in a window than it may have.

`__other__` in a chart says so to nobody. It is an alarm like those of the settings (an event, an incident, a mute
time, `explain`), whose series are the metrics of the log and whose value is how many series a window left out.
"""

from __future__ import annotations

import math

from cloudheal.logs.alarms import Alarm, Rule
from cloudheal.logs.definition import Definition
from cloudheal.logs.windows import lengths_together
from cloudheal.model.alarm import Level, NoData
from cloudheal.settings.alarms import DEFAULT_MUTE, TOO_MANY

#: What it watches: all metrics that have groups, and of these how many series were left out.
EVERY_METRIC, LEFT_OUT = "*", "series_left_out"
_RULE = Rule(
    level=Level.WARN,
    low=math.nextafter(0, 1),
    high=math.inf,
    than=None,
    least=-math.inf,
    most=math.inf,
    times=1,
    of=1,
    text="over 0",
    text_zh="大于 0",
)


def cap_alarm(definition: Definition, text: str) -> Alarm | None:
    """Return the alarm; None where no metric has groups. `text` says what to do about it."""
    grouped = [one for one in definition.metrics if one.by]
    if not grouped:
        return None
    minutes = lengths_together(one.minutes for one in grouped)
    return Alarm(
        definition=definition.name,
        name=f"{TOO_MANY}{definition.name}",
        metric=EVERY_METRIC,
        alias=LEFT_OUT,
        by=("metric",),
        minutes=minutes,
        rules=(_RULE,),
        series={},
        hours=(),
        mute=DEFAULT_MUTE,
        no_data=NoData.OK,
        no_data_times=1,
        recovers_after=1,
        text=text,
        digest=f"series-cap-{minutes}",
    )
