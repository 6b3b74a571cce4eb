"""Refusals: the error answers of API 3.0, as values that services name and raise.

Each service lists its own in its `errors.py`; the ones here are the gateway's. The code is the contract; the message
is in the language that the call asks for (`X-TC-Language`), and its wording is general knowledge where no source gave
it. Every refusal travels with HTTP 200.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloudheal_sim.kernel.faults import Kind

if TYPE_CHECKING:
    from cloudheal_sim.kernel.faults import Fault


class Refusal(NamedTuple):
    """One documented error answer, in English and Chinese."""

    code: str
    english: str
    chinese: str

    def about(self, **facts: object) -> Refusal:
        """Return the refusal with the names in its messages filled in."""
        return Refusal(self.code, self.english.format(**facts), self.chinese.format(**facts))

    def message(self, language: str) -> str:
        """Return the message in the language asked for; English unless that is Chinese."""
        return self.chinese if language.lower().startswith("zh") else self.english


class Refused(Exception):
    """Raised by an action that answers with a refusal; `facts` fill the names in its messages."""

    def __init__(self, refusal: Refusal, **facts: object) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal.about(**facts) if facts else refusal


MISSING_PARAMETER = Refusal(
    "MissingParameter",
    "The request is missing a required parameter `{name}`.",
    "请求缺少必选参数 `{name}`。",
)
INVALID_PARAMETER = Refusal(
    "InvalidParameter",
    "The value or the type of parameter `{name}` is not valid.",
    "参数 `{name}` 的取值或类型不合法。",
)
INVALID_VALUE = Refusal(
    "InvalidParameterValue",
    "The value of parameter `{name}` is not valid.",
    "参数 `{name}` 取值错误。",
)
UNKNOWN_PARAMETER = Refusal(
    "UnknownParameter",
    "The parameter `{name}` is not recognized.",
    "参数 `{name}` 无法识别。",
)
NOT_JSON = Refusal(
    "InvalidParameter",
    "The request body is not a JSON object: {reason}.",
    "请求内容不是 JSON 对象：{reason}。",
)
INVALID_AUTHORIZATION = Refusal(
    "AuthFailure.InvalidAuthorization",
    "The Authorization of the request does not comply with the standard: {reason}.",
    "请求头部的 Authorization 不符合腾讯云标准：{reason}。",
)
UNKNOWN_SECRET_ID = Refusal(
    "AuthFailure.SecretIdNotFound",
    "The SecretId is not found, please ensure that your SecretId is correct.",
    "密钥不存在，请检查 SecretId 是否正确。",
)
SIGNATURE_EXPIRED = Refusal(
    "AuthFailure.SignatureExpire",
    "The signature has expired: the timestamp {given} is more than five minutes from the server time {now}.",
    "签名过期：时间戳 {given} 与服务器时间 {now} 相差超过五分钟。",
)
SIGNATURE_MISMATCH = Refusal(
    "AuthFailure.SignatureFailure",
    "The provided credentials could not be validated. Please check your signature is correct.",
    "请求签名验证失败，请检查签名计算是否正确。",
)
TOKEN_FAILURE = Refusal(
    "AuthFailure.TokenFailure",
    "The token of the request is missing, wrong or expired.",
    "请求的临时凭证 token 缺失、错误或已过期。",
)
UNKNOWN_VERSION = Refusal(
    "NoSuchVersion",
    "The requested version `{version}` does not exist.",
    "接口版本 `{version}` 不存在。",
)
UNKNOWN_ACTION = Refusal(
    "InvalidAction",
    "The request action=`{action}` is invalid or does not match version {version}.",
    "接口 `{action}` 不存在或与版本 {version} 不匹配。",
)
UNKNOWN_REGION = Refusal(
    "UnsupportedRegion",
    "The requested region `{region}` is not supported by this action.",
    "接口不支持所传地域 `{region}`。",
)
UNSUPPORTED_METHOD = Refusal(
    "UnsupportedProtocol",
    "The HTTP method {method} is not supported, use GET or POST.",
    "不支持 HTTP 方法 {method}，请使用 GET 或 POST。",
)
TOO_MANY_REQUESTS = Refusal(
    "RequestLimitExceeded",
    "Your current request times equals to `{used}` in a second, which exceeds the frequency limit `{limit}` for a "
    "second. Please reduce the frequency of calls.",
    "您当前每秒请求 `{used}` 次，超过了每秒频率上限 `{limit}` 次，请稍后重试。",
)
DRY_RUN = Refusal(
    "DryRunOperation",
    "The request would have succeeded without DryRun.",
    "DryRun 操作，请求将会是成功的，只是多传了 DryRun 参数。",
)
INTERNAL_ERROR = Refusal("InternalError", "An internal error has occurred. Retry your request.", "内部错误。")
FAILED_OPERATION = Refusal("FailedOperation", "The operation failed.", "操作失败。")
UNAVAILABLE = Refusal("ServiceUnavailable", "The service is temporarily unavailable.", "当前服务暂时不可用。")
BODY_TOO_LARGE = Refusal(
    "RequestSizeLimitExceeded",
    "The request body is larger than what the service takes.",
    "请求包超过限制大小。",
)
UNREADABLE = Refusal("InvalidRequest", "The request could not be read.", "请求无法解析。")


def missing(name: str) -> Refused:
    """Refuse because the parameter `name` is not supplied."""
    return Refused(MISSING_PARAMETER, name=name)


def invalid(name: str) -> Refused:
    """Refuse because the parameter `name` holds something else than it may."""
    return Refused(INVALID_VALUE, name=name)


def asked(usual: Refusal, fault: Fault | None) -> Refusal:
    """Return the refusal that an injected fault asks for: the usual one, where the fault says nothing else."""
    if fault is None:
        return usual
    said = fault.message
    return Refusal(fault.code or usual.code, said or usual.english, said or usual.chinese)


def broken(fault: Fault) -> Refusal:
    """Return how a service that is made to fail says so: 503 has words of its own, `error` alone is the caller's."""
    if fault.kind is Kind.ERROR:
        return asked(FAILED_OPERATION, fault)
    return asked(UNAVAILABLE if fault.status == 503 else INTERNAL_ERROR, fault)
