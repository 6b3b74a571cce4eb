"""What the ledger says, as counters: told after each commit of this process, so that nothing rolled back is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cloudheal.metrics.counters import Counters
from cloudheal.record.ledger import Entry, Kind


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts for one worker."""

    counters: Counters

    def note(self, facts: Sequence[object]) -> int:
        """Count what one transaction wrote; returns how many of it are counted."""
        told = [one for one in facts if isinstance(one, Entry)]
        decisions = Counter((one.name, one.result) for one in told if one.kind is Kind.DECISION)
        for (rule, reason), times in decisions.items():
            self.counters.count("cloudheal_decisions_total", times, rule=rule, reason=reason)
        return decisions.total() + sum(self._counted(one) for one in told if one.kind is not Kind.DECISION)

    def _counted(self, entry: Entry) -> bool:
        match entry.kind:
            case Kind.INCIDENT_ENDED:
                self.counters.count("cloudheal_verdicts_total", playbook=entry.name, verdict=entry.result)
            case Kind.STEP_CONCLUDED:
                self.counters.count("cloudheal_steps_total", outcome=entry.result)
            case Kind.RUN_BEGUN:
                self.counters.count("cloudheal_looks_total")
            case Kind.RUN_TAKEN_OVER:
                self.counters.count("cloudheal_runs_taken_over_total")
            case Kind.APPROVAL_ANSWERED:
                self.counters.count("cloudheal_answers_total", answer=entry.result)
            case _:
                return False
        return True
