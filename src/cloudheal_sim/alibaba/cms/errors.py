"""CloudMonitor's refusals; codes and statuses from aliyun.md 5, wording from general knowledge."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

PARAMETER_INVALID = Refusal(400, "ParameterInvalid", "The request parameter is invalid.")
