"""Intents to heal that a test writes by hand, beside those of a run at work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.record.steps import Intent, Wanted, write_intent
from cloudheal.record.workers import Claim


def intend(
    connection: sa.Connection,
    held: Claim,
    look: int,
    name: str,
    before: Mapping[str, Any],
    *,
    at: datetime | None = None,
) -> Intent | None:
    """Write an intent to heal in the test's transaction; None when the run is not held any more."""
    return write_intent(connection, held, look, Wanted(name, before), at=at)
