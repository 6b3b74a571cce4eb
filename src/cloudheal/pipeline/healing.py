"""The second half: one look of one run, from the claim to the verdict.

A look that is not ours ends at once. A playbook that is missing or was changed since the run began is not guessed at:
the run is parked with that reason for a person. A playbook that raises has a mistake in it; the incident ends as
unknown, with the reason, and is never retried blindly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from cloudheal.act.hands import SETTLE_SECONDS, Hands, Steps
from cloudheal.act.playbook import Case, End, Playbook
from cloudheal.decide.rulebook import RuleBook, off_hours_until
from cloudheal.model.incident import Healed, RunState, Verdict, deadline_of
from cloudheal.model.resource import ResourceId
from cloudheal.ports.clock import Clock
from cloudheal.ports.cloud import Place, Verbs
from cloudheal.ports.store import Store
from cloudheal.record.holds import EVERYTHING, holds_on
from cloudheal.record.incidents import OpenRun, end_incident, is_interrupted, note_action, open_run
from cloudheal.record.memberships import places_of
from cloudheal.record.steps import CALL_MILLIS, ClaimedIntents
from cloudheal.record.workers import Claim, claim, release

log = logging.getLogger("cloudheal.healing")


@dataclass(frozen=True, slots=True)
class Healer:
    """Runs looks for one worker."""

    store: Store
    steps: Steps
    worker: str
    rules: RuleBook
    playbooks: Mapping[str, Playbook]
    verbs: Callable[[ResourceId, bool], Verbs]
    """Finds what a resource's account offers, in a hurry or not; one account's run never gets another's credentials."""
    clock: Clock
    wait: Callable[[float, Callable[[], bool]], bool]
    """Waits on the operator's clock until a condition holds or so many seconds have passed; says which."""
    pause: Callable[[float], object]
    """Waits so many real seconds, for leases and settling."""
    settle_seconds: float = SETTLE_SECONDS
    call_millis: int = CALL_MILLIS

    def look(self, run: str, look: int) -> None:
        """Do one look; called again from the start after a crash."""
        with self.store.transaction() as connection:
            held = claim(connection, run, self.worker, look, self.clock.now())
            found = open_run(connection, run) if held else None
        if held is None or found is None:
            return
        playbook = self.playbooks.get(found.playbook)
        if playbook is None or playbook.digest != found.playbook_digest:
            log.error("run.parked run=%s reason=playbook_changed playbook=%s", run, found.playbook)
            with self.store.transaction() as connection:
                release(connection, held, RunState.PARKED, self.clock.now())
            return
        self._close(held, found, self._heal(held, look, found, playbook))

    def _heal(self, held: Claim, look: int, found: OpenRun, playbook: Playbook) -> End:
        rule = self.rules.rules.get(found.rule)
        intents = ClaimedIntents(self.store, held, look, partial(self._permit, found), self.call_millis, self.clock)
        hands = Hands(self.steps, intents, self.pause, self.settle_seconds)
        try:
            deadline = deadline_of(found.resource, found.trouble, found.occurred)
            verbs = self.verbs(found.resource, deadline is not None)
            case = Case(
                run=found.run,
                resource=found.resource,
                trouble=found.trouble,
                occurred=found.occurred,
                deadline=deadline,
                parameters=playbook.parameters.model_validate(rule.parameters if rule else {}),
                compute=verbs.compute,
                balancers=verbs.balancers,
                orders=verbs.orders,
                places=partial(self._places, found.resource),
                desired_on=rule is not None and rule.desired == "on",
                now=self.clock.now,
                wait=self.wait,
            )
            return playbook.run(case, hands)
        except Exception as problem:
            log.exception("run.failed run=%s playbook=%s", found.run, playbook.name)
            return End(Healed.UNKNOWN, "playbook_failed", {"error": type(problem).__name__})

    def _places(self, resource: ResourceId) -> Sequence[Place]:
        with self.store.snapshot() as connection:
            return places_of(connection, resource)

    def _permit(self, found: OpenRun, connection: sa.Connection) -> bool:
        """Ask once more, in the intent's own transaction, whether a person said stop."""
        now = self.clock.now()
        # What is being taken away is held back by a pause of everything only, as in the walk.
        hurried = deadline_of(found.resource, found.trouble, found.occurred) is not None
        if not hurried and is_interrupted(connection, found.resource):
            return False
        if holds_on(connection, [EVERYTHING] if hurried else [EVERYTHING, found.resource.id, found.group], now):
            return False
        rule = self.rules.rules.get(found.rule)
        if rule is not None and not hurried and off_hours_until(rule, now):
            return False
        note_action(connection, found.incident, now)
        return True

    def _close(self, held: Claim, found: OpenRun, end: End) -> bool:
        verdict = Verdict(found.incident, end.healed, self.clock.now(), {"code": end.code, **end.evidence})
        with self.store.transaction() as connection:
            released = release(connection, held, RunState.ENDED, verdict.at)
            ended = released and end_incident(connection, verdict, found.run)
        log.info("incident.ended incident=%s verdict=%s code=%s", found.incident, end.healed, end.code)
        return ended
