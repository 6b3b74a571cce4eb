"""Who is told what went wrong, and how often. Targets' URLs are secrets, so they stand in the environment."""

from __future__ import annotations

from pydantic import Field, field_validator

from cloudheal.settings.durations import Duration, duration_of
from cloudheal.settings.part import Part


class NotifyTarget(Part):
    """One place that people are told at. Its URL is a secret, so it stands in the environment, never here."""

    name: str = Field(description="What operators call it; logs say this.", min_length=1, max_length=64)
    url_env: str = Field(
        description="Environment variable that holds its Apprise URL, such as dingtalk://TOKEN or mailto://...",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )
    second: bool = Field(
        default=False,
        description="A second group of people: told only of what the first has left, alarms that nobody has "
        "acknowledged within `escalate_after` and runs that wait for too long.",
    )


class NotifySettings(Part):
    """Who is told what went wrong, and how often."""

    targets: list[NotifyTarget] = Field(
        [], description="Where notices go; those that are not `second` get every notice."
    )
    gather: Duration = Field(duration_of("5s"), description="How long notices of one incident are gathered.")
    mute: Duration = Field(duration_of("30m"), description="How long the same thing is not told again, only counted.")

    @field_validator("targets")
    @classmethod
    def _named_once(cls, targets: list[NotifyTarget]) -> list[NotifyTarget]:
        names = [one.name for one in targets]
        if len(set(names)) < len(names):
            msg = "two targets have one name"
            raise ValueError(msg)
        if targets and all(one.second for one in targets):
            msg = "every target is `second`; who is told first?"
            raise ValueError(msg)
        return targets
