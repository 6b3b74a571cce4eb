"""The configured accounts with their credentials: only here does a configured name become a cloud.

Keys come from the environment and go to the vendor's clients, nowhere else. One account's work never uses another's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from cloudheal.clouds.alibaba.actions import AlibabaCompute
from cloudheal.clouds.alibaba.backups import AlibabaBackups
from cloudheal.clouds.alibaba.balancers import AlibabaBalancers
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.drills import AlibabaDrills
from cloudheal.clouds.alibaba.guests import AlibabaGuests
from cloudheal.clouds.alibaba.orders import AlibabaOrders
from cloudheal.clouds.alibaba.quota import Buckets
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents
from cloudheal.clouds.alibaba.trail import AlibabaTrail
from cloudheal.errors import CloudPermanentError, CloudTransientError, PermanentError, SettingsError
from cloudheal.metrics.counters import Counters
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline.shared_reads import SharedReads
from cloudheal.ports.cloud import Compute, Verbs
from cloudheal.ports.drills import Drills
from cloudheal.ports.fleet import Announcements
from cloudheal.ports.spending import call_sent
from cloudheal.ports.trail import Trail
from cloudheal.settings.schema import AccountSettings, Settings

log = logging.getLogger("cloudheal.accounts")


class UnknownAccountError(PermanentError):
    """An event belongs to an account that the settings do not list."""

    code = "account.unknown"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The configured accounts and their credentials; one account's work never uses another's."""

    compute: Mapping[tuple[Cloud, str], Compute]
    clients: Mapping[tuple[Cloud, str], Client]
    trails: Mapping[tuple[Cloud, str], Trail]
    now: Callable[[], datetime]

    def of(self, resource: ResourceId) -> Compute:
        """Return the servers of a resource's account. Raises UnknownAccountError."""
        found = self.compute.get((resource.cloud, resource.account))
        if found is None:
            raise UnknownAccountError(f"{resource.cloud} account {resource.account} is not in the settings")
        return found

    def verbs_of(self, resource: ResourceId, hurried: bool) -> Verbs:  # noqa: FBT001 - one of two lanes
        """Return everything that a resource's account offers. Raises UnknownAccountError."""
        compute, client = self.of(resource), self.clients[resource.cloud, resource.account]
        if hurried:
            client = client.hurried()
            compute = AlibabaCompute(client, resource.account)
        return Verbs(
            compute=compute,
            balancers=AlibabaBalancers(client),
            orders=AlibabaOrders(client),
            backups=AlibabaBackups(client),
            guests=AlibabaGuests(client),
            system_events=self._events(client, resource.account),
        )

    def announcements_of(self, cloud: Cloud, account: str) -> Announcements:
        """Return what an account's cloud announces."""
        return self._events(self.clients[cloud, account], account)

    def drills_of(self, cloud: Cloud, account: str) -> Drills:
        """Return the simulated events of an account. Raises UnknownAccountError."""
        client = self.clients.get((cloud, account))
        if client is None:
            raise UnknownAccountError(f"{cloud} account {account} is not in the settings")
        return AlibabaDrills(client, self._events(client, account), self.now, time.sleep)

    def _events(self, client: Client, account: str) -> AlibabaSystemEvents:
        return AlibabaSystemEvents(client, account, self.now, time.sleep)

    def trail_of(self, resource: ResourceId) -> Trail | None:
        """Return the audit trail of a resource's account; None when the settings do not ask for it."""
        return self.trails.get((resource.cloud, resource.account))

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
    counters = counters or Counters()
    clients = {(one.cloud, one.id): _client(one, counters) for one in settings.accounts}
    compute = {name: SharedReads(AlibabaCompute(client, name[1]), time.sleep) for name, client in clients.items()}
    asked = [(one.cloud, one.id) for one in settings.accounts if one.audit_trail]
    trails = {name: AlibabaTrail(clients[name]) for name in asked}
    return Accounts(compute, clients, trails, now or partial(datetime.now, UTC))


def credentials(account: AccountSettings) -> tuple[str, str]:
    """Read an account's keys from the environment. Raises SettingsError naming the variable, never its value."""
    names = (account.access_key_id_env, account.access_key_secret_env)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise SettingsError(
            f"account {account.name}: {' and '.join(missing)} not set in the environment",
            what_to_do="Export the access key of a RAM user that may do what the rules' playbooks need.",
        )
    return os.environ[names[0]], os.environ[names[1]]


def _client(account: AccountSettings, counters: Counters) -> Client:
    if account.cloud is not Cloud.ALIBABA:
        raise SettingsError(f"account {account.name}: {account.cloud} is not supported yet")
    rates = Buckets(account.calls_per_second, time.monotonic)

    def called(action: str, outcome: str) -> None:
        call_sent()
        counters.count("cloudheal_cloud_calls_total", account=account.name, action=action, outcome=outcome)

    return Client(*credentials(account), account.endpoint, rates, called=called)
