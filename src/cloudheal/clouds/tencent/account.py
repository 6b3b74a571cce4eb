"""One Tencent Cloud account: its keys become a client here, and the client what everybody else asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from importlib.util import find_spec

from cloudheal.clouds.keys import Keys
from cloudheal.clouds.quota import Buckets, Pace
from cloudheal.clouds.roles import RoleKeys
from cloudheal.clouds.tencent.actions import NoBackups, NoOrders, TencentCompute
from cloudheal.clouds.tencent.balancers import TencentBalancers
from cloudheal.clouds.tencent.client import Client
from cloudheal.clouds.tencent.guests import TencentGuests
from cloudheal.clouds.tencent.pollers import TencentFleet
from cloudheal.clouds.tencent.role import key_ring
from cloudheal.clouds.tencent.system_events import TencentSystemEvents
from cloudheal.errors import SettingsError
from cloudheal.ports.account import Duties, RoleState
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Compute, Verbs
from cloudheal.ports.excerpt import Post
from cloudheal.ports.findings import Finding
from cloudheal.ports.queue import Queue
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.kafka import Login


class TencentAccount:
    """What one Tencent Cloud account offers."""

    def __init__(
        self,
        settings: AccountSettings,
        keys: Keys,
        now: Callable[[], datetime],
        called: Callable[[str, str], object] = lambda _action, _outcome: None,
    ) -> None:
        """`now` is the operator's clock; `called` is told of each call that was sent, and how it ended.

        Raises SettingsError when events are to come from a topic that cannot be read here.
        """
        self.settings = settings
        self._login = _kafka_login(settings)
        self._now = now
        pace = Pace(Buckets(settings.calls_per_second, time.monotonic))
        self._keys = key_ring(settings, keys, now, called)
        self.client = Client(self._keys, settings.endpoint, pace, called)

    @cached_property
    def compute(self) -> Compute:
        """The servers."""
        return TencentCompute(self.client, self.settings.id)

    def verbs(self, compute: Compute | None = None, *, hurried: bool = False) -> Verbs:
        """Return everything that playbooks may ask; `compute` in place of the account's own."""
        client = self.client.hurried() if hurried else self.client
        return Verbs(
            compute=TencentCompute(client, self.settings.id) if hurried else compute or self.compute,
            balancers=TencentBalancers(client),
            orders=NoOrders(),
            backups=NoBackups(),
            guests=TencentGuests(client),
            system_events=TencentSystemEvents(client, self.settings.id, self._now),
        )

    def fleet(self) -> TencentFleet:
        """Return what a sweep looks at."""
        return TencentFleet(self.client, self.settings.id, self._now, self.settings.group_by)

    def announcements(self) -> TencentSystemEvents:
        """Return the repair tasks."""
        return TencentSystemEvents(self.client, self.settings.id, self._now)

    def drills(self) -> None:
        """Return None: the cloud simulates no events."""

    def trail(self) -> None:
        """Return None: its audit trail is not read."""

    def metrics(self) -> None:
        """Return None: its monitoring is not read."""

    def queue(self, name: str) -> Queue | None:
        """Open a connection to the topic of events; None when it is another, or they are pushed to us."""
        if self.settings.kafka is None or name != self.settings.kafka.name:
            return None
        from cloudheal.clouds.tencent.sources import KafkaQueue  # noqa: PLC0415 - needs an extra

        return KafkaQueue(self.settings.kafka, self._login)

    def log_store(self, url: str, name: str, post: Post) -> None:
        """Return None: its log service is not written."""

    def role(self) -> RoleState | None:
        """Say how the keys of its role stand; None when it has none."""
        return self._keys.state() if isinstance(self._keys, RoleKeys) else None

    def examine(self, duties: Duties, clock: Clock) -> Iterator[Finding]:
        """Look whether it can be used for its duties, without touching anything."""
        from cloudheal.clouds.tencent.doctor import Patient, examine  # noqa: PLC0415 - for `check` only

        topic = self.settings.kafka.name if self.settings.kafka else ""
        patient = Patient(self.settings, self.client, duties.verbs, partial(self.queue, topic), self._keys)
        return examine(patient, clock)


def _kafka_login(settings: AccountSettings) -> Login:
    """Return what the brokers are shown. Raises SettingsError when it or the package is missing."""
    if settings.kafka is None:
        return Login()
    if find_spec("aiokafka") is None:
        raise SettingsError(
            f"account {settings.name}: kafka needs the package aiokafka, which is not installed",
            what_to_do="Install the extra: pip install 'cloudheal[kafka]'",
        )
    return settings.kafka.login(os.environ)
