"""A rule does no more than a person promoted, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudheal.model.incident import Mode
from cloudheal.record.database import Database
from cloudheal.record.promotions import effective_mode, promote, promotion_of
from cloudheal.settings.rules import Rule

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"]},
    "resources": {"all": True},
    "playbook": "restart_stopped",
    "mode": "ask",
}


def rule(**changes: object) -> Rule:
    """Return the rule with changes."""
    return Rule.model_validate({**DOCUMENT, **changes})


def test_a_new_rule_is_in_shadow_whatever_its_file_says(database: Database) -> None:
    """Nobody promoted it: it records only."""
    with database.transaction() as connection:
        assert effective_mode(connection, rule(mode="auto")) is Mode.SHADOW
        assert promotion_of(connection, rule()) is None


@pytest.mark.parametrize(
    ("now", "expected"), [("shadow", Mode.SHADOW), ("ask", Mode.ASK), ("auto", Mode.ASK)], ids=["less", "same", "more"]
)
def test_the_lesser_of_file_and_promotion_counts(database: Database, now: str, expected: Mode) -> None:
    """A rule promoted to ask may be lowered by its file at once and raised only by another promotion."""
    with database.transaction() as connection:
        assert promote(connection, [rule()], "ops", NOW) == 1
        assert effective_mode(connection, rule(mode=now)) is expected


def test_a_changed_rule_is_in_shadow_again(database: Database) -> None:
    """Trust belongs to a version; going back to that version brings it back."""
    with database.transaction() as connection:
        promote(connection, [rule()], "ops", NOW)
        assert effective_mode(connection, rule(desired="on")) is Mode.SHADOW
        assert effective_mode(connection, rule()) is Mode.ASK


def test_the_newest_promotion_counts_and_names_who(database: Database) -> None:
    """A second promotion replaces the first."""
    with database.transaction() as connection:
        promote(connection, [rule()], "ops", NOW)
        promote(connection, [rule(mode="auto")], "lead", NOW)
        found = promotion_of(connection, rule())
        assert found is not None
        assert (found.who, found.mode, found.at) == ("lead", Mode.AUTO, NOW)
        assert effective_mode(connection, rule(mode="auto")) is Mode.AUTO
