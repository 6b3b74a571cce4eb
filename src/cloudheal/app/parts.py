"""The parts of a worker that keep the record, tell people and look at the servers, as the settings want them.

Each function makes one part and begins nothing; whoever made it runs it and ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import SystemRandom
from zoneinfo import ZoneInfo

from cloudheal.app.accounts import Accounts
from cloudheal.app.extensions import Extensions
from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import Wording
from cloudheal.pipeline import Intake
from cloudheal.pipeline.polling import Cadence, Poller, Watched
from cloudheal.ports.clock import Clock
from cloudheal.ports.notify import Target
from cloudheal.ports.store import Store
from cloudheal.record.keeping import Keeper, Spans
from cloudheal.record.log_rollup import Ages, SeriesKeeper
from cloudheal.record.seal import Sealer
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.notify import NotifySettings
from cloudheal.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """What every part is given: the settings, the database, the name of the worker, the time."""

    settings: Settings
    store: Store
    worker: str
    clock: Clock


def keeper_of(site: Site, sealer: Sealer, forget: Callable[[datetime], int]) -> Keeper:
    """Return who seals the ledger and removes what is old; `forget` removes workflows that ended before an instant."""
    keep = site.settings.record
    spans = Spans(keep.history, keep.dead_letters, keep.workflows, keep.instances)
    takers = [one.name for one in site.settings.outlets if one.takes_ledger]
    return Keeper(site.store, sealer, site.clock, site.worker, keep.ledger, keep.notices, spans, forget, takers)


def series_keeper_of(site: Site) -> SeriesKeeper:
    """Return who adds up and removes old series of logs."""
    keep = site.settings.record.series
    return SeriesKeeper(site.store, site.worker, site.clock, Ages(keep.minutes, keep.quarters, keep.hours))


def sender_of(site: Site) -> Sender:
    """Return who tells people."""
    settings = site.settings
    return Sender(
        store=site.store,
        worker=site.worker,
        targets=_targets(settings.notify),
        wording=Wording(settings.language, ZoneInfo(settings.timezone)),
        clock=site.clock,
        pace=Pace(settings.notify.gather, settings.notify.mute),
        second=frozenset(one.name for one in settings.notify.targets if one.second),
    )


def poller_of(site: Site, intake: Intake, accounts: Accounts, extensions: Extensions) -> Poller:
    """Return who looks at the servers of all accounts."""
    poll, rules = site.settings.poll, site.settings.rules
    verbs = {verb for rule in rules for verb in extensions.library.playbooks[rule.playbook].verbs}
    return Poller(
        store=site.store,
        intake=intake,
        worker=site.worker,
        watched=[_watched(one, accounts, verbs) for one in site.settings.accounts],
        cadence=Cadence(poll.sweep, poll.reclaimed, poll.system_events),
        clock=site.clock,
        chance=SystemRandom().random,
    )


def _watched(account: AccountSettings, accounts: Accounts, verbs: Collection[str]) -> Watched:
    cloud, regions = accounts.account(account.cloud, account.id), tuple(account.regions)
    return Watched(
        account.cloud,
        account.id,
        regions,
        cloud.fleet(),
        cloud.announcements(),
        balanced="memberships" in verbs or account.group_by == "server_group",
        disks="disk_events" in verbs,
    )


def _targets(settings: NotifySettings) -> Sequence[Target]:
    if not settings.targets:
        return ()
    from cloudheal.notifiers.apprise_target import targets_of  # noqa: PLC0415 - loads a hundred plugins

    return targets_of(settings.targets)
