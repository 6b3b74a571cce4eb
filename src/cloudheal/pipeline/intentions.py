"""Was it stopped on purpose? Gathers what our tables, the server's tags and the audit trail know, and has it weighed.

It belongs to the second half: asked at every look, of the server as it was just read. What the look shows of the tags
is told to the inventory, so that the first half holds what somebody has put a hold on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cloudheal.decide.evidence import AFTER, BEFORE, NEAR, Clues, Failure, OwnDeed, TrailLook, weigh
from cloudheal.decide.rulebook import RuleBook
from cloudheal.decide.wishes import held_by_tag, wanted_by_tag
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.evidence import Evidence
from cloudheal.model.resource import ResourceId
from cloudheal.model.window import Window
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Server
from cloudheal.ports.store import Store
from cloudheal.ports.trail import Trail
from cloudheal.record.clues import failures_near, own_operations, own_requests
from cloudheal.record.inventory import are_news, retag
from cloudheal.settings.rules import PowerSchedule

log = logging.getLogger("cloudheal.intentions")


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that somebody wants explained: of which server, when, and for which rule and run."""

    resource: ResourceId
    occurred: datetime
    rule: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Intentions:
    """Finds out about stops."""

    store: Store
    rules: RuleBook
    trail_of: Callable[[ResourceId], Trail | None]
    """Finds the audit trail of a resource's account; None when it has none."""
    clock: Clock

    def of(self, stop: Stop, server: Server) -> Evidence:
        """Return what speaks for purpose and for accident, of a server that was just read. Raises nothing."""
        shown = (stop.resource, server.tags, self.clock.now())
        with self.store.snapshot() as connection:
            news = are_news(connection, *shown)
        if news:
            with self.store.transaction() as connection:
                retag(connection, *shown)
        return self.of_known(stop, server, trail=self.trail_of(stop.resource))

    def of_known(self, stop: Stop, server: Server, trail: Trail | None = None) -> Evidence:
        """Return the same from what is known; only the trail that is handed in is called."""
        now, resource = self.clock.now(), stop.resource
        wishes = self.rules.wishes_of(resource)
        on, schedule = self._wanted(stop.rule)
        with self.store.snapshot() as connection:
            failures = failures_near(connection, resource, stop.occurred - NEAR, stop.occurred + NEAR)
            own = own_operations(connection, resource, stop.run, stop.occurred)
            requests = own_requests(connection, resource)
        return weigh(
            Clues(
                now=now,
                occurred=stop.occurred,
                locks=server.locks,
                expires=server.expires,
                hold=held_by_tag(wishes, server.tags, now),
                wanted=wanted_by_tag(wishes, server.tags),
                wanted_tag=f"{wishes.desired}={server.tags.get(wishes.desired, '')}",
                rule_on=on,
                schedule=schedule,
                failures=tuple(Failure(*one) for one in failures),
                own=tuple(OwnDeed(*one) for one in own),
                trail=_read(trail, stop, requests) if trail else None,
            )
        )

    def _wanted(self, name: str) -> tuple[bool, tuple[Window, ...]]:
        rule = self.rules.rules.get(name)
        desired = rule.desired if rule else None
        if isinstance(desired, PowerSchedule):
            return False, tuple(one.window for one in desired.schedule)
        return desired == "on", ()


def _read(trail: Trail, stop: Stop, own: frozenset[str]) -> TrailLook:
    """Look into the trail; what we did ourselves is not somebody else's will. A failure is no evidence."""
    try:
        entries = trail.deeds(stop.resource, stop.occurred - BEFORE, stop.occurred + AFTER)
    except (CloudPermanentError, CloudTransientError) as problem:
        log.warning("trail.unread resource=%s code=%s", stop.resource.id, problem.vendor_code)
        return TrailLook(problem=problem.vendor_code or problem.code)
    return TrailLook(tuple(one for one in entries if one.request_id not in own))
