"""Wire in: the parameters of the STS calls."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request


class GetCallerIdentity(Api3Request):
    """Who signed this call."""

    REGIONAL: ClassVar[bool] = False


class AssumeRole(Api3Request):
    """Temporary keys for a role."""

    IGNORED = "Policy ExternalId Tags SourceIdentity SerialNumber TokenCode"
    REGIONAL: ClassVar[bool] = False

    role_arn: str
    role_session_name: str = Field(min_length=2, max_length=128)
    duration_seconds: int = Field(7200, ge=0, le=43200)
