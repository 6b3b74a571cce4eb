"""The refusals of CLB: codes as the service's error lists have them, wording from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Refusal

UNKNOWN_BALANCER = Refusal(
    "InvalidParameter.LBIdNotFound", "The load balancer `{id}` does not exist.", "负载均衡实例 `{id}` 不存在。"
)
UNKNOWN_LISTENER = Refusal(
    "InvalidParameter.ListenerIdNotFound", "The listener `{id}` does not exist.", "监听器 `{id}` 不存在。"
)
UNKNOWN_LOCATION = Refusal(
    "InvalidParameter.LocationNotFound", "The forwarding rule does not exist.", "转发规则不存在。"
)
MALFORMED = Refusal("InvalidParameter.FormatError", "The parameter `{name}` is malformed.", "参数 `{name}` 格式错误。")
TOO_MANY = Refusal(
    "InvalidParameterValue.Length",
    "The parameter `{name}` has more than {limit} items.",
    "参数 `{name}` 超过 {limit} 个。",
)
DUPLICATE = Refusal(
    "InvalidParameterValue.Duplicate", "The target `{target}` is there already.", "后端服务 `{target}` 重复。"
)
BAD_TARGET = Refusal(
    "InvalidParameterValue", "The target `{target}` cannot be used: {reason}.", "后端服务 `{target}` 无效：{reason}。"
)
BUSY = Refusal(
    "FailedOperation.ResourceInOperating",
    "Another task of the load balancer `{id}` is running.",
    "负载均衡实例 `{id}` 正在操作中，请稍后重试。",
)
UNKNOWN_TASK = Refusal("InvalidParameter", "The task `{id}` does not exist.", "任务 `{id}` 不存在。")
