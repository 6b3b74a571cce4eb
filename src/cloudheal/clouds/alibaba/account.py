"""One Alibaba Cloud account: its keys become clients here, and the clients what everybody else asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property

from cloudheal.clouds.alibaba.actions import AlibabaCompute
from cloudheal.clouds.alibaba.backups import AlibabaBackups
from cloudheal.clouds.alibaba.balancers import AlibabaBalancers
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.drills import AlibabaDrills
from cloudheal.clouds.alibaba.guests import AlibabaGuests
from cloudheal.clouds.alibaba.log_service import LogStore
from cloudheal.clouds.alibaba.metrics import AlibabaMetrics
from cloudheal.clouds.alibaba.orders import AlibabaOrders
from cloudheal.clouds.alibaba.pollers import AlibabaFleet
from cloudheal.clouds.alibaba.role import key_ring
from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents
from cloudheal.clouds.alibaba.trail import AlibabaTrail
from cloudheal.clouds.keys import Keys
from cloudheal.clouds.quota import Buckets
from cloudheal.clouds.roles import RoleKeys
from cloudheal.ports.account import Duties, RoleState
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Compute, Verbs
from cloudheal.ports.excerpt import Post
from cloudheal.ports.findings import Finding
from cloudheal.settings.accounts import AccountSettings


class AlibabaAccount:
    """What one Alibaba Cloud account offers."""

    def __init__(
        self,
        settings: AccountSettings,
        keys: Keys,
        now: Callable[[], datetime],
        called: Callable[[str, str], object] = lambda _action, _outcome: None,
    ) -> None:
        """`now` is the operator's clock; `called` is told of each call that was sent, and how it ended."""
        self.settings = settings
        self.keys = key_ring(settings, keys, now, called)
        self._now = now
        rates = Buckets(settings.calls_per_second, time.monotonic)
        self.client = Client(self.keys, settings.endpoint, rates, called=called)

    @cached_property
    def compute(self) -> Compute:
        """The servers."""
        return AlibabaCompute(self.client, self.settings.id)

    def verbs(self, compute: Compute | None = None, *, hurried: bool = False) -> Verbs:
        """Return everything that playbooks may ask; `compute` in place of the account's own."""
        client = self.client.hurried() if hurried else self.client
        return Verbs(
            compute=AlibabaCompute(client, self.settings.id) if hurried else compute or self.compute,
            balancers=AlibabaBalancers(client),
            orders=AlibabaOrders(client),
            backups=AlibabaBackups(client),
            guests=AlibabaGuests(client),
            system_events=self._events(client),
        )

    def fleet(self) -> AlibabaFleet:
        """Return what a sweep looks at."""
        return AlibabaFleet(self.client, self.settings.id, self._now, self.settings.group_by)

    def announcements(self) -> AlibabaSystemEvents:
        """Return what the cloud announces."""
        return self._events(self.client)

    def drills(self) -> AlibabaDrills:
        """Return the simulated events."""
        return AlibabaDrills(self.client, self._events(self.client), self._now, time.sleep)

    def trail(self) -> AlibabaTrail | None:
        """Return the audit trail; None when the settings do not ask for it."""
        return AlibabaTrail(self.client) if self.settings.audit_trail else None

    def metrics(self) -> AlibabaMetrics:
        """Return the monitoring."""
        return AlibabaMetrics(self.client, time.monotonic)

    def queue(self, name: str) -> MnsQueue | None:
        """Open a connection to a queue of events; None when the account has none of that name."""
        queue = self.settings.queue
        if queue is None or name not in {queue.name, queue.urgent}:
            return None
        return MnsQueue(queue.endpoint, self.keys, name)

    def log_store(self, url: str, name: str, post: Post) -> LogStore:
        """Return a Logstore of Simple Log Service."""
        return LogStore(url, name, self.keys, self._now, post)

    def role(self) -> RoleState | None:
        """Say how the keys of its role stand; None when it has none."""
        return self.keys.state() if isinstance(self.keys, RoleKeys) else None

    def examine(self, duties: Duties, clock: Clock) -> Iterator[Finding]:
        """Look whether it can be used for its duties, without touching anything."""
        from cloudheal.clouds.alibaba.doctor import Patient, examine  # noqa: PLC0415 - for `check` only
        from cloudheal.clouds.alibaba.setup import places_of  # noqa: PLC0415 - the same

        one, keys = self.settings, self.keys
        patient = Patient(one.id, one.regions, keys, one.endpoint, places_of(one), duties.verbs, one.audit_trail)
        return examine(patient, clock)

    def _events(self, client: Client) -> AlibabaSystemEvents:
        return AlibabaSystemEvents(client, self.settings.id, self._now, time.sleep)
