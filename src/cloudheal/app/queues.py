"""Receivers: messages of a queue are taken in batches, committed, and only then deleted.

A queue that does not answer or is not there is waited for, with a pause that doubles from a second to a minute.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from cloudheal.app.accounts import credentials
from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.errors import CloudPermanentError, CloudTransientError, SettingsError
from cloudheal.settings.schema import AccountSettings, QueueSettings

log = logging.getLogger("cloudheal.queue")

#: The pause after a queue that did not answer, doubled up to the longest.
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes the messages of one account's queue until told to stop."""

    account: AccountSettings
    take: Callable[[Sequence[bytes], str], object]
    """Commits a batch of bodies from an origin; when it returns they may be deleted."""
    stopping: threading.Event

    def receive(self, *, once: bool) -> int:
        """Take messages until told to stop, or with `once` until there are none; returns how many."""
        settings = self.account.queue
        if settings is None:
            raise SettingsError(f"account {self.account.name} has no queue")
        key, secret = credentials(self.account)
        with closing(MnsQueue(settings.endpoint, key, secret, settings.name)) as queue:
            return self._receive(queue, settings, once=once)

    def _receive(self, queue: MnsQueue, settings: QueueSettings, *, once: bool) -> int:
        taken, backoff = 0, FIRST_BACKOFF
        while not self.stopping.is_set():
            try:
                batch = self._batch(queue, settings.wait_seconds, settings.batch)
            except (CloudTransientError, CloudPermanentError) as problem:
                log.warning("queue.failed queue=%s code=%s again_in=%.0fs", queue.name, problem.vendor_code, backoff)
                if once:
                    raise
                self.stopping.wait(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF)
                continue
            taken, backoff = taken + batch, FIRST_BACKOFF
            if once and not batch:
                break
        return taken

    def _batch(self, queue: MnsQueue, wait_seconds: int, most: int) -> int:
        messages = queue.receive(wait_seconds, most)
        if messages:
            self.take([one.body for one in messages], f"queue {queue.name}")
            refused = queue.acknowledge([one.handle for one in messages])
            if refused:
                log.info("queue.not_deleted queue=%s count=%d", queue.name, len(refused))
        return len(messages)
