"""The topic of CKafka (or any Kafka) that a rule of Tencent Cloud's EventBridge delivers events to.

The password never stands in the settings: a variable of the environment or a file holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cloudheal.errors import SettingsError
from cloudheal.settings.part import Part


@dataclass(frozen=True, slots=True)
class Login:
    """The name and password that are shown to the brokers; both are empty where none are asked for."""

    user: str = ""
    password: str = field(default="", repr=False)


class KafkaSettings(Part):
    """One topic, read as a member of a consumer group."""

    #: One connection: the partitions of the topic are shared between workers, not between threads.
    receivers: ClassVar[int] = 1
    #: Nothing has to be asked for again: messages stay with the member of the group that has their partition.
    visibility_seconds: ClassVar[int] = 3600

    servers: list[str] = Field(description="Brokers to begin with, each as HOST:PORT.", min_length=1)
    topic: str = Field(description="The topic.", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    group: str = Field(
        "cloudheal",
        description="The consumer group; workers of one database share it, and it keeps how far they are.",
        min_length=1,
        max_length=128,
    )
    user: str = Field(
        "", description="SASL user, of CKafka `INSTANCE#USER`. Empty, and no `user_env`: no login.", max_length=256
    )
    user_env: str = Field("", description="Environment variable that holds the SASL user, in place of `user`.")
    password_env: str = Field("CKAFKA_PASSWORD", description="Environment variable that holds the SASL password.")
    password_file: str | None = Field(
        None,
        description="File whose first line is the SASL password, in place of the variable; relative to the settings "
        "file.",
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("PLAIN", description="How SASL logs in.")
    tls: bool = Field(
        default=True, description="Encrypt, and check the brokers' certificates. `false` only inside your own network."
    )
    ca_file: str | None = Field(
        None,
        description="Certificates that the brokers' are checked against; absent: those that this machine trusts. "
        "Relative to the settings file.",
    )
    begin: Literal["earliest", "latest"] = Field(
        "earliest",
        description="Where a group begins that has read nothing yet: with what is there, or with what comes.",
    )
    wait_seconds: int = Field(5, ge=0, le=30, description="How long a read waits for messages.")
    batch: int = Field(500, ge=1, le=2000, description="Messages in one read.")

    @property
    def name(self) -> str:
        """What the queue is called."""
        return self.topic

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: list[str]) -> list[str]:
        for one in servers:
            host, colon, port = one.rpartition(":")
            if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
                msg = f"expected HOST:PORT, got {one!r}"
                raise ValueError(msg)
        return servers

    @field_validator("password_file", "ca_file")
    @classmethod
    def _beside_the_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else str((info.context or {}).get("folder", Path.cwd()) / value)

    @model_validator(mode="after")
    def _one_user(self) -> Self:
        if self.user and self.user_env:
            msg = "expected user or user_env, got both"
            raise ValueError(msg)
        return self

    def login(self, environment: Mapping[str, str]) -> Login:
        """Return what is shown to the brokers. Raises SettingsError naming what is missing, never a value."""
        if not self.user and not self.user_env:
            return Login()
        user = self.user or environment.get(self.user_env, "")
        if not user:
            raise SettingsError(f"kafka: {self.user_env} is not set in the environment")
        password = self.password(environment)
        if not password:
            raise SettingsError(
                f"kafka: no password: {self.password_file or self.password_env} holds none",
                what_to_do="Export the variable that kafka.password_env names, or write kafka.password_file.",
            )
        return Login(user, password)

    def password(self, environment: Mapping[str, str]) -> str:
        """Return the password, empty where there is none."""
        if self.password_file is None:
            return environment.get(self.password_env, "")
        try:
            lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return ""
        return lines[0].strip() if lines else ""
