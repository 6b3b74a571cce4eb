"""How logs are followed on a host, and how long what was counted is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from cloudheal.settings.durations import Duration, duration_of
from cloudheal.settings.part import Part


class FollowSettings(Part):
    """Following of log files."""

    host: str = Field(
        "",
        max_length=255,
        description="Name of this host, under which its lines are counted; empty: the system's. It must stay the same "
        "for as long as the files do, or they are read from their beginning.",
    )


class SeriesSettings(Part):
    """How long series of logs are kept; older ones are added up to longer windows before they leave."""

    minutes: Duration = Field(duration_of("31d"), description="Single minutes; then quarters of an hour.")
    quarters: Duration = Field(duration_of("92d"), description="Quarters of an hour; then hours.")
    hours: Duration = Field(duration_of("400d"), description="Hours; then they leave.")

    def kept_for(self, minutes: int) -> timedelta:
        """Return for how long windows of so many minutes can be told."""
        if minutes % 15:
            return self.minutes
        return self.quarters if minutes < 60 else self.hours

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.minutes < self.quarters < self.hours:
            msg = "expected minutes to be kept for less time than quarters, and these for less than hours"
            raise ValueError(msg)
        return self
