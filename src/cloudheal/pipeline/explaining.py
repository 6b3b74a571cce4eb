"""Joins what was recorded of an event with the rules as they are now, and tells it in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

import sqlalchemy as sa

from cloudheal.decide.checking import rule_checks
from cloudheal.model.incident import Mode
from cloudheal.record.explain import explain
from cloudheal.record.promotions import promotion_of
from cloudheal.record.stories import story_of
from cloudheal.settings.rules import Rule


def explained(
    connection: sa.Connection, rules: Iterable[Rule], reference: str, language: str, zone: tzinfo
) -> list[str] | None:
    """Return the story of an event, named by key or row number, as lines; None when there is no such event."""
    story = story_of(connection, reference)
    if story is None:
        return None
    known = list(rules)
    return explain(story, rule_checks(known, story.event), language, zone, _promoted(connection, known))


def _promoted(connection: sa.Connection, rules: Iterable[Rule]) -> dict[str, datetime]:
    """Return since when each rule, as it is now, may do more than record."""
    found = {rule.name: promotion_of(connection, rule) for rule in rules if rule.mode is not Mode.SHADOW}
    return {name: promotion.at for name, promotion in found.items() if promotion is not None}
