"""Drills on the configured accounts: where a worker, a command and a rehearsal get the same desk from."""

from __future__ import annotations

from collections.abc import Sequence

from cloudheal.app.accounts import Accounts
from cloudheal.model.resource import Cloud
from cloudheal.pipeline.drills import DrillDesk
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.settings.schema import Settings


def drill_desk(settings: Settings, accounts: Accounts, store: Store, clock: Clock) -> DrillDesk:
    """Return the desk for drills on the accounts of these settings."""
    regions = {(one.cloud, one.id): tuple(one.regions) for one in settings.accounts}

    def regions_of(cloud: Cloud, account: str) -> Sequence[str]:
        return regions[cloud, account]

    return DrillDesk(store, clock, accounts.drills_of, regions_of)
