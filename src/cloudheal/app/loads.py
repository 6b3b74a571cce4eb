"""From the settings' words to where traffic is read from: a file, or the monitoring of one of the accounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cloudheal.app.accounts import Accounts
from cloudheal.errors import SettingsError
from cloudheal.pipeline.loads import Loads, Point
from cloudheal.ports.account import Metric, not_offered
from cloudheal.settings.load import LoadSettings, MetricSettings
from cloudheal.settings.schema import AccountSettings, Settings
from cloudheal.sources.load_file import points_of


def loads_of(settings: Settings, accounts: Accounts) -> Loads:
    """Return the profiles that the settings name. Raises SettingsError for an account that they do not list."""
    for load in named_loads(settings):
        if load.metric is not None:
            account_of(settings, load.metric)

    def read(load: LoadSettings, since: datetime, until: datetime) -> Iterable[Point]:
        if load.metric is None:
            return points_of(str(load.file), load.timezone or settings.timezone)
        account, asked = account_of(settings, load.metric), load.metric
        words = (asked.region, asked.namespace, asked.name, asked.dimensions, asked.statistic, load.period)
        metrics = accounts.account(account.cloud, account.id).metrics()
        if metrics is None:
            raise not_offered("metrics that cloudheal can read", account.cloud)
        return metrics.points(Metric(*words), since, until)

    return Loads(read)


def named_loads(settings: Settings) -> list[LoadSettings]:
    """Return every source of traffic that the settings name."""
    terms = (settings.maintenance, *settings.maintenance.groups)
    return [one.load for one in terms if one.load is not None]


def account_of(settings: Settings, metric: MetricSettings) -> AccountSettings:
    """Return the account whose metric it is. Raises SettingsError."""
    found = [one for one in settings.accounts if metric.account in {"", one.name}]
    if len(found) != 1:
        known = ", ".join(one.name for one in settings.accounts) or "none"
        message = f"maintenance.load.metric.account: expected one of the accounts ({known}), got {metric.account!r}"
        raise SettingsError(message, field=("maintenance", "load", "metric", "account"))
    return found[0]
