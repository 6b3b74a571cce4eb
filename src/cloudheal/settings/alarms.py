"""Alarms of a log definition: which metric is bad from where on, for how long, when, and how often people are told.

An alarm has up to three levels, each with its own conditions and its own number of periods; what is not named is not
asked. A series is a metric's row by its group-by fields, and every series of a metric is watched by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cloudheal.model.alarm import Level, NoData, Than
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.part import Part
from cloudheal.settings.windows import WindowSettings

#: How long windows and periods are.
Minutes = Literal[1, 2, 3, 4, 5, 10, 15, 20, 30, 60]
#: CloudMonitor takes an hour at least; here a period is the least, since only repeats are muted and never a new level.
LEAST_MUTE = timedelta(minutes=1)
DEFAULT_MUTE = timedelta(hours=24)
#: With this and its name begins the alarm that every log has whose metrics have groups.
TOO_MANY = "too-many-series."
#: How far back a comparison looks, with a day for those who make up for an outage.
_AGO: Mapping[Than | None, timedelta] = {Than.YESTERDAY: timedelta(days=2), Than.LAST_WEEK: timedelta(days=8)}
#: Conditions as people say them, in both languages.
_SAID: Mapping[str, Mapping[str, str]] = {
    "en": {
        "over": "over {}",
        "at_least": "at least {}",
        "under": "under {}",
        "at_most": "at most {}",
        "up": "{} % or more above {than}",
        "down": "{} % or more below {than}",
        Than.PREVIOUS: "the period before",
        Than.YESTERDAY: "yesterday",
        Than.LAST_WEEK: "last week",
    },
    "zh": {
        "over": "大于 {}",
        "at_least": "不小于 {}",
        "under": "小于 {}",
        "at_most": "不大于 {}",
        "up": "比{than}高 {} % 或以上",
        "down": "比{than}低 {} % 或以上",
        Than.PREVIOUS: "上一周期",
        Than.YESTERDAY: "昨天",
        Than.LAST_WEEK: "上周",
    },
}
#: The longest look back over periods: one bit each in one machine word.
MOST_PERIODS = 60


class LevelSettings(Part):
    """When a series has reached a level: every named condition holds, in `times` of the last `of` periods."""

    over: float | None = Field(None, allow_inf_nan=False, description="Bad above this value.")
    at_least: float | None = Field(None, allow_inf_nan=False, description="Bad at this value and above.")
    under: float | None = Field(None, allow_inf_nan=False, description="Bad below this value.")
    at_most: float | None = Field(None, allow_inf_nan=False, description="Bad at this value and below.")
    up: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Bad when at least so many percent above what `than` names."
    )
    down: float | None = Field(
        None, gt=0, le=100, description="Bad when at least so many percent below what `than` names."
    )
    than: Than | None = Field(
        None,
        description="What `up` and `down` compare with: `previous` (period), `yesterday` or `last_week` (the same wall "
        "time). Where that has no data, or is 0, there is nothing to compare with and the condition does not hold.",
    )
    times: int = Field(3, ge=1, le=MOST_PERIODS, description="Bad periods that it takes.")
    of: int | None = Field(
        None,
        ge=1,
        le=MOST_PERIODS,
        description="Among so many last periods; absent: `times`, so that they are in a row.",
    )

    @property
    def periods(self) -> int:
        """How many of the last periods count."""
        return self.of or self.times

    @model_validator(mode="after")
    def _whole(self) -> Self:
        compared = self.up is not None or self.down is not None
        if compared != (self.than is not None):
            raise ValueError("up and down say how much, than says compared with what: name both")
        if self.up is not None and self.down is not None:
            raise ValueError("nothing is up and down at once; write two alarms")
        if not compared and all(one is None for one in (self.over, self.at_least, self.under, self.at_most)):
            raise ValueError("name at least one of over, at_least, under, at_most, up, down")
        if self.periods < self.times:
            raise ValueError(f"{self.times} bad periods cannot be among the last {self.of}")
        return self

    @property
    def text(self) -> str:
        """The conditions as people say them."""
        return self._said("en", ", ")

    @property
    def text_zh(self) -> str:
        """The conditions as people say them in Chinese."""
        return self._said("zh", "、")

    def _said(self, language: str, between: str) -> str:
        words = _SAID[language]
        than = words[self.than] if self.than else ""
        named = ("over", "at_least", "under", "at_most", "up", "down")
        found = ((name, getattr(self, name)) for name in named)
        return between.join(words[name].format(f"{one:g}", than=than) for name, one in found if one is not None)


class LevelsSettings(Part):
    """The levels of an alarm; the gravest one that is reached counts."""

    critical: LevelSettings | None = Field(None, description="The gravest.")
    warn: LevelSettings | None = Field(None, description="The middle one.")
    info: LevelSettings | None = Field(None, description="The least.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.named:
            raise ValueError("an alarm needs at least one of critical, warn and info")
        return self

    @property
    def named(self) -> dict[Level, LevelSettings]:
        """The levels that are named, the gravest first."""
        found = {Level.CRITICAL: self.critical, Level.WARN: self.warn, Level.INFO: self.info}
        return {level: one for level, one in found.items() if one is not None}


class AlarmSettings(Part):
    """One alarm on one value of a metric."""

    name: str = Field(
        pattern=r"^[A-Za-z][\w.-]{0,63}$",
        description="Stable, and no other alarm's: events, incidents and `explain` name it.",
    )
    metric: str = Field(min_length=1, description="The metric of this log.")
    value: str = Field(min_length=1, description="The alias of one of its statistics or derived values.")
    minutes: Minutes | None = Field(
        None, description="How long a period is: one of the metric's windows; absent: the shortest."
    )
    series: dict[str, list[str]] = Field(
        {},
        description="Only series whose group-by fields have one of these values, with * and ? as wildcards; absent: "
        "all.",
    )
    levels: LevelsSettings = Field(description="What is bad, and how bad.")
    hours: list[WindowSettings] = Field(
        [], description="When bad periods count; outside of these windows only good ones do. Absent: always."
    )
    mute: Duration = Field(
        duration_of("24h"),
        description="For so long the same thing is not told again, only counted; at least `1m`. A graver level is told "
        "at once.",
    )
    no_data: NoData = Field(
        NoData.OK,
        description="A period without data: `ok` is a good one, `ignore` none at all, `alarm` tells people after "
        "`no_data_times`.",
    )
    no_data_times: int = Field(
        3, ge=1, le=MOST_PERIODS, description="Periods without data in a row that are an alarm, for `no_data: alarm`."
    )
    recovers_after: int = Field(
        1, ge=1, le=MOST_PERIODS, description="Periods in a row in which it must have ceased before it has recovered."
    )
    escalate_after: Duration | None = Field(
        None,
        description="Targets that are `second` are told when it has fired for so long and nobody has acknowledged it "
        "(`cloudheal logs acknowledge`); at least `1m`. Absent: never.",
    )
    text: str = Field("", max_length=200, description="What people should know or do, told with the alarm.")

    @field_validator("series", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """YAML reads a status as a number."""
        if not isinstance(value, dict):
            return value
        return {key: [str(one) for one in many] if isinstance(many, list) else many for key, many in value.items()}

    @property
    def looks_back(self) -> timedelta:
        """How far back its levels compare."""
        past = [_AGO[one.than] for one in self.levels.named.values() if one.than in _AGO]
        return max(past, default=timedelta())

    @field_validator("mute", "escalate_after")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < LEAST_MUTE:
            msg = f"expected {written(LEAST_MUTE)} or more, got {written(value)}"
            raise ValueError(msg)
        return value

    @field_validator("series")
    @classmethod
    def _selects(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        empty = sorted(name for name, wanted in value.items() if not wanted)
        if empty:
            msg = f"an empty list selects nothing: {', '.join(empty)}"
            raise ValueError(msg)
        return value

    def in_zone(self, timezone: str) -> Self:
        """Return the same alarm with a zone in every window that names none."""
        return self.model_copy(update={"hours": [one.in_zone(timezone) for one in self.hours]})
