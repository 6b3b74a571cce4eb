"""How grave an event is, as rules ask for it: `level: [CRITICAL, WARN]`, in any case.

An interruption counts as every level. The vendor's own pages disagree about its level, its deadline is minutes, and no
rule shall miss it by a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudheal.errors import SettingsError
from cloudheal.model.event import LEVELS, Event

_INTERRUPTION = "Instance:PreemptibleInstanceInterruption"


def levels_of(event: Event) -> str | tuple[str, ...] | None:
    """Return what a pattern finds as an event's level; None where nobody said one."""
    return LEVELS if event.type == _INTERRUPTION else event.level or None


def graded(when: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return a pattern whose levels are written as events have them. Raises SettingsError for what is no level."""
    if "level" not in when:
        return when
    asked = when["level"]
    if not isinstance(asked, list) or not asked or any(str(one).upper() not in LEVELS for one in asked):
        advice = "To match events of every level, leave level out."
        message = f"{where}.level: expected a list with some of {', '.join(LEVELS)}, got {asked!r}"
        raise SettingsError(message, what_to_do=advice)
    return {**when, "level": [str(one).upper() for one in asked]}
