"""Log files and what is counted in them, as users of CloudMonitor's log monitoring know it: format, filter, statistics.

Only what can be told from the file itself is checked here; whether a field is one of the format, and whether it is a
number, `cloudheal.logs.declared` finds. A metric may be written in the words of CloudMonitor's PutLogMonitor where they
mean the same thing; those that name a log store of the cloud are refused with what to write instead.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from cloudheal.settings.alarms import TOO_MANY, AlarmSettings, Minutes
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.log_filters import LogFilter
from cloudheal.settings.log_measures import NAME, LogMeasure
from cloudheal.settings.part import Part, finding, meant
from cloudheal.settings.patterns import replacer

#: Lines that come later than this are counted as late and nothing else.
MOST_LATE = timedelta(hours=1)
#: A clock that is further off, or a zone that is not said, would open minutes of hours to come.
MOST_AHEAD = timedelta(minutes=30)
#: What PutLogMonitor says that has no meaning here, and what to do about it.
_OF_THE_CLOUD = {
    **dict.fromkeys(("SlsRegionId", "SlsProject", "SlsLogstore"), "logs are read from files: name them in `files`"),
    "GroupId": "name the group in `group` of the log",
    "LogId": "a metric is known by its name; leave it out",
    "Unit": "units are not kept; leave it out",
}


class UrlRule(Part):
    """A replacement in paths, before pieces are templated."""

    match: str = Field(
        min_length=1,
        max_length=1000,
        description="A regular expression of RE2, searched anywhere in the path.",
    )
    replace: str = Field("", max_length=1000, description="What stands there instead; `\\1` is the first group.")

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        try:
            replacer(self.match, self.replace)
        except ValueError as problem:
            raise ValueError(f"not a rule: {problem}") from None
        return self


class LogUrls(Part):
    """How URLs become names of series: without the query, and with `{id}`, `{uuid}` and `{hex}` for such pieces."""

    field: str = Field("url", min_length=1, description="The field that holds URLs.")
    rules: list[UrlRule] = Field([], max_length=50, description="Replacements that are made first, in this order.")


class LogResource(Part):
    """The server, or other thing, that a log is about; its alarms are events of it."""

    account: str = Field("", description="The account's name; absent: the only one.")
    region: str = Field(min_length=1, description="Its region.")
    kind: str = Field("instance", min_length=1, description="The vendor's word for what it is.")
    id: str = Field(min_length=1, description="Its id.")


class LogField(Part):
    """What a field is. `text`, `number` (three decimals) and `whole` are the same as one word."""

    kind: Literal["text", "number"] = Field("number", description="Texts are compared and counted, numbers also added.")
    digits: int = Field(3, ge=0, le=9, description="Decimals that are kept.")

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        short = {"text": {"kind": "text", "digits": 0}, "number": {}, "whole": {"digits": 0}}
        if isinstance(value, str) and value not in short:
            raise ValueError(f"expected text, number, whole or {{kind, digits}}, got {value!r}")
        return short[value] if isinstance(value, str) else value


class LogFormat(Part):
    """How a line is read: one of these. A text alone is a preset."""

    preset: str | None = Field(None, description="`combined`, `common` or `timed` (with request time and length).")
    nginx: str | None = Field(None, description="The text of nginx's `log_format`.")
    apache: str | None = Field(None, description="The text of Apache's `LogFormat`.")
    json_lines: bool | None = Field(None, alias="json", description="`true`: every line is a JSON object.")
    key_value: bool | None = Field(None, description='`true`: `key=value` and `key="a b"`, anywhere in the line.')
    regex: str | None = Field(None, description="A regular expression of RE2 with a named group for each field.")
    time: str = Field("", description="The field that holds the time, where the format does not say.")
    timezone: str = Field(
        "",
        pattern=r"^([+-](0\d|1[0-4]):[0-5]\d|)$",
        description="Of times that do not say theirs, such as `+08:00`; absent: the operator's without seasons.",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"preset": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.preset, self.nginx, self.apache, self.json_lines or None, self.key_value or None, self.regex)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("expected one of preset, nginx, apache, json, key_value and regex")
        return self


class LogMetric(Part):
    """One metric: which lines, by what, what of them."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: str = Field(
        validation_alias=AliasChoices("name", "MetricName"),
        pattern=NAME,
        description="Letters, digits and underscores; series and alarms cite it.",
    )
    where: LogFilter | None = Field(
        None,
        validation_alias=AliasChoices("where", "ValueFilter"),
        description="Which lines; absent: all. `status >= 400`, a list of such for all of them, `or: [...]` for one.",
    )
    by: list[str] = Field(
        [],
        validation_alias=AliasChoices("by", "Groupbys"),
        max_length=10,
        description="Fields whose values make series; absent: one series for all lines.",
    )
    measures: list[LogMeasure] = Field(
        validation_alias=AliasChoices("measures", "Aggregates"),
        min_length=1,
        max_length=50,
        description="What of them, such as `count()`, `avg(rt) as rt_avg`, `p99(rt)`.",
    )
    derived: dict[Annotated[str, Field(pattern=NAME)], str] = Field(
        {},
        validation_alias=AliasChoices("derived", "MetricExpress"),
        max_length=50,
        description="Arithmetic over those by name: `{error_percent: errors / requests * 100}`.",
    )
    minutes: list[Minutes] = Field(
        [1],
        min_length=1,
        validation_alias=AliasChoices("minutes", "Tumblingwindows"),
        description="How long a window is, or several such as `[1, 5]`; counted are single minutes, and longer windows "
        "are added up from them. Outlets send the shortest, alarms watch any.",
    )
    most: int = Field(
        1000, ge=1, le=10_000, description="Series kept of each window, the largest ones; the rest is `__other__`."
    )

    @model_validator(mode="before")
    @classmethod
    def _as_cloudmonitor_says(cls, value: Any) -> Any:
        return _translated(value) if isinstance(value, dict) else value

    @field_validator("minutes", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    @field_validator("minutes")
    @classmethod
    def _rising(cls, minutes: list[Minutes]) -> list[Minutes]:
        return sorted(set(minutes))

    @property
    def window(self) -> int:
        """The shortest window, in minutes."""
        return int(self.minutes[0])

    @field_validator("by")
    @classmethod
    def _once(cls, fields: list[str]) -> list[str]:
        if len(set(fields)) < len(fields):
            raise ValueError("a field is named twice")
        return fields

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [one.name for one in self.measures] + list(self.derived)
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two measures are called {', '.join(doubled)}; give one an alias: `count() as other`")
        return self


class LogSettings(Part):
    """One log: its files, how lines are read, and the metrics that are counted."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Stable; the record cites it.")
    files: list[str] = Field(
        min_length=1, description="Files, with `*`, `?` and `**` as wildcards; relative to the settings file."
    )
    olddir: str = Field(
        "",
        max_length=1000,
        description="Where rotation moves files, as logrotate's `olddir` says it: from the folder of each file, on the "
        "same device. Absent: they stay beside it.",
    )
    format: LogFormat | None = Field(
        None,
        description="How a line is read; absent: `combined`, `timed`, `common`, JSON or key=value, whichever reads the "
        "first lines.",
    )
    fields: dict[str, LogField] = Field({}, description="What fields are, where the format does not say.")
    urls: LogUrls | None = Field(None, description="How URLs become names of series; absent: as they are.")
    metrics: list[LogMetric] = Field(min_length=1, description="What is counted.")
    alarms: list[AlarmSettings] = Field([], max_length=200, description="When people and rules are told of a metric.")
    resource: LogResource | None = Field(None, description="Whom alarms are about; absent: the log itself.")
    group: str = Field(
        "",
        description="The group whose load this is, for the planner, as `cloudheal instances` shows it: `tag:app=shop`.",
    )
    late: Duration = Field(
        duration_of("1m"), description="How long a minute waits for lines that come late; at most `1h`."
    )
    ahead: Duration = Field(
        duration_of("5m"),
        description="How far the clock of whoever writes may be ahead of ours; lines of later times are not counted. "
        "At most `30m`.",
    )

    @property
    def is_watched(self) -> bool:
        """Say whether alarms are evaluated: its own, or the one on metrics that have more series than they may have."""
        return bool(self.alarms) or any(one.by for one in self.metrics)

    @property
    def alarm_names(self) -> list[str]:
        """The names of the alarms that are evaluated."""
        return [*(one.name for one in self.alarms), *([f"{TOO_MANY}{self.name}"] if self.is_watched else [])]

    @field_validator("files")
    @classmethod
    def _beside_the_file(cls, files: list[str], info: ValidationInfo) -> list[str]:
        base = (info.context or {}).get("folder", Path.cwd())
        return [str(base / one) for one in files]

    @field_validator("late", "ahead")
    @classmethod
    def _soon(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        most = MOST_LATE if info.field_name == "late" else MOST_AHEAD
        if value > most:
            raise ValueError(f"expected at most {written(most)}, got {written(value)}")
        return value

    @field_validator("metrics")
    @classmethod
    def _named_once(cls, metrics: list[LogMetric]) -> list[LogMetric]:
        names = [one.name for one in metrics]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two metrics are named {', '.join(doubled)}")
        return metrics

    @field_validator("alarms")
    @classmethod
    def _watch_what_there_is(cls, alarms: list[AlarmSettings], info: ValidationInfo) -> list[AlarmSettings]:
        metrics: list[LogMetric] = info.data.get("metrics", [])
        found = [_unwatchable(one, metrics) for one in alarms] if metrics else []
        told = [finding((number, field), problem) for number, (field, problem) in enumerate(found) if problem]
        if told:
            raise ValidationError.from_exception_data(cls.__name__, told)
        return alarms


def _unwatchable(alarm: AlarmSettings, metrics: list[LogMetric]) -> tuple[str, str]:
    """Return the field because of which an alarm can watch nothing, and why; nothing of both when it can."""
    found = next((one for one in metrics if one.name == alarm.metric), None)
    if found is None:
        names = [one.name for one in metrics]
        return "metric", f"{alarm.name}: no metric is called {alarm.metric}{meant(alarm.metric, names)}"
    values = [*(one.name for one in found.measures if one.function != "distribution"), *found.derived]
    if alarm.value not in values:
        known = f"; there are {', '.join(values)}" if values else ""
        return "value", f"{alarm.name}: {found.name} has no value {alarm.value}{meant(alarm.value, values)}{known}"
    if alarm.minutes is not None and alarm.minutes not in found.minutes:
        known = ", ".join(map(str, found.minutes))
        missing = f"{found.name} has windows of {known} min and none of {alarm.minutes}: add it to `minutes`"
        return "minutes", f"{alarm.name}: {missing}"
    strange = sorted(alarm.series.keys() - set(found.by))
    return ("series", f"{alarm.name}: {found.name} is not grouped by {', '.join(strange)}") if strange else ("", "")


def _translated(metric: dict[str, Any]) -> dict[str, Any]:
    """Return a metric with what CloudMonitor says otherwise put as we do, under its own key. Raises ValueError."""
    refused = [f"{key}: {advice}" for key, advice in _OF_THE_CLOUD.items() if key in metric]
    if refused:
        raise ValueError("; ".join(refused))
    found = {key: _READERS[key](value) if key in _READERS else value for key, value in metric.items()}
    relation = str(found.pop("ValueFilterRelation", "and")).lower()
    if "ValueFilter" in found:
        found["ValueFilter"] = {relation: found["ValueFilter"]}
    return found


def _group_fields(groups: Any) -> Any:
    """Read `[{FieldName, Alias}]`."""
    if not isinstance(groups, list):
        return groups
    renamed = [one for one in groups if isinstance(one, dict) and one.get("Alias") not in {None, one.get("FieldName")}]
    if renamed:
        raise ValueError(f"Groupbys: a field keeps its name; leave out the Alias of {renamed[0].get('FieldName')}")
    return [one.get("FieldName") if isinstance(one, dict) else one for one in groups]


def _window_minutes(windows: Any) -> Any:
    """Read `"60,300"`, in seconds."""
    found = [one.strip() for one in str(windows).split(",")]
    whole = all(one.isdigit() and int(one) % 60 == 0 for one in found)
    return [int(one) // 60 for one in found] if whole else windows


def _expressions(express: Any) -> Any:
    """Read `{"extend": {"name": "expression"}}`, also as text."""
    try:
        document = json.loads(express) if isinstance(express, str) else express
    except ValueError:
        raise ValueError(f'MetricExpress: expected {{"extend": {{"name": "expression"}}}}, got {express!r}') from None
    return document.get("extend", document) if isinstance(document, dict) else document


_READERS = {"Groupbys": _group_fields, "Tumblingwindows": _window_minutes, "MetricExpress": _expressions}
