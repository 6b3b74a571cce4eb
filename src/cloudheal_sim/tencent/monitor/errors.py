"""The refusals of Cloud Monitor: codes of the service's error lists, wording from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Refusal

BAD_NAMESPACE = Refusal(
    "InvalidParameterValue", "The namespace `{name}` is not supported.", "命名空间 `{name}` 不支持。"
)
BAD_METRIC = Refusal("InvalidParameterValue", "The metric `{name}` does not exist.", "指标 `{name}` 不存在。")
BAD_PERIOD = Refusal(
    "InvalidParameterValue",
    "The period {period} is not supported; it is one of {periods}.",
    "统计周期 {period} 不支持。",
)
BAD_TIME = Refusal(
    "InvalidParameterValue", "`{name}` is not an ISO 8601 time, or out of order.", "`{name}` 不是合法的时间。"
)
TOO_MANY_POINTS = Refusal(
    "InvalidParameterValue", "A request gives at most {limit} points.", "单次请求的数据点数不超过 {limit}。"
)
TOO_MANY_INSTANCES = Refusal(
    "InvalidParameterValue", "A request takes at most {limit} instances.", "单次请求最多 {limit} 个实例。"
)
BAD_MODULE = Refusal("InvalidParameterValue", "Module must be `monitor`.", "Module 固定为 `monitor`。")
