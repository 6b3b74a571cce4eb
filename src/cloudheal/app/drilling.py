"""From settings to the ground of a drill: whose tables are watched, which clouds are asked, and who lets time pass."""

from __future__ import annotations

import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime

from cloudheal.app.accounts import Accounts, accounts_of
from cloudheal.app.drills import drill_desk
from cloudheal.app.lookout import inlets_of
from cloudheal.app.rules import rules_for, rules_of
from cloudheal.drills.cleaning import holder
from cloudheal.drills.ground import Ground
from cloudheal.drills.stage.setting_up import Stage
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.clock import Clock
from cloudheal.record.database import Database
from cloudheal.settings.schema import Settings

#: How often a drill looks, in real seconds, where it does not move the time itself.
LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 2.0


def ground_of(
    settings: Settings,
    database: Database,
    clock: Clock,
    told: Callable[[], bool],
    stage: Stage | None = None,
    *,
    who: str,
) -> Ground:
    """Return the ground of a drill on these settings; with a `stage` its handler and its time are the drill's own.

    `who` is the person who drills, for the record.
    """
    accounts = accounts_of(settings, now=clock.now)
    id_ = uuid.uuid4().hex[:12]
    return Ground(
        settings=settings,
        rules=rules_of(settings),
        rules_for=rules_for(settings),
        database=database,
        clock=clock,
        desk=drill_desk(settings, accounts, database, clock),
        compute_of=accounts.of,
        queues=lambda: _queues(settings, accounts),
        passes=stage.passes if stage else _waits(clock),
        told=told,
        pause=time.sleep,
        new_id=lambda: uuid.uuid4().hex[:8],
        holder=f"{holder()}/{id_}",
        who=who,
        cloud=stage.cloud if stage else simulator_of(settings),
        handler=stage.handler if stage else None,
    )


def simulator_of(settings: Settings) -> SimulatedCloud | None:
    """Return the simulator that every account of these settings is on; None when any of them may be real.

    An account without an endpoint of its own is real and is not asked.
    """
    endpoints = {(one.endpoint or "").rstrip("/") for one in settings.accounts}
    if len(endpoints) != 1 or "" in endpoints:
        return None
    url = endpoints.pop()
    try:
        with urllib.request.urlopen(f"{url}/_sim/health", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - settings
            return SimulatedCloud(url) if answer.status == 200 else None
    except (OSError, ValueError):
        return None


def _waits(clock: Clock) -> Callable[[datetime], object]:
    def passes(latest: datetime) -> None:
        time.sleep(min(LOOK_SECONDS, max((latest - clock.now()).total_seconds(), 0.05)))

    return passes


def _queues(settings: Settings, accounts: Accounts) -> Mapping[str, str]:
    """Ask every queue for the age of its oldest message; returns why one does not answer."""
    found = {}
    for one in inlets_of(settings.accounts):
        try:
            with closing(accounts.connected(*one)) as place:
                place.oldest()
        except (CloudTransientError, CloudPermanentError) as problem:
            found[one.shown] = problem.vendor_code or problem.code
        else:
            found[one.shown] = ""
    return found
