"""Where log series go besides our own store. Secrets stand in the environment; an address holds none."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from cloudheal.settings.part import Part

_HTTP = re.compile(r"https?://[^\s/]+\S*")
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$"


class OutletSettings(Part):
    """One receiver of log series."""

    name: str = Field(
        description="Stable; how far it was served is kept under it.", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"
    )
    to: Literal["prometheus", "otlp", "clickhouse", "cloudheal"] = Field(
        description="`prometheus`: remote-write; `otlp`: OpenTelemetry over HTTP, as JSON; `clickhouse`: its HTTP "
        "interface; `cloudheal`: another cloudheal, which adds up what its agents send."
    )
    url: str = Field(
        description="The whole address, such as http://prometheus:9090/api/v1/write, http://collector:4318/v1/metrics, "
        "http://clickhouse:8123 or https://cloudheal.example.com."
    )
    secret_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*|)$",
        description="Environment variable that holds the token, USER:PASSWORD, or the secret that shipments are signed "
        "with. Empty: none is shown; `cloudheal` needs one.",
    )
    auth: Literal["bearer", "basic"] = Field(
        "bearer", description="How the secret is shown; `cloudheal` signs instead."
    )
    source: str = Field(
        "", description="The name under which the other cloudheal knows the sender (`listen.sources`, proof `signed`)."
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
        if self.to == "cloudheal" and not (self.secret_env and self.source):
            msg = "a shipment to another cloudheal is signed: expected secret_env and source"
            raise ValueError(msg)
        return self
