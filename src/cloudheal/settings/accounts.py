"""The cloud accounts: who they are, where their keys, events and servers come from, what a queue is read like.

Keys never stand in the file: an account names the environment variables that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import Field, ValidationInfo, field_validator

from cloudheal.model.resource import Cloud
from cloudheal.settings.durations import Duration
from cloudheal.settings.kafka import KafkaSettings
from cloudheal.settings.part import Part

#: Where each cloud's own tools look for keys, by the field that names the variable.
USUAL_VARIABLES: Mapping[tuple[Cloud | None, str | None], str] = {
    (Cloud.ALIBABA, "access_key_id_env"): "ALIBABA_CLOUD_ACCESS_KEY_ID",
    (Cloud.ALIBABA, "access_key_secret_env"): "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    (Cloud.ALIBABA, "token_env"): "ALIBABA_CLOUD_SECURITY_TOKEN",
    (Cloud.TENCENT, "access_key_id_env"): "TENCENTCLOUD_SECRET_ID",
    (Cloud.TENCENT, "access_key_secret_env"): "TENCENTCLOUD_SECRET_KEY",
    (Cloud.TENCENT, "token_env"): "TENCENTCLOUD_TOKEN",
}


#: How each cloud writes a role, and an example with the account's number to be filled in.
ROLES: Mapping[Cloud, tuple[re.Pattern[str], str]] = {
    Cloud.TENCENT: (
        re.compile(r"qcs::cam::uin/(?P<id>\d+):roleName/(?P<name>[A-Za-z0-9_.-]{1,128})"),
        "qcs::cam::uin/{}:roleName/cloudheal",
    ),
    Cloud.ALIBABA: (
        re.compile(r"acs:ram::(?P<id>\d+):role/(?P<name>[A-Za-z0-9_.-]{1,64})"),
        "acs:ram::{}:role/cloudheal",
    ),
}


class QueueSettings(Part):
    """One message queue."""

    endpoint: str = Field(description="The queue service's base URL.", pattern=r"^https?://")
    name: str = Field("ecs-cms-event", description="The queue's name.", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,119}$")
    wait_seconds: int = Field(5, ge=0, le=30, description="Long poll.")
    batch: int = Field(16, ge=1, le=16, description="Messages in one call.")
    receivers: int = Field(
        2, ge=1, le=16, description="Connections that take messages at the same time; what they hold is one commit."
    )
    visibility_seconds: int = Field(
        30, ge=2, le=43_200, description="For how long messages in hand are kept from others, again and again."
    )
    urgent: str = Field(
        "",
        description="A second queue at the same endpoint that holds only what cannot wait, which is interruptions: "
        "they are taken from there however much waits in the other one. Empty: there is none.",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9-]{0,119}|)$",
    )

    @field_validator("urgent")
    @classmethod
    def _another(cls, value: str, info: ValidationInfo) -> str:
        if value and value == info.data.get("name"):
            msg = "expected the name of another queue, got that of this one"
            raise ValueError(msg)
        return value

    @property
    def for_urgent(self) -> Self | None:
        """The queue of what cannot wait; None when there is none."""
        return self.model_copy(update={"name": self.urgent, "urgent": ""}) if self.urgent else None


class AccountSettings(Part):
    """One cloud account. Events of accounts that are not listed are refused."""

    name: str = Field(description="What operators call it.", min_length=1, max_length=64)
    cloud: Cloud = Field(description="alibaba or tencent.")
    id: str = Field(description="The account's number (UID) as events carry it.", pattern=r"\d{6,20}")
    regions: list[str] = Field(description="Regions watched.", min_length=1)
    app_id: str = Field(
        "",
        description="Tencent Cloud's APPID of the account: events carry it in place of the account's number (UIN), "
        "which is `id`. Empty: they carry the same.",
        pattern=r"^(\d{6,20}|)$",
    )
    access_key_id_env: str = Field(
        "",
        validate_default=True,
        description="Environment variable that holds the access key id; empty: ALIBABA_CLOUD_ACCESS_KEY_ID or "
        "TENCENTCLOUD_SECRET_ID.",
    )
    access_key_secret_env: str = Field(
        "",
        validate_default=True,
        description="Environment variable that holds the access key secret; empty: ALIBABA_CLOUD_ACCESS_KEY_SECRET or "
        "TENCENTCLOUD_SECRET_KEY.",
    )
    token_env: str = Field(
        "",
        validate_default=True,
        description="Environment variable that may hold the token of short-lived keys (STS), such as those of a role; "
        "empty: ALIBABA_CLOUD_SECURITY_TOKEN or TENCENTCLOUD_TOKEN.",
    )
    role: str = Field(
        "",
        description="Role that the keys take on, `acs:ram::UID:role/NAME` or `qcs::cam::uin/UIN:roleName/NAME`: its "
        "short-lived keys sign every call and are fetched anew before they run out. Empty: the keys themselves sign.",
    )
    endpoint: str | None = Field(
        None, description="Base URL in place of the vendor's, such as a simulator's.", pattern=r"^https?://"
    )
    group_by: str = Field(
        "server_group",
        description="What makes servers a group for shares and storms: `tag:KEY`, `server_group` (of a balancer), "
        "`monitor_group` (an application group of CloudMonitor, Alibaba Cloud only) or `rule`. Those in no group: the "
        "servers that a rule selects.",
        pattern=r"^(tag:.{1,128}|server_group|monitor_group|rule|)$",
    )
    hold_tag: str = Field(
        "cloudheal:hold",
        description="Key of the tag by which somebody holds a server: any value, or the time until which it holds.",
        min_length=1,
        max_length=128,
    )
    desired_tag: str = Field(
        "cloudheal:desired",
        description="Key of the tag that says whether a server is meant to run: `on` or `off`; goes before the rule.",
        min_length=1,
        max_length=128,
    )
    audit_trail: bool = Field(
        default=False,
        description="Ask ActionTrail who stopped a server; needs its permission; Alibaba Cloud only. UNVERIFIED.",
    )
    calls_per_second: float = Field(10, gt=0, le=1000, description="Calls of each API in this account, on average.")
    vsever_group_id: str = Field(
        "", description="From the vendor's old sample: accepted and not used, and `check` says so. Groups are found."
    )
    silent_after: Duration | None = Field(
        None, description="People are told when no event of this account came for so long; absent: never."
    )
    queue: QueueSettings | None = Field(
        None, description="The MNS queue that CloudMonitor delivers this account's events to; Alibaba Cloud only."
    )
    kafka: KafkaSettings | None = Field(
        None,
        description="The topic of CKafka that EventBridge delivers this account's events to; Tencent Cloud only.",
    )

    @property
    def inlets(self) -> tuple[QueueSettings | KafkaSettings, ...]:
        """Where its events are fetched from, what cannot wait first; none when they are brought, or only looked for."""
        urgent = self.queue.for_urgent if self.queue else None
        return tuple(one for one in (urgent, self.queue, self.kafka) if one is not None)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Name the environment variables that hold its keys; the last of them may be unset."""
        names = (self.access_key_id_env, self.access_key_secret_env, self.token_env)
        return tuple(name for name in names if name)

    @field_validator("access_key_id_env", "access_key_secret_env", "token_env")
    @classmethod
    def _usual(cls, value: str, info: ValidationInfo) -> str:
        """Take the variables that each cloud's own tools read."""
        return value or USUAL_VARIABLES.get((info.data.get("cloud"), info.field_name), "")

    @field_validator("role")
    @classmethod
    def _of_this_account(cls, value: str, info: ValidationInfo) -> str:
        """Refuse what is no role, and a role of another account: its calls would see other servers."""
        cloud, id_ = info.data.get("cloud"), info.data.get("id")
        if not value or cloud is None or id_ is None:
            return value
        found, form = ROLES[cloud][0].fullmatch(value), ROLES[cloud][1]
        if found is None:
            msg = f"expected a role such as {form.format(id_)}, got {value!r}"
            raise ValueError(msg)
        if found["id"] != id_:
            msg = f"the role is of account {found['id']}, and id: of this one is {id_}; correct one of them"
            raise ValueError(msg)
        return value

    @field_validator("queue", "audit_trail", "group_by")
    @classmethod
    def _offered(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what only the other cloud has."""
        asked = value == "monitor_group" if info.field_name == "group_by" else value
        if asked and info.data.get("cloud") is Cloud.TENCENT:
            msg = f"Tencent Cloud has no such {info.field_name}; leave it out"
            raise ValueError(msg)
        return value

    @field_validator("app_id", "kafka")
    @classmethod
    def _of_tencent(cls, value: object, info: ValidationInfo) -> object:
        if value and info.data.get("cloud") is not Cloud.TENCENT:
            what = {"app_id": "an APPID", "kafka": "events in a topic of CKafka"}[str(info.field_name)]
            msg = f"only accounts of Tencent Cloud have {what}; leave it out"
            raise ValueError(msg)
        return value
