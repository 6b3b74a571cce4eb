"""The refusals of CVM: codes as the service's error lists have them, wording from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refusal, Refused

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance

ID_MALFORMED = Refusal(
    "InvalidInstanceId.Malformed", "The instance id `{id}` is malformed.", "实例 ID `{id}` 格式不正确。"
)
ID_NOT_FOUND = Refusal(
    "InvalidInstanceId.NotFound", "The instance `{id}` does not exist.", "没有找到相应的实例 `{id}`。"
)
IDS_AND_FILTERS = Refusal(
    "InvalidParameter",
    "InstanceIds and Filters cannot be given together.",
    "参数不支持同时指定 InstanceIds 和 Filters。",
)
UNKNOWN_FILTER = Refusal("InvalidFilter", "The filter `{name}` is not supported.", "无效的过滤器 `{name}`。")
TOO_MANY_VALUES = Refusal(
    "InvalidFilterValue.LimitExceeded",
    "A request takes at most 10 filters with 5 values each.",
    "每次请求的 Filters 上限为 10，Filter.Values 上限为 5。",
)
BAD_TIME = Refusal(
    "InvalidParameterValue.InvalidTimeFormat",
    "The time `{value}` is not in the form {form}.",
    "时间 `{value}` 格式错误，应为 {form}。",
)
TASK_RUNNING = Refusal(
    "MutexOperation.TaskRunning", "Another task of the instance `{id}` is running.", "实例 `{id}` 有任务正在执行。"
)
BOTH_FLAGS = Refusal(
    "InvalidParameterCombination",
    "StopType cannot be given together with `{name}`.",
    "参数 StopType 不能与 `{name}` 同时使用。",
)
NO_STOP_CHARGING = Refusal(
    "UnsupportedOperation.StoppedModeStopCharging",
    "The instance `{id}` does not support STOP_CHARGING.",
    "实例 `{id}` 不支持关机不收费。",
)
PROTECTED = Refusal(
    "UnsupportedOperation.InvalidInstanceNotSupportedProtectedInstance",
    "The instance `{id}` is protected against termination.",
    "实例 `{id}` 开启了实例保护，不支持此操作。",
)
WRONG_STATE = Refusal(
    "UnsupportedOperation.InstanceState{state}",
    "The instance `{id}` is in a state that does not allow the operation.",
    "实例 `{id}` 当前状态不支持此操作。",
)
NO_STOCK = Refusal(
    "ResourceInsufficient.SpecifiedInstanceType",
    "The instance type `{type}` is sold out in zone `{zone}`.",
    "实例机型 `{type}` 在可用区 `{zone}` 库存不足。",
)
BAD_IMAGE = Refusal(
    "InvalidParameterValue.InvalidImageId", "The image `{id}` does not exist.", "指定的镜像 `{id}` 不存在。"
)
BAD_TYPE = Refusal(
    "InvalidParameterValue.InstanceTypeNotFound",
    "The type `{type}` does not exist.",
    "指定的实例机型 `{type}` 不存在。",
)
WRONG_ZONE = Refusal(
    "InvalidZone.MismatchRegion",
    "The zone `{zone}` is not in the region of the request.",
    "指定的可用区 `{zone}` 与地域不匹配。",
)
NO_TEMPLATE = Refusal(
    "InvalidParameterValue.LaunchTemplateIdNotExisted",
    "The launch template `{id}` does not exist.",
    "传入的实例启动模板 `{id}` 不存在。",
)
BAD_PERIOD = Refusal("InvalidPeriod", "The period `{value}` is not valid.", "购买时长 `{value}` 无效。")
PREPAID_TERMS = Refusal(
    "InvalidParameterCombination",
    "InstanceChargePrepaid belongs to InstanceChargeType PREPAID.",
    "InstanceChargePrepaid 与 InstanceChargeType 不匹配。",
)
BAD_USER_DATA = Refusal(
    "InvalidParameterValue.InvalidUserDataFormat",
    "UserData must be Base64 of at most 16 KB.",
    "UserData 需要 Base64 编码，且不超过 16KB。",
)
NAME_TOO_LONG = Refusal("InvalidInstanceName.TooLong", "The instance name is too long.", "实例名称过长。")
TOKEN_TOO_LONG = Refusal("InvalidClientToken.TooLong", "The ClientToken is too long.", "ClientToken 过长。")
BAD_TOKEN = Refusal(
    "InvalidParameterValue",
    "The ClientToken was used with other parameters.",
    "ClientToken 已用于其他参数的请求。",
)
NOT_AWAITING = Refusal(
    "InvalidParameter",
    "The task `{id}` is not awaiting authorization.",
    "任务 `{id}` 不是待授权状态。",
)
UNKNOWN_TASK = Refusal("InvalidParameter", "The task `{id}` does not exist.", "任务 `{id}` 不存在。")
BAD_ORDER_TIME = Refusal(
    "InvalidParameter",
    "OrderAuthTime must be at least 5 minutes and at most 48 hours from now, and not after the planned time.",
    "OrderAuthTime 需晚于当前时间 5 分钟、不超过 48 小时，且不晚于计划执行时间。",
)


def wrong_state(instance: Instance) -> Refused:
    """Refuse because of the instance's state: `UnsupportedOperation.InstanceStateRunning` and the like."""
    code = WRONG_STATE.code.format(state=instance.status.value.spoken)
    return Refused(WRONG_STATE._replace(code=code), id=instance.id)
