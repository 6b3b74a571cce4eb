"""The web server of a worker: what is pushed to it is read and taken in, and its health and figures are shown.

Nothing here decides what a push may cause: it is a message like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from cloudheal.app.log_pages import LogPages
from cloudheal.app.parts import Site
from cloudheal.app.watch import Watch
from cloudheal.clouds.entrances import parts_of
from cloudheal.clouds.reading import answer_to
from cloudheal.model.event import Channel, Event
from cloudheal.pipeline import Taken
from cloudheal.record.nonces import is_spent, spend_nonce
from cloudheal.settings.listen import ListenSettings
from cloudheal.sources.readers import readers_of
from cloudheal.sources.webhook import Desk, Listener, sources_of


def listener_of(
    site: Site,
    listen: ListenSettings,
    read: Callable[[bytes, datetime, Channel], Event],
    take: Callable[[Sequence[bytes], str], Taken],
    watch: Watch,
    logs: LogPages,
) -> Listener:
    """Return the web server of the settings, not yet begun. Raises SettingsError for a secret that is not there."""
    desk = Desk(
        read=read,
        parts=parts_of,
        answer=answer_to,
        take=take,
        is_spent=partial(_is_spent, site),
        spend=partial(_spend, site),
        now=site.clock.now,
        health=watch.health,
        metrics=watch.metrics,
        logs=logs.desk(),
    )
    sources, readers = sources_of(listen.sources, os.environ), readers_of(listen, os.environ)
    return Listener(listen.host, listen.port, sources, readers, desk, watch.counters)


def _is_spent(site: Site, source: str, nonce: str) -> bool:
    with site.store.snapshot() as connection:
        return is_spent(connection, source, nonce, site.clock.now())


def _spend(site: Site, source: str, nonce: str, until: datetime) -> bool:
    with site.store.transaction() as connection:
        return spend_nonce(connection, source, nonce, until, site.clock.now())
