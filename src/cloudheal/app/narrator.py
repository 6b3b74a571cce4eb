"""What the ledger says of healing, as lines of the log: told after each commit, so that nothing undone is told.

Whoever watches a worker sees what it decided, asked and did, server by server. What only informs is left to the ledger:
events by the thousand, and decisions that close.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from cloudheal.model.decision import OUTCOMES, Outcome, reason_of
from cloudheal.model.incident import StepKind
from cloudheal.record.ledger import Entry, Kind

log = logging.getLogger("cloudheal.healing")

#: What a line says beside the resource: what a field of the ledger is called there, by kind.
_FIELDS: Mapping[Kind, Mapping[str, str]] = {
    Kind.DECISION: {"rule": "name", "reason": "result"},
    Kind.RUN_BEGUN: {},
    Kind.STEP_INTENDED: {"step": "type"},
    Kind.STEP_CONCLUDED: {"step": "type", "outcome": "result"},
    Kind.RUN_WAITS: {"reason": "result"},
    Kind.APPROVAL_ASKED: {},
    Kind.INCIDENT_ENDED: {"trouble": "type", "verdict": "result", "playbook": "name"},
}
#: And of its body.
_PARTS: Mapping[Kind, Sequence[str]] = {
    Kind.STEP_CONCLUDED: ("code",),
    Kind.APPROVAL_ASKED: ("id", "question"),
    Kind.INCIDENT_ENDED: ("code",),
}


def narrate(facts: Sequence[object]) -> int:
    """Log what one transaction wrote; returns how many lines that made."""
    lines = [_line(one) for one in facts if isinstance(one, Entry) and _is_told(one)]
    for line in lines:
        log.info("%s", line)
    return len(lines)


def _is_told(entry: Entry) -> bool:
    if entry.kind is Kind.DECISION:
        reason = reason_of(entry.result)
        return reason is not None and OUTCOMES[reason] is not Outcome.CLOSE
    # What is only noted down is told once, when that is done.
    return entry.kind in _FIELDS and entry.body.get("kind") != StepKind.READ


def _line(entry: Entry) -> str:
    words = {"resource": entry.resource, **{word: getattr(entry, of) for word, of in _FIELDS[entry.kind].items()}}
    words |= {word: str(entry.body.get(word) or "") for word in _PARTS.get(entry.kind, ())}
    words |= {"incident": entry.incident, "run": entry.run}
    return " ".join([entry.kind.value, *(f"{word}={_shown(value)}" for word, value in words.items() if value)])


def _shown(value: str) -> str:
    """Return a value as one word, whatever a stranger put into it."""
    return value if value.isprintable() and not set(value) & set(" \"'=") else repr(value)
