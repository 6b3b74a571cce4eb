"""Wire in: the parameters of the STS calls."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.sts.errors import INVALID_DURATION


class GetCallerIdentity(RpcRequest):
    """Who signed this call."""


class AssumeRole(RpcRequest):
    """Temporary keys for a role."""

    IGNORED = "Policy ExternalId SourceIdentity"
    REFUSALS: ClassVar[dict[str, Refusal]] = {"DurationSeconds": INVALID_DURATION}

    role_arn: str
    role_session_name: str = Field(min_length=2, max_length=64)
    duration_seconds: int = Field(3600, ge=900, le=43200)
