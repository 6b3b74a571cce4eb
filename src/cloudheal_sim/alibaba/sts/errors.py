"""The refusals of STS; statuses and codes from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

INVALID_DURATION = Refusal(
    400, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/12hours."
)
INVALID_ROLE = Refusal(400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
