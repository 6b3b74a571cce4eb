"""Joins what was recorded of an event with the rules as they are now, and tells it in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

import sqlalchemy as sa

from cloudheal.decide.checking import rule_checks
from cloudheal.record.explain import explain
from cloudheal.record.stories import story_of
from cloudheal.settings.rules import Rule


def explained(
    connection: sa.Connection, rules: Iterable[Rule], reference: str, language: str, zone: tzinfo
) -> list[str] | None:
    """Return the story of an event, named by key or row number, as lines; None when there is no such event."""
    story = story_of(connection, reference)
    return None if story is None else explain(story, rule_checks(rules, story.event), language, zone)
