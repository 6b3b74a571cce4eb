"""Who may send events over HTTP, and who may read figures there. Secrets stand in the environment."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cloudheal.settings.part import Part


class IngestSettings(Part):
    """One sender of events over HTTP, at /ingest/NAME."""

    name: str = Field(description="The sender's name in the path.", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    proof: Literal["signed", "basic", "path"] = Field(
        "signed",
        description="`signed`: our own senders, HMAC; `basic`: the secret is USER:PASSWORD; `path`: the secret stands "
        "in the path, /ingest/NAME/SECRET.",
    )
    secret_env: str = Field(description="Environment variable that holds the secret, 16 characters or more.")
    accounts: list[str] = Field([], description="Accounts it may speak for; absent: every account listed here.")
    max_bytes: int = Field(262_144, ge=1024, le=262_144, description="The largest body.")
    per_minute: int = Field(600, ge=1, le=60_000, description="The most pushes in a minute.")
    hosts: list[str] = Field(
        [],
        description="Hosts whose counted logs it may ship, by name; `web-*` stands for several, `*` for all. "
        "Absent: none.",
    )

    @model_validator(mode="after")
    def _ships_signed(self) -> Self:
        if self.hosts and self.proof != "signed":
            msg = "only a source with the proof signed may ship the logs of hosts"
            raise ValueError(msg)
        return self


class ListenSettings(Part):
    """The HTTP listener; https ends in front of it, so by default it listens to this machine only."""

    host: str = Field("127.0.0.1", description="Address to listen at.")
    port: int = Field(8380, ge=0, le=65535, description="Port; 0 takes a free one.")
    token_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*|)$",
        description="Environment variable that holds the token, 16 characters or more, which readers of /metrics, "
        "/metrics/logs and /api/logs show as Bearer; others learn from /healthz only whether all is well. Empty: "
        "figures of logs are shown only where `host` is a loopback address and there are no `sources`.",
    )
    sources: list[IngestSettings] = Field([], description="Who may push events; none: /healthz and /metrics only.")

    @field_validator("sources")
    @classmethod
    def _unique(cls, sources: list[IngestSettings]) -> list[IngestSettings]:
        names = [one.name for one in sources]
        if len(names) != len(set(names)):
            msg = "two sources have the same name"
            raise ValueError(msg)
        return sources
