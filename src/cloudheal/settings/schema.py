"""What a settings file may hold, as a whole. Secrets never stand in it: its parts name where they come from.

Unknown keys are errors, because they are misspelt ones; the misspellings of the vendor's sample are named.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cloudheal.model.resource import Cloud
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.alarms import TOO_MANY
from cloudheal.settings.durations import Duration, duration_of, written
from cloudheal.settings.follow import FollowSettings, SeriesSettings
from cloudheal.settings.listen import ListenSettings
from cloudheal.settings.logs import LogSettings
from cloudheal.settings.maintenance import MaintenanceSettings
from cloudheal.settings.notify import NotifySettings
from cloudheal.settings.outlets import OutletSettings
from cloudheal.settings.part import Part, meant
from cloudheal.settings.rules import Rule, RuleFile
from cloudheal.settings.watch import WatchSettings
from cloudheal.settings.windows import known_zone

#: What would be kept for less than this is refused.
RECORD_FLOORS = {
    # Far above the seven days for which a queue keeps a message: what comes again is known as a duplicate.
    "history": timedelta(days=30),
    "dead_letters": timedelta(days=7),
    "workflows": timedelta(days=1),
    "instances": timedelta(days=30),
}
#: Closer looks than these are refused.
POLL_FLOORS = {
    "sweep": timedelta(seconds=60),
    "reclaimed": timedelta(seconds=30),
    "system_events": timedelta(seconds=60),
}


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
    approvers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Users of the operating system who may answer questions and say what becomes of parked runs; "
        "absent: whoever can run the commands.",
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
    outlets: list[OutletSettings] = Field([], description="Where log series and the ledger go besides the database.")
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

    @field_validator("outlets")
    @classmethod
    def _outlets_of_accounts(cls, outlets: list[OutletSettings], info: ValidationInfo) -> list[OutletSettings]:
        known = {one.name for one in info.data.get("accounts", ()) if one.cloud is Cloud.ALIBABA}
        for one in outlets:
            if one.to == "sls" and one.account not in known:
                told = f"outlet {one.name}: there is no account {one.account} of Alibaba Cloud"
                raise ValueError(f"{told}{meant(one.account, known)}")
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
