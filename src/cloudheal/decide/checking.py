"""Which rules an event matches, and for the others the clauses that it fails: the answer to `why not`.

Also which rules no event can match, before one comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudheal.decide.pattern import Clause, Failure, is_there, value_at
from cloudheal.decide.rulebook import fields_of, when_of
from cloudheal.model.decision import FailedClause, RuleCheck
from cloudheal.model.event import Event
from cloudheal.settings.rules import Rule


def rule_checks(rules: Iterable[Rule], event: Event) -> tuple[RuleCheck, ...]:
    """Hold an event against every rule, in the order of the file."""
    fields = fields_of(event)
    return tuple(
        RuleCheck(rule.name, rule.digest, tuple(_failed(one) for one in when_of(rule).failures(fields)))
        for rule in rules
    )


def never_matches(rule: Rule, examples: Iterable[Mapping[str, Any]]) -> str:
    """Say why a rule matches none of some events of which only these fields are known; empty when it may match one.

    What is said is of the event that comes nearest.
    """
    pattern = when_of(rule)
    failed = [
        [one for one in pattern.failures(example) if is_there(value_at(example, one.clause.path))]
        for example in examples
    ]
    return str(min(failed, key=len)[0]) if failed and all(failed) else ""


def _failed(failure: Failure) -> FailedClause:
    return FailedClause(failure.clause.field, failure.found, _wanted(failure.clause))


def _wanted(clause: Clause) -> tuple[str, ...]:
    return (*(repr(one) for one in clause.exact), *(name for name, _ in clause.tests))
