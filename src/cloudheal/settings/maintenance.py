"""When planned maintenance is done: windows, preferences and limits, for every group and for single ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator

from cloudheal.model.plan import Prefer
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.load import LoadSettings
from cloudheal.settings.part import Part
from cloudheal.settings.windows import WindowSettings

#: A slot that has begun is never looked for further back than this.
MOST_CATCH_UP = timedelta(hours=1)


class GroupTerms(Part):
    """What servers of a group agree to."""

    windows: list[WindowSettings] = Field(
        [], description="When their maintenance is done. Absent: at any time before the deadline."
    )
    at_once: int = Field(1, ge=1, le=1000, description="Members under maintenance at the same time.")
    prefer: Prefer = Field(
        Prefer.LAST, description="`last`: the last window before the deadline; `first`: the first one."
    )
    load: LoadSettings | None = Field(
        None, description="Usual traffic, so that servers are rebooted when there is little; absent: not known."
    )


class NamedTerms(GroupTerms):
    """What one group agrees to."""

    group: str = Field(min_length=1, description="The group, as `cloudheal instances` shows it.")


class MaintenanceSettings(GroupTerms):
    """Planned maintenance: the terms of every group that `groups` does not name, and limits over all of them."""

    servers_at_once: int = Field(5, ge=1, le=10_000, description="Servers under maintenance at once, over all groups.")
    servers_per_hour: int = Field(30, ge=1, le=100_000, description="Servers that begin within any hour.")
    margin: Duration = Field(
        duration_of("30m"), description="What must remain between the expected end and the cloud's own time."
    )
    catch_up: Duration = Field(
        duration_of("15m"), description="How late a slot may still be taken up, after an outage; at most `1h`."
    )
    groups: list[NamedTerms] = Field([], description="Groups with terms of their own.")

    @field_validator("catch_up")
    @classmethod
    def _soon(cls, value: timedelta) -> timedelta:
        if not timedelta() < value <= MOST_CATCH_UP:
            msg = f"expected more than 0s and at most {written(MOST_CATCH_UP)}, got {written(value)}"
            raise ValueError(msg)
        return value

    @field_validator("groups")
    @classmethod
    def _named_once(cls, groups: list[NamedTerms]) -> list[NamedTerms]:
        names = [one.group for one in groups]
        if len(set(names)) < len(names):
            msg = "a group is named twice"
            raise ValueError(msg)
        return groups

    def members_at_once(self, group: str) -> int:
        """Return how many members of a group may be under maintenance at the same time."""
        return next((one.at_once for one in self.groups if one.group == group), self.at_once)

    def in_zone(self, timezone: str) -> Self:
        """Return the same with a zone in every window that names none."""
        groups = [one.model_copy(update=_in_zone(one, timezone)) for one in self.groups]
        return self.model_copy(update={**_in_zone(self, timezone), "groups": groups})


def _in_zone(terms: GroupTerms, timezone: str) -> dict[str, object]:
    """Return what changes in terms when those who name no zone get one."""
    windows = [one.in_zone(timezone) for one in terms.windows]
    return {"windows": windows, "load": terms.load.in_zone(timezone) if terms.load else None}
