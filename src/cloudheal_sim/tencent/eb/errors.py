"""The refusals of EventBridge: codes of the service's error lists, wording of general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Refusal

NO_BUS = Refusal("ResourceNotFound.EventBus", "The event bus `{id}` does not exist.", "事件集 `{id}` 不存在。")
NO_RULE = Refusal("ResourceNotFound.Rule", "The rule `{id}` does not exist.", "事件规则 `{id}` 不存在。")
NO_TARGET = Refusal("ResourceNotFound.Target", "The target `{id}` does not exist.", "事件目标 `{id}` 不存在。")
BAD_EVENT = Refusal("InvalidParameterValue.InvalidEvent", "The event is invalid: {reason}.", "事件格式错误：{reason}。")
BAD_BUS = Refusal(
    "InvalidParameterValue.InvalidEventBus",
    "Events of one's own go to custom buses only.",
    "自定义事件只能投递到自定义事件集。",
)
BAD_PATTERN = Refusal(
    "InvalidParameterValue.InvalidPattern", "The event pattern is invalid: {reason}.", "事件模式无效：{reason}。"
)
NO_MATCH = Refusal("FailedOperation.ErrorFilter", "The event does not match the pattern.", "事件与事件模式不匹配。")
BAD_NAME = Refusal("InvalidParameterValue.RuleName", "A name has 2 to 60 characters.", "名称长度为 2 至 60 个字符。")
LIMIT = Refusal("LimitExceeded.ResourceLimit", "At most {limit} of these can be made.", "最多创建 {limit} 个。")
CLOUD_BUS = Refusal("OperationDenied", "The service event bus cannot be changed.", "云服务事件集不能修改。")
UNKNOWN_TYPE = Refusal("InvalidParameterValue", "The event type `{type}` is unknown.", "事件类型 `{type}` 不存在。")
