"""The refusals of ActionTrail; codes from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

INVALID_TOKEN = Refusal(400, "InvalidParameterNextToken", "The specified NextToken is invalid.")
INVALID_TIME = Refusal(400, "InvalidParameterStartTime", "The specified time range is invalid.")
INVALID_DIRECTION = Refusal(400, "InvalidQueryParameter", "The specified Direction is invalid.")
