"""CloudMonitor's refusals; codes and statuses from aliyun.md 5, wording from general knowledge."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

PARAMETER_INVALID = Refusal(400, "ParameterInvalid", "The request parameter is invalid.")
RESOURCE_NOT_FOUND = Refusal(404, "ResourceNotFound", "The specified resource is not found.")
TOO_MANY_TARGETS = Refusal(400, "ParameterInvalid", "A rule may have at most 5 targets of one kind.")
BAD_SQL_FILTER = Refusal(400, "ParameterInvalid", "The specified parameter SQLFilter is not valid.")
