"""The rule file: which events on which resources start which playbook, how far it is trusted, and its limits.

A missing limit is a default limit, never infinity. An empty selector selects nothing; `all: true` selects all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from cloudheal.model.incident import Mode
from cloudheal.settings.durations import Duration, duration_of
from cloudheal.settings.part import Part
from cloudheal.settings.windows import WindowSettings


class Selector(Part):
    """Which resources: every named field must match, one of its alternatives is enough. Patterns are shell patterns."""

    all: Literal[True] | None = Field(None, description="Select every resource; stands alone.")
    ids: list[str] = Field([], description="Resource ids.")
    names: list[str] = Field([], description="Names, with * and ? as wildcards.")
    regions: list[str] = Field([], description="Regions.")
    groups: list[str] = Field([], description="Groups, as group_by of the account forms them.")
    tags: dict[str, list[str]] = Field({}, description="Tag values by tag key.")

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.all and (self.ids or self.names or self.regions or self.groups or self.tags):
            msg = "all: true stands alone; leave it out to select by other fields"
            raise ValueError(msg)
        return self

    @property
    def selects_nothing(self) -> bool:
        """True when no field is named: such a rule never acts."""
        return not (self.all or self.ids or self.names or self.regions or self.groups or self.tags)


class Limits(Part):
    """How much a rule may do; all of them are counted durably and shared by every worker."""

    attempts: int = Field(3, ge=1, le=100, description="Attempts on one resource in `within`.")
    within: Duration = Field(duration_of("30m"), description="The window of `attempts`.")
    cool_down: Duration = Field(duration_of("5m"), description="Pause after an attempt on one resource.")
    flaps: int = Field(3, ge=1, le=100, description="Heals of one resource in `flap_window` that make it flapping.")
    flap_window: Duration = Field(duration_of("6h"), description="The window of `flaps`.")
    at_once: int = Field(5, ge=1, le=10_000, description="Resources under action at the same time, over all rules.")
    share: float = Field(0.2, gt=0, le=1, description="Share of a group that may be unhealthy or under action.")
    per_hour: int = Field(30, ge=1, le=100_000, description="Resources acted on in an hour, over all rules.")
    storm_share: float = Field(0.5, gt=0, le=1, description="Share of a group in trouble that makes a storm.")
    storm_members: int = Field(10, ge=2, description="Members in trouble that make a storm in a group of any size.")
    storm_window: Duration = Field(duration_of("5m"), description="The time in which they fell.")


class PowerSchedule(Part):
    """When resources are meant to run; outside of it they are meant to be off."""

    schedule: list[WindowSettings] = Field(description="On inside any of these windows.", min_length=1)


def _kind_of_desire(value: object) -> str:
    return "schedule" if isinstance(value, dict | PowerSchedule) else "on"


#: Told apart before they are read, so that a mistake is told once.
Desired = Annotated[
    Annotated[Literal["on"], Tag("on")] | Annotated[PowerSchedule, Tag("schedule")], Discriminator(_kind_of_desire)
]


class Rule(Part):
    """One rule."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$", description="Stable; decisions cite it.")
    when: dict[str, Any] = Field(
        description="Event pattern: source, type, status, level (CRITICAL, WARN, INFO), subject, kind, cloud, account, "
        "region, channel, simulated, and data with what the event holds."
    )
    resources: Selector = Field(description="Which resources the rule may touch.")
    playbook: str = Field(min_length=1, description="What is run.")
    parameters: dict[str, Any] = Field({}, alias="with", description="Parameters of the playbook.")
    mode: Mode = Field(Mode.SHADOW, description="shadow, ask or auto.")
    desired: Desired | None = Field(
        None, description="`on`: these resources are meant to run; a schedule: inside it on, outside of it off."
    )
    hours: list[WindowSettings] = Field(
        [], description="When the rule may act; outside of these windows it waits for the next one. Absent: always."
    )
    limits: Limits = Field(Limits(), description="How much the rule may do.")

    @field_validator("desired", mode="before")
    @classmethod
    def _as_written(cls, value: object) -> object:
        """YAML reads a bare `on` as true."""
        return "on" if value is True else value

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, which works out its digest by itself."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)
        return copied

    def in_zone(self, timezone: str) -> Rule:
        """Return the same rule with a zone in every window that names none."""
        hours = [one.in_zone(timezone) for one in self.hours]
        if not isinstance(self.desired, PowerSchedule):
            return self.model_copy(update={"hours": hours})
        schedule = [one.in_zone(timezone) for one in self.desired.schedule]
        return self.model_copy(update={"hours": hours, "desired": PowerSchedule(schedule=schedule)})

    @cached_property
    def digest(self) -> str:
        """What makes two versions of a rule different: anything but its mode."""
        document = self.model_dump(mode="json", exclude={"mode"})
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


class RuleFile(Part):
    """The whole file."""

    rules: list[Rule] = Field(description="The rules, in the order in which they are asked.")

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            msg = f"two rules are named {', '.join(doubled)}"
            raise ValueError(msg)
        return self
