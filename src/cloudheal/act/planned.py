"""Parameters that every playbook takes whose runs wait for a slot: how long it lasts, and who does it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.model.plan import TooLate
from cloudheal.settings.durations import Duration, duration_of


class PlannedParameters(BaseModel):
    """What the planner needs to know; a planned playbook's own parameters extend these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lasts: Duration = Field(duration_of("15m"), description="How long the work is expected to take on one server.")
    too_late: TooLate = Field(
        TooLate.ASK,
        description="When no slot is left before the deadline: `act_now`, `ask`, or `platform` lets the cloud do it.",
    )
    leave: bool = Field(default=False, description="The cloud does it in its own time; we only watch and record.")
