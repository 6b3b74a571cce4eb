"""The refusals of ECS (aliyun.md 2.2 to 2.4); wording from general knowledge where no source gave it."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

INSTANCE_NOT_FOUND = Refusal(404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
INCORRECT_STATUS = Refusal(
    403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."
)
