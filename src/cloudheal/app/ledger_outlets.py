"""Carries the sealed ledger to other places: what follows the last row that an outlet took, until there is no more.

A row is carried out once it is sealed, and the outlet's place moves on when the other side has answered. So nothing is
lost, whatever dies, and what was sent and not noted comes again under the same mark. Nothing is left out either: rows
that a receiver refuses are sent again until it takes them, and retention waits for them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cloudheal.app.accounts import Accounts
from cloudheal.app.serving import ServedElsewhereError, Serving
from cloudheal.errors import SettingsError
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.ledger_webhook import LedgerWebhook
from cloudheal.outlets.posting import post
from cloudheal.outlets.signing import signer_of
from cloudheal.ports.clock import Clock
from cloudheal.ports.excerpt import Excerpt, LedgerSink
from cloudheal.ports.store import Store
from cloudheal.record.ledger_outlets import move_on, next_excerpt, place, removed_unsent
from cloudheal.settings.outlets import OutletSettings
from cloudheal.settings.schema import Settings

log = logging.getLogger("cloudheal.outlets")

#: Excerpts in one turn, so that a worker that stops does not wait for a long backlog.
MOST_EXCERPTS = 100


@dataclass(slots=True, kw_only=True)
class LedgerOutlet(Serving):
    """One receiver of the ledger."""

    sink: LedgerSink

    def serve(self) -> int:
        """Carry out what is sealed and was not; returns how many rows. Raises Outlet*, Cloud*, ServedElsewhereError."""
        with self.store.transaction() as connection:
            self._hold(connection)
            after = place(connection, self.name)
            gone = removed_unsent(connection, after)
        rows = 0
        for _ in range(MOST_EXCERPTS):
            with self.store.snapshot() as connection:
                excerpt = next_excerpt(connection, after)
            if excerpt is None:
                break
            self._tell_of_gone(gone)
            rows, after, gone = rows + self._carry(after, excerpt), excerpt.last, 0
        return rows

    def _carry(self, after: int, excerpt: Excerpt) -> int:
        if excerpt.lines:
            self.sink.take(excerpt)
        with self.store.transaction() as connection:
            self._hold(connection)
            if not move_on(connection, self.name, after, excerpt):
                raise ServedElsewhereError
        self.counters.count("cloudheal_outlet_sent_total", len(excerpt.lines), outlet=self.name, kind="rows")
        return len(excerpt.lines)

    def _tell_of_gone(self, rows: int) -> None:
        if rows:
            log.warning("outlet.too_late outlet=%s ledger_rows=%d removed_by=retention", self.name, rows)


def ledger_outlets_of(
    settings: Settings, store: Store, worker: str, clock: Clock, counters: Counters, accounts: Accounts
) -> Sequence[LedgerOutlet]:
    """Return the outlets of the settings that take the ledger. Raises SettingsError for a secret that is not there."""
    return [
        LedgerOutlet(
            name=one.name, store=store, worker=worker, counters=counters, sink=_sink(one, settings, clock, accounts)
        )
        for one in settings.outlets
        if one.takes_ledger
    ]


def _sink(one: OutletSettings, settings: Settings, clock: Clock, accounts: Accounts) -> LedgerSink:
    if one.to == "webhook":
        return LedgerWebhook(one.url, signer_of(one, os.environ, clock.now), post)
    (owner,) = (account for account in settings.accounts if account.name == one.account)
    store = accounts.account(owner.cloud, owner.id).log_store(one.url, one.logstore, post)
    if store is None:
        raise SettingsError(f"outlets.{one.name}: the cloud of account {one.account} has no Logstores")
    return store
