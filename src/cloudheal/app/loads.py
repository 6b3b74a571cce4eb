"""From the settings' words to where traffic is read from: a file, the monitoring of an account, or a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from cloudheal.app.accounts import Accounts
from cloudheal.errors import SettingsError
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition, Metric
from cloudheal.pipeline.loads import Loads, Point
from cloudheal.ports.account import Metric as CloudMetric
from cloudheal.ports.account import not_offered
from cloudheal.ports.store import Store
from cloudheal.record.log_series import windows_of
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.load import LoadSettings, LogLoad, MetricSettings
from cloudheal.settings.logs import LogSettings
from cloudheal.settings.maintenance import MaintenanceSettings, NamedTerms
from cloudheal.settings.schema import Settings
from cloudheal.sources.load_file import points_of

#: A log is read in slices of such a length, so that weeks of it are never in memory at once.
SLICE = timedelta(days=1)


def loads_of(settings: Settings, accounts: Accounts, store: Store) -> Loads:
    """Return the profiles that the settings name.

    Raises SettingsError for an account, a log or a metric that they do not list.
    """
    logs = {}
    for load in named_loads(settings):
        if load.metric is not None:
            account_of(settings, load.metric)
        if load.log is not None:
            logs[load.log] = log_of(settings, load.log)

    def read(load: LoadSettings, since: datetime, until: datetime) -> Iterable[Point]:
        if load.log is not None:
            return lines_per_second(store, *logs[load.log], load.period, since, until)
        if load.metric is None:
            return points_of(str(load.file), load.timezone or settings.timezone)
        account, asked = account_of(settings, load.metric), load.metric
        words = (asked.region, asked.namespace, asked.name, asked.dimensions, asked.statistic, load.period)
        metrics = accounts.account(account.cloud, account.id).metrics()
        if metrics is None:
            raise not_offered("metrics that cloudheal can read", account.cloud)
        return metrics.points(CloudMetric(*words), since, until)

    return Loads(read)


def named_loads(settings: Settings) -> list[LoadSettings]:
    """Return every source of traffic that the settings name."""
    maintenance = terms_with_logs(settings)
    terms = (maintenance, *maintenance.groups)
    return [one.load for one in terms if one.load is not None]


def terms_with_logs(settings: Settings) -> MaintenanceSettings:
    """Return the terms of maintenance, where a log that names a group is its load unless another one is named."""
    maintenance = settings.maintenance
    groups = {one.group: one for one in maintenance.groups}
    for log in settings.logs:
        load = _load_of(log, settings.timezone)
        if load is None or (log.group in groups and groups[log.group].load is not None):
            continue
        terms = groups.get(log.group) or NamedTerms(
            group=log.group, windows=maintenance.windows, at_once=maintenance.at_once, prefer=maintenance.prefer
        )
        groups[log.group] = terms.model_copy(update={"load": load})
    return maintenance.model_copy(update={"groups": list(groups.values())})


def account_of(settings: Settings, metric: MetricSettings) -> AccountSettings:
    """Return the account whose metric it is. Raises SettingsError."""
    found = [one for one in settings.accounts if metric.account in {"", one.name}]
    if len(found) != 1:
        known = ", ".join(one.name for one in settings.accounts) or "none"
        message = f"maintenance.load.metric.account: expected one of the accounts ({known}), got {metric.account!r}"
        raise SettingsError(message, field=("maintenance", "load", "metric", "account"))
    return found[0]


def log_of(settings: Settings, load: LogLoad) -> tuple[Definition, Metric]:
    """Return the metric of a log that is the load. Raises SettingsError."""
    for definition in definitions_of(settings):
        for metric in definition.metrics:
            if (definition.name, metric.name) == (load.name, load.metric):
                return definition, metric
    known = ", ".join(f"{log.name}/{metric.name}" for log in settings.logs for metric in log.metrics) or "none"
    message = f"maintenance.load.log: expected one of {known}, got {load.name}/{load.metric}"
    raise SettingsError(message, field=("maintenance", "load", "log"))


def lines_per_second(
    store: Store, definition: Definition, metric: Metric, period: timedelta, since: datetime, until: datetime
) -> Iterator[Point]:
    """Yield how many lines a second a metric counted in each period; of what was added up to hours, in each hour.

    A period of which nothing is stored is no point: whether nothing came, or nobody counted, is not known.
    """
    seconds = int(period.total_seconds())
    begin = since
    while begin < until:
        end = min(begin + SLICE, until)
        with store.snapshot() as connection:
            windows = windows_of(
                connection, definition, metric, int(begin.timestamp()), int(end.timestamp()), seconds // 60
            )
        for window in windows:
            if window.start < int(begin.timestamp()) and begin != since:
                continue  # it was in the slice before
            load = sum(row.count for row in window.rows) / window.seconds
            for start in range(window.start, window.start + window.seconds, seconds):
                yield datetime.fromtimestamp(start, UTC), load
        begin = end


def _load_of(log: LogSettings, timezone: str) -> LoadSettings | None:
    """Return the load that a log is of the group that it names: its first metric without groups."""
    plain = [one.name for one in log.metrics if not one.by]
    if not log.group or not plain:
        return None
    return LoadSettings(log=LogLoad(name=log.name, metric=plain[0])).in_zone(timezone)
