"""How the healer itself is watched. The watcher's URL is a secret, so it stands in the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cloudheal.settings.durations import Duration, duration_of
from cloudheal.settings.part import Part


class CanarySettings(Part):
    """Messages of our own through every queue, to prove that what is sent there arrives here."""

    every: Duration = Field(duration_of("5m"), description="How often one is sent.")
    within: Duration = Field(duration_of("2m"), description="When one that is still away counts as missing.")


class DeadManSettings(Part):
    """A call to a watcher outside, which raises the alarm when the calls stop."""

    url_env: str = Field(
        description="Environment variable that holds the URL, which is a secret.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"
    )
    every: Duration = Field(duration_of("1m"), description="How often it is called while all is well.")
    method: Literal["GET", "POST"] = Field("GET", description="How it is called.")


class WatchSettings(Part):
    """How the healer itself is watched."""

    canary: CanarySettings | None = Field(None, description="Messages of our own through every queue; absent: none.")
    dead_man: DeadManSettings | None = Field(None, description="A call to a watcher outside; absent: none.")
    queue_age: Duration = Field(duration_of("5m"), description="A message that waits longer in a queue is told.")
    escalate_after: Duration = Field(duration_of("1h"), description="A run that waits longer is told to people once.")
    listener_call: Duration = Field(
        duration_of("1m"), description="A listener that is busy with one event for longer is unhealthy, and logged."
    )
    disk_floor_mb: int = Field(200, ge=0, description="Less free space beside the SQLite file is unhealthy.")
