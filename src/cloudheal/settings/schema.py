"""What a settings file may hold. Secrets never stand in it: accounts name where their keys come from.

Unknown keys are errors, because they are misspelt ones; the misspellings of the vendor's sample are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cloudheal.model.resource import Cloud
from cloudheal.settings.alarms import TOO_MANY
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.follow import FollowSettings, SeriesSettings
from cloudheal.settings.kafka import KafkaSettings
from cloudheal.settings.logs import LogSettings
from cloudheal.settings.maintenance import MaintenanceSettings
from cloudheal.settings.outlets import OutletSettings
from cloudheal.settings.part import Part, meant
from cloudheal.settings.rules import Rule, RuleFile
from cloudheal.settings.windows import known_zone

#: Closer looks than these are refused.
RECORD_FLOORS = {
    # Far above the seven days for which a queue keeps a message: what comes again is known as a duplicate.
    "history": timedelta(days=30),
    "dead_letters": timedelta(days=7),
    "workflows": timedelta(days=1),
    "instances": timedelta(days=30),
}
POLL_FLOORS = {
    "sweep": timedelta(seconds=60),
    "reclaimed": timedelta(seconds=30),
    "system_events": timedelta(seconds=60),
}


#: Where each cloud's own tools look for keys, by the field that names the variable.
USUAL_VARIABLES: Mapping[tuple[Cloud | None, str | None], str] = {
    (Cloud.ALIBABA, "access_key_id_env"): "ALIBABA_CLOUD_ACCESS_KEY_ID",
    (Cloud.ALIBABA, "access_key_secret_env"): "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    (Cloud.TENCENT, "access_key_id_env"): "TENCENTCLOUD_SECRET_ID",
    (Cloud.TENCENT, "access_key_secret_env"): "TENCENTCLOUD_SECRET_KEY",
    (Cloud.TENCENT, "token_env"): "TENCENTCLOUD_TOKEN",
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
        description="Environment variable that may hold the token of short-lived keys, Tencent Cloud only; empty: "
        "TENCENTCLOUD_TOKEN.",
    )
    endpoint: str | None = Field(None, description="Base URL in place of the vendor's, such as a simulator's.")
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


class PollSettings(Part):
    """How often servers are looked at beside what the queue tells; looking only reconciles."""

    sweep: Duration = Field(duration_of("15m"), description="Every server of every region; at least 1m apart.")
    reclaimed: Duration | None = Field(
        None,
        description="Spot servers that are being reclaimed, at least 30s apart; absent: found by the sweep only, which "
        "is too late for most, since they have five minutes.",
    )

    system_events: Duration | None = Field(
        duration_of("15m"),
        description="What the cloud announces for servers (maintenance) and did to them (failures), at least 1m apart; "
        "null: only messages tell.",
    )

    @field_validator("sweep", "reclaimed", "system_events")
    @classmethod
    def _floor(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        floor = POLL_FLOORS[str(info.field_name)]
        if value is not None and value < floor:
            msg = (
                f"expected {written(floor)} or more, got {written(value)}: the queue tells of changes as they happen, "
                "looking more often spends the account's API quota, which playbooks need"
            )
            raise ValueError(msg)
        return value


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


class CanarySettings(Part):
    """Messages of our own through every queue, to prove that what is sent there arrives here."""

    every: Duration = Field(duration_of("5m"), description="How often one is sent.")
    within: Duration = Field(duration_of("2m"), description="When one that is still away counts as missing.")


class DeadManSettings(Part):
    """A call to a watcher outside, which raises the alarm when the calls stop."""

    url_env: str = Field(
        description="Environment variable that holds the URL, which is a secret.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"
    )
    every: Duration = Field(duration_of("1m"), description="How often it is called while all is well.")
    method: Literal["GET", "POST"] = Field("GET", description="How it is called.")


class WatchSettings(Part):
    """How the healer itself is watched."""

    canary: CanarySettings | None = Field(None, description="Messages of our own through every queue; absent: none.")
    dead_man: DeadManSettings | None = Field(None, description="A call to a watcher outside; absent: none.")
    queue_age: Duration = Field(duration_of("5m"), description="A message that waits longer in a queue is told.")
    escalate_after: Duration = Field(duration_of("1h"), description="A run that waits longer is told to people once.")
    listener_call: Duration = Field(
        duration_of("1m"), description="A listener that is busy with one event for longer is unhealthy, and logged."
    )
    disk_floor_mb: int = Field(200, ge=0, description="Less free space beside the SQLite file is unhealthy.")


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


class FunctionSettings(Part):
    """How the function entrance works."""

    act: Literal["workers", "inline"] = Field(
        "workers",
        description="`workers`: commit and return, resident workers act; `inline`: act until 10 s before the limit.",
    )


class ExtensionSettings(Part):
    """Where playbooks and listeners of your own come from, beside those built in."""

    folders: tuple[str, ...] = Field(
        (), description="Folders whose Python files are loaded; relative to the settings file."
    )
    packages: bool = Field(
        default=True,
        description="Load what installed packages offer as `cloudheal.playbooks` or `cloudheal.listeners`.",
    )

    @field_validator("folders")
    @classmethod
    def _beside_the_file(cls, folders: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        base = (info.context or {}).get("folder", Path.cwd())
        return tuple(str(base / one) for one in folders)


class ClockSettings(Part):
    """Where time comes from."""

    follow: str | None = Field(None, description="URL of a simulator whose clock is followed; absent: this machine's.")


class NotifyTarget(Part):
    """One place that people are told at. Its URL is a secret, so it stands in the environment, never here."""

    name: str = Field(description="What operators call it; logs say this.", min_length=1, max_length=64)
    url_env: str = Field(
        description="Environment variable that holds its Apprise URL, such as dingtalk://TOKEN or mailto://...",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )
    second: bool = Field(
        default=False,
        description="A second group of people: told only of what the first has left, alarms that nobody has "
        "acknowledged within `escalate_after` and runs that wait for too long.",
    )


class NotifySettings(Part):
    """Who is told what went wrong, and how often."""

    targets: list[NotifyTarget] = Field(
        [], description="Where notices go; those that are not `second` get every notice."
    )
    gather: Duration = Field(duration_of("5s"), description="How long notices of one incident are gathered.")
    mute: Duration = Field(duration_of("30m"), description="How long the same thing is not told again, only counted.")

    @field_validator("targets")
    @classmethod
    def _named_once(cls, targets: list[NotifyTarget]) -> list[NotifyTarget]:
        names = [one.name for one in targets]
        if len(set(names)) < len(names):
            msg = "two targets have one name"
            raise ValueError(msg)
        if targets and all(one.second for one in targets):
            msg = "every target is `second`; who is told first?"
            raise ValueError(msg)
        return targets


class RecordSettings(Part):
    """How long the record is kept."""

    ledger: Duration = Field(duration_of("400d"), description="Ledger rows; whole sealed segments leave, heads stay.")
    notices: Duration = Field(duration_of("30d"), description="Notices that were delivered.")
    history: Duration = Field(
        duration_of("400d"),
        description="Events with their decisions, and incidents that have ended with runs, steps and answers; at least "
        "30d. What is open stays.",
    )
    dead_letters: Duration = Field(duration_of("90d"), description="Messages that could not be read; at least 7d.")
    workflows: Duration = Field(duration_of("7d"), description="The engine's finished looks; at least 1d.")
    instances: Duration = Field(
        duration_of("3650d"),
        description="Released servers with every attribute, and the states that servers went through; at least 30d.",
    )
    series: SeriesSettings = Field(SeriesSettings(), description="Series of logs.")

    @field_validator("history", "dead_letters", "workflows", "instances")
    @classmethod
    def _kept_long_enough(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        floor = RECORD_FLOORS[str(info.field_name)]
        if value < floor:
            msg = f"expected {written(floor)} or more, got {written(value)}"
            raise ValueError(msg)
        return value


class Settings(Part):
    """The whole file."""

    accounts: list[AccountSettings] = Field(
        description="The cloud accounts. A machine that only follows logs needs none."
    )
    database: str = Field(
        "sqlite:///cloudheal.db",
        description="SQLAlchemy URL: SQLite file or postgresql://.",
        pattern=r"^(sqlite|postgresql)",
    )
    language: Literal["en", "zh"] = Field("en", description="Language of output and notifications.")
    timezone: Annotated[str, AfterValidator(known_zone)] = Field(
        "UTC", description="The operator's time zone; stored times are UTC."
    )
    clock: ClockSettings = ClockSettings()
    poll: PollSettings = Field(PollSettings(), description="Looking beside the queue.")
    function: FunctionSettings = Field(FunctionSettings(), description="The entrance for functions.")
    listen: ListenSettings | None = Field(
        None, description="HTTP: pushed events, /healthz and /metrics; absent: nothing listens."
    )
    extensions: ExtensionSettings = Field(ExtensionSettings(), description="Playbooks and listeners of your own.")
    maintenance: MaintenanceSettings = Field(
        MaintenanceSettings(), validate_default=True, description="When planned maintenance is done."
    )
    rules: list[Rule] = Field([], description="The rules, in the order in which they are asked.")
    follow: FollowSettings = Field(FollowSettings(), description="How logs are followed.")
    logs: list[LogSettings] = Field([], description="Log files, and what is counted in them.")
    outlets: list[OutletSettings] = Field([], description="Where log series go besides the database.")
    notify: NotifySettings = Field(NotifySettings(), description="Who is told.")
    watch: WatchSettings = Field(WatchSettings(), description="How the healer itself is watched.")
    record: RecordSettings = Field(RecordSettings(), description="How long the record is kept.")
    lease_seconds: float = Field(
        10, ge=1, description="A worker not heard of for so long is dead; others take its work."
    )
    settle_seconds: float = Field(30, gt=0, description="How long after a lost answer a read of the cloud is believed.")

    @model_validator(mode="before")
    @classmethod
    def _only_logs(cls, value: Any) -> Any:
        """Whoever only follows logs leaves the accounts out."""
        return {"accounts": [], **value} if isinstance(value, dict) and value.get("logs") else value

    @field_validator("logs")
    @classmethod
    def _logs_named_once(cls, logs: list[LogSettings]) -> list[LogSettings]:
        names = [one.name for one in logs]
        if len(set(names)) < len(names):
            raise ValueError("two logs have the same name")
        alarms = [alarm.name for one in logs for alarm in one.alarms]
        doubled = sorted({name for name in alarms if alarms.count(name) > 1})
        if doubled:
            raise ValueError(f"two alarms are named {', '.join(doubled)}; incidents and explain go by the name alone")
        if taken := [name for name in alarms if name.startswith(TOO_MANY)]:
            raise ValueError(f"{taken[0]}: names that begin with {TOO_MANY} are those of alarms that every log has")
        return logs

    @field_validator("outlets")
    @classmethod
    def _outlets_named_once(cls, outlets: list[OutletSettings], info: ValidationInfo) -> list[OutletSettings]:
        names, logs = [one.name for one in outlets], {one.name for one in info.data.get("logs", ())}
        if len(set(names)) < len(names):
            raise ValueError("two outlets have the same name")
        for one in outlets:
            if unknown := sorted({*one.logs} - logs):
                raise ValueError(f"outlet {one.name}: there is no log {unknown[0]}{meant(unknown[0], logs)}")
        return outlets

    @model_validator(mode="after")
    def _something_to_watch(self) -> Self:
        if not self.accounts and not self.logs:
            raise ValueError("expected at least one of accounts and logs")
        return self

    @model_validator(mode="after")
    def _compared_is_kept(self) -> Self:
        """What an alarm compares with must not be added up to longer windows by then."""
        for log in self.logs:
            minutes = {metric.name: metric.window for metric in log.metrics}
            for alarm in log.alarms:
                kept, needed = self.record.series.kept_for(alarm.minutes or minutes[alarm.metric]), alarm.looks_back
                if kept < needed:
                    told = f"{alarm.name} compares with {written(needed)} ago, and windows of its metric are kept for"
                    raise ValueError(f"{told} {written(kept)}: see record.series")
        return self

    @field_validator("maintenance")
    @classmethod
    def _in_zone(cls, maintenance: MaintenanceSettings, info: ValidationInfo) -> MaintenanceSettings:
        return maintenance.in_zone(info.data.get("timezone", "UTC"))

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: list[Rule], info: ValidationInfo) -> list[Rule]:
        """A rule's windows are in the zone of the settings, so that its digest changes when that does."""
        return [rule.in_zone(info.data.get("timezone", "UTC")) for rule in RuleFile(rules=rules).rules]
