"""The refusals of TAT: codes as the service's error lists have them, wording from general knowledge (UNVERIFIED)."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Refusal

ROLE_NOT_FOUND = Refusal(
    "ResourceNotFound.RoleNotFound",
    "The role {role} does not exist. Create the service-linked role of command.tat.cloud.tencent.com in CAM.",
    "角色 {role} 不存在，请在访问管理中创建 command.tat.cloud.tencent.com 的服务相关角色。",
)
NO_AGENT = Refusal(
    "ResourceUnavailable.AgentNotInstalled", "Agent is not installed on `{id}`.", "实例 `{id}` 未安装 Agent。"
)
AGENT_OFFLINE = Refusal(
    "ResourceUnavailable.AgentStatusNotOnline", "Agent of `{id}` is not online.", "实例 `{id}` 的 Agent 不在线。"
)
NOT_RUNNING = Refusal(
    "ResourceUnavailable.InstanceStateNotRunning", "Instance `{id}` is not running.", "实例 `{id}` 不在运行中。"
)
INSTANCE_NOT_FOUND = Refusal(
    "ResourceNotFound.InstanceNotFound", "Instance `{id}` is not found.", "实例 `{id}` 不存在。"
)
BAD_INSTANCE_ID = Refusal(
    "InvalidParameterValue.InvalidInstanceId", "Instance id `{id}` is invalid.", "实例 ID `{id}` 无效。"
)
MIXED_INSTANCES = Refusal(
    "InvalidParameterValue.InconsistentInstance", "Instances are not of one kind.", "实例类型不一致。"
)
COMMAND_NOT_FOUND = Refusal("ResourceNotFound.CommandNotFound", "Command `{id}` is not found.", "命令 `{id}` 不存在。")
INVOCATION_NOT_FOUND = Refusal(
    "ResourceNotFound.InvocationNotFound", "Invocation `{id}` is not found.", "执行活动 `{id}` 不存在。"
)
BAD_INVOCATION_ID = Refusal(
    "InvalidParameterValue.InvalidInvocationId", "Invocation id `{id}` is invalid.", "执行活动 ID `{id}` 无效。"
)
BAD_CONTENT = Refusal(
    "InvalidParameterValue.InvalidContent",
    "Content must be Base64 and at most 64 KB.",
    "Content 需要 Base64 编码，且不超过 64KB。",
)
BAD_NAME = Refusal(
    "InvalidParameterValue.InvalidCommandName",
    "CommandName takes letters, digits, Chinese characters, `_`, `-` and `.`, at most 60 bytes.",
    "CommandName 仅支持中文、英文字母、数字、下划线、分隔符“-”和小数点，不超过 60 个字节。",
)
BAD_USERNAME = Refusal("InvalidParameterValue.InvalidUsername", "Username is invalid.", "Username 无效。")
BAD_DIRECTORY = Refusal(
    "InvalidParameterValue.InvalidWorkingDirectory", "WorkingDirectory is invalid.", "WorkingDirectory 无效。"
)
UNSUPPORTED_TYPE = Refusal(
    "InvalidParameterValue.AgentUnsupportedCommandType",
    "The agent does not support commands of type {type}.",
    "Agent 不支持 {type} 类型的命令。",
)
OUT_OF_RANGE = Refusal(
    "InvalidParameterValue.Range", "`{name}` must be from {least} to {most}.", "`{name}` 取值范围为 {least} 至 {most}。"
)
TOO_MANY = Refusal(
    "InvalidParameterValue.LimitExceeded", "`{name}` takes at most {limit}.", "`{name}` 最多 {limit} 个。"
)
TOO_LONG = Refusal("InvalidParameterValue.TooLong", "`{name}` is longer than {limit}.", "`{name}` 长度超过 {limit}。")
PARAMETERS_DISABLED = Refusal(
    "InvalidParameterValue.ParameterDisabled", "The command takes no parameters.", "命令未启用自定义参数。"
)
ONLY_WITH_PARAMETERS = Refusal(
    "InvalidParameterValue.SupportParametersOnlyIfEnableParameter",
    "Parameters are supported only if EnableParameter is true.",
    "EnableParameter 为 true 时才支持 Parameters。",
)
NOT_JSON = Refusal(
    "InvalidParameterValue.ParameterInvalidJsonFormat", "`{name}` is not a JSON object.", "`{name}` 不是 JSON 对象。"
)
BAD_KEY = Refusal(
    "InvalidParameterValue.ParameterKeyContainsInvalidChar",
    "Parameter keys take letters, digits, `-` and `_`.",
    "参数名仅支持字母、数字、“-”和“_”。",
)
KEY_TOO_LONG = Refusal(
    "InvalidParameterValue.ParameterKeyLenExceeded",
    "A parameter key has at most 64 characters.",
    "参数名不超过 64 个字符。",
)
TOO_MANY_PARAMETERS = Refusal(
    "InvalidParameterValue.ParameterNumberExceeded", "A command has at most 20 parameters.", "参数最多 20 个。"
)
VALUE_NOT_TEXT = Refusal(
    "InvalidParameterValue.ParameterValueNotString", "Parameter values must be strings.", "参数值必须是字符串。"
)
MISSING_VALUES = Refusal(
    "InvalidParameterValue.LackOfParameterInfo", "Values are missing for: {names}.", "缺少参数值：{names}。"
)
CONFLICT = Refusal(
    "InvalidParameter.ConflictParameter",
    "`{one}` and `{other}` exclude each other.",
    "`{one}` 与 `{other}` 不能同时指定。",
)
BAD_FILTER = Refusal(
    "InvalidParameterValue.InvalidFilter", "The filter `{name}` is invalid.", "过滤条件 `{name}` 无效。"
)
FILTER_EXCEEDED = Refusal(
    "LimitExceeded.FilterValueExceeded", "A filter takes at most {limit} values.", "过滤条件的值最多 {limit} 个。"
)
