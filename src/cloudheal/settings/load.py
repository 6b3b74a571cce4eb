"""Where the usual traffic of a week is known from: a file of values, a metric of the cloud's monitoring, or a log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.part import Part
from cloudheal.settings.windows import known_zone

#: Periods that are whole steps of the plan's grid and that clouds keep for weeks.
PERIODS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))


class MetricSettings(Part):
    """A metric of CloudMonitor."""

    account: str = Field("", description="The account's name; absent: the only one.")
    region: str = Field(min_length=1, description="The region that is asked.")
    namespace: str = Field(min_length=1, description="Such as `acs_slb_dashboard`.")
    name: str = Field(min_length=1, description="Such as `Qps`.")
    dimensions: dict[str, str] = Field({}, description="Whose metric: `{instanceId: lb-bp1shop, port: 443}`.")
    statistic: Literal["Average", "Maximum", "Minimum", "Sum", "Value"] = Field(
        "Average", description="Which value of each period."
    )

    @field_validator("dimensions", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """YAML reads a port as a number."""
        return {key: str(one) for key, one in value.items()} if isinstance(value, dict) else value


class LogLoad(Part):
    """A metric of a log: its lines a second are the load."""

    name: str = Field(min_length=1, description="The log, as `logs` names it.")
    metric: str = Field(min_length=1, description="One of its metrics, best without `by`: quick to read over weeks.")


class LoadSettings(Part):
    """The usual week, from one of three sources; what cannot be used is said with each slot, and stops no plan."""

    file: str | None = Field(
        None, description="Lines `time,load`; a time without a zone is in `timezone`. Relative to the settings file."
    )
    metric: MetricSettings | None = Field(None, description="A metric of CloudMonitor.")
    log: LogLoad | None = Field(None, description="A log that is counted here, or shipped here.")
    period: Duration = Field(duration_of("15m"), description="How long each value holds: 5m, 15m or 1h.")
    weeks: int = Field(4, ge=1, le=12, description="How many weeks are averaged.")
    max_age: Duration = Field(
        duration_of("14d"), description="When the newest value is older than this the profile is not used."
    )
    timezone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        None, description="Whose week it is; absent: the operator's."
    )

    @field_validator("file")
    @classmethod
    def _beside_the_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        base = (info.context or {}).get("folder", Path.cwd())
        return None if value is None else str(base / value)

    @field_validator("period")
    @classmethod
    def _on_the_grid(cls, value: timedelta) -> timedelta:
        if value not in PERIODS:
            msg = f"expected one of {', '.join(written(one) for one in PERIODS)}, got {written(value)}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.file, self.metric, self.log)) != 1:
            msg = "expected one of file, metric and log"
            raise ValueError(msg)
        return self

    @property
    def source(self) -> str:
        """What it is called in messages."""
        if self.log is not None:
            return f"log {self.log.name}/{self.log.metric}"
        return self.file or (f"{self.metric.namespace} {self.metric.name}" if self.metric else "")

    @property
    def span(self) -> timedelta:
        """How far back it is looked."""
        return timedelta(weeks=self.weeks)

    def in_zone(self, timezone: str) -> Self:
        """Return the same with a zone where there is none."""
        return self if self.timezone else self.model_copy(update={"timezone": timezone})
