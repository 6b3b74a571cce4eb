"""Which rules an event matches, and for the others the clauses that it fails: the answer to `why not`."""

from __future__ import annotations

from collections.abc import Iterable

from cloudheal.decide.pattern import Clause, Failure
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


def _failed(failure: Failure) -> FailedClause:
    return FailedClause(failure.clause.field, failure.found, _wanted(failure.clause))


def _wanted(clause: Clause) -> tuple[str, ...]:
    return (*(repr(one) for one in clause.exact), *(name for name, _ in clause.tests))
