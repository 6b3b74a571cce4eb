"""The configured accounts with their credentials: only here does a configured name become a cloud.

Keys come from the environment and go to the vendor's clients, nowhere else. One account's work never uses another's.
A cloud's part, with its vendor's client, is imported when an account of it is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cloudheal.clouds.drills import NoDrills
from cloudheal.clouds.keys import keys_of
from cloudheal.errors import CloudPermanentError, CloudTransientError, PermanentError, SettingsError
from cloudheal.metrics.counters import Counters
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline.shared_reads import SharedReads
from cloudheal.ports.account import Account, Duties, RoleState
from cloudheal.ports.cloud import Compute, Verbs
from cloudheal.ports.drills import Drills
from cloudheal.ports.queue import Queue
from cloudheal.ports.spending import call_sent
from cloudheal.ports.trail import Trail
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.schema import Settings

log = logging.getLogger("cloudheal.accounts")


class UnknownAccountError(PermanentError):
    """An event belongs to an account that the settings do not list."""

    code = "account.unknown"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The configured accounts and their credentials; one account's work never uses another's."""

    compute: Mapping[tuple[Cloud, str], Compute]
    """The servers of each, read together by all who ask at one moment."""
    accounts: Mapping[tuple[Cloud, str], Account]

    def account(self, cloud: Cloud, id_: str) -> Account:
        """Return an account. Raises UnknownAccountError."""
        found = self.accounts.get((cloud, id_))
        if found is None:
            raise UnknownAccountError(f"{cloud} account {id_} is not in the settings")
        return found

    def connected(self, account: AccountSettings, name: str) -> Queue:
        """Open a connection to a queue of an account. Raises SettingsError when it has no such."""
        queue = self.account(account.cloud, account.id).queue(name)
        if queue is None:
            raise SettingsError(f"account {account.name} has no queue {name}")
        return queue

    def roles(self) -> Mapping[tuple[Cloud, str], RoleState]:
        """Say how the keys of each account's role stand, of those that have one."""
        states = {name: one.role() for name, one in self.accounts.items()}
        return {name: state for name, state in states.items() if state is not None}

    def of(self, resource: ResourceId) -> Compute:
        """Return the servers of a resource's account. Raises UnknownAccountError."""
        self.account(resource.cloud, resource.account)
        return self.compute[resource.cloud, resource.account]

    def verbs_of(self, resource: ResourceId, hurried: bool) -> Verbs:  # noqa: FBT001 - one of two lanes
        """Return everything that a resource's account offers. Raises UnknownAccountError."""
        account = self.account(resource.cloud, resource.account)
        return account.verbs(self.of(resource), hurried=hurried)

    def drills_of(self, cloud: Cloud, account: str) -> Drills:
        """Return the simulated events of an account; where the cloud has none, asking for one is refused.

        Raises UnknownAccountError.
        """
        drills = self.account(cloud, account).drills()
        return NoDrills(cloud) if drills is None else drills

    def trail_of(self, resource: ResourceId) -> Trail | None:
        """Return the audit trail of a resource's account; None when the settings do not ask for it."""
        account = self.accounts.get((resource.cloud, resource.account))
        return account.trail() if account else None

    def lookup(self, subjects: Sequence[ResourceId], now: datetime) -> Mapping[ResourceId, Resource]:
        """Read resources from their clouds, by account and region; what cannot be read stays unknown."""
        places: dict[tuple[Cloud, str, str], list[ResourceId]] = {}
        for subject in subjects:
            if (subject.cloud, subject.account) in self.compute:
                places.setdefault((subject.cloud, subject.account, subject.region), []).append(subject)
        return {name: found for place in places.values() for name, found in self._read(place, now)}

    def _read(self, subjects: Sequence[ResourceId], now: datetime) -> Iterator[tuple[ResourceId, Resource]]:
        try:
            servers = self.of(subjects[0]).servers(subjects[0].region, [one.id for one in subjects])
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("lookup.failed region=%s code=%s", subjects[0].region, problem.vendor_code)
            return
        for subject in subjects:
            server = servers.get(subject.id)
            if server is not None:
                yield subject, Resource(subject, now, server.state, server.name, server.zone, "", server.tags)


def accounts_of(
    settings: Settings, counters: Counters | None = None, now: Callable[[], datetime] | None = None
) -> Accounts:
    """Return the accounts with their credentials. Raises SettingsError naming a missing variable.

    `now` is the operator's clock; absent: this machine's.
    """
    counters, clock = counters or Counters(), now or partial(datetime.now, UTC)
    accounts = {(one.cloud, one.id): open_account(one, counters, clock) for one in settings.accounts}
    return Accounts({name: SharedReads(one.compute, time.sleep) for name, one in accounts.items()}, accounts)


def open_account(
    settings: AccountSettings, counters: Counters | None = None, now: Callable[[], datetime] | None = None
) -> Account:
    """Return one account with its credentials. Raises SettingsError naming a missing variable."""
    counted = counters or Counters()

    def called(action: str, outcome: str) -> None:
        call_sent()
        counted.count("cloudheal_cloud_calls_total", account=settings.name, action=action, outcome=outcome)

    keys, clock = keys_of(settings), now or partial(datetime.now, UTC)
    if settings.cloud is Cloud.ALIBABA:
        from cloudheal.clouds.alibaba.account import AlibabaAccount  # noqa: PLC0415 - loads the vendor's client

        return AlibabaAccount(settings, keys, clock, called)
    from cloudheal.clouds.tencent.account import TencentAccount  # noqa: PLC0415 - the same

    return TencentAccount(settings, keys, clock, called)


def policy_of(account: AccountSettings, duties: Duties) -> Mapping[str, Any]:
    """Return the least policy that lets an account do its duties, as its cloud writes one; needs no keys."""
    if account.cloud is Cloud.ALIBABA:
        from cloudheal.clouds.alibaba.policy import document_of  # noqa: PLC0415 - for `policy` only

        return document_of(account, duties)
    from cloudheal.clouds.tencent import policy  # noqa: PLC0415 - the same

    return policy.document_of(account, duties)
