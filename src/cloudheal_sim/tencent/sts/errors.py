"""The refusals of STS; wording from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Refusal

INVALID_ROLE = Refusal(
    "InvalidParameter.ParamError", "The parameter RoleArn is wrongly formed.", "参数 RoleArn 格式错误。"
)
