"""Where log series and the ledger go besides our own store. Secrets stand in the environment; addresses hold none."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from cloudheal.settings.part import Part

_HTTP = re.compile(r"https?://[^\s/]+\S*")
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$"


#: Receivers of the ledger; all others take log series.
LEDGER_KINDS = ("webhook", "sls")


class OutletSettings(Part):
    """One receiver of log series, or of the ledger."""

    name: str = Field(
        description="Stable; how far it was served is kept under it.", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"
    )
    to: Literal["prometheus", "otlp", "clickhouse", "cloudheal", "webhook", "sls"] = Field(
        description="Log series: `prometheus`: remote-write; `otlp`: OpenTelemetry over HTTP, as JSON; `clickhouse`: "
        "its HTTP interface; `cloudheal`: another cloudheal, which adds up what its agents send. The ledger: "
        "`webhook`: signed, as JSON lines; `sls`: a Logstore of Alibaba Cloud's Simple Log Service."
    )
    url: str = Field(
        description="The whole address, such as http://prometheus:9090/api/v1/write, http://collector:4318/v1/metrics, "
        "http://clickhouse:8123 or https://cloudheal.example.com; of a Logstore its project's: "
        "https://PROJECT.cn-hangzhou.log.aliyuncs.com."
    )
    secret_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*|)$",
        description="Environment variable that holds the token, USER:PASSWORD, or the secret that shipments are signed "
        "with. Empty: none is shown; `cloudheal` and `webhook` need one, `sls` takes the keys of its account.",
    )
    auth: Literal["bearer", "basic"] = Field(
        "bearer", description="How the secret is shown; `cloudheal` and `webhook` sign instead."
    )
    source: str = Field(
        "",
        description="The name under which the receiver knows the sender, part of what is signed: of another cloudheal "
        "one of its `listen.sources` with the proof `signed`.",
    )
    table: str = Field(
        "cloudheal_log", pattern=_TABLE, description="The table of ClickHouse, made when it is not there."
    )
    instance: str = Field(
        "",
        max_length=255,
        description="What `instance` (Prometheus) and `host.name` (OpenTelemetry) say of the sender. Empty: "
        "`follow.host`, or the machine's name; name it where workers of several machines take turns.",
    )
    logs: list[str] = Field([], description="Which logs; absent: all.")
    account: str = Field("", description="`sls`: the account of `accounts` whose keys write into the Logstore.")
    logstore: str = Field("", pattern=r"^([a-z0-9][a-z0-9_-]{1,61}[a-z0-9]|)$", description="`sls`: the Logstore.")

    @property
    def takes_ledger(self) -> bool:
        """Say whether it takes the ledger, and not log series."""
        return self.to in LEDGER_KINDS

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if not _HTTP.fullmatch(url):
            msg = "expected an address that begins with http:// or https://"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "an address here holds no login: name the variable that does in secret_env"
            raise ValueError(msg)
        return url

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.to in {"cloudheal", "webhook"} and not (self.secret_env and self.source):
            what = "a shipment to another cloudheal" if self.to == "cloudheal" else "what goes to a webhook"
            msg = f"{what} is signed: expected secret_env and source"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.to == "sls" and not (self.account and self.logstore):
            msg = "what goes to a Logstore is signed with an account's keys: expected account and logstore"
            raise ValueError(msg)
        if self.takes_ledger and self.logs:
            msg = f"an outlet to {self.to} takes the ledger and no logs; leave logs out"
            raise ValueError(msg)
        return self
