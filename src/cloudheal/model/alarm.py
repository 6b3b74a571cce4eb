"""Words of alarms on log metrics: how grave, compared with what, and what no data means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How one series of an alarm stands, in the order in which it takes precedence."""

    OK = 0
    INFO = 1
    WARN = 2
    CRITICAL = 3
    NO_DATA = 4
    """Too many periods without data, where the alarm counts that as an alarm: CloudMonitor's INSUFFICIENT_DATA."""

    @property
    def word(self) -> str:
        """The level as files and events write it."""
        return self.name.lower()

    @property
    def is_firing(self) -> bool:
        """True when people are to know."""
        return self is not Level.OK


def level_of(word: str) -> Level:
    """Read a level back. Raises KeyError."""
    return _BY_WORD[word]


class Than(StrEnum):
    """What a period is compared with."""

    PREVIOUS = "previous"
    """The period right before it."""
    YESTERDAY = "yesterday"
    """The period at the same wall time a day before."""
    LAST_WEEK = "last_week"
    """The period at the same wall time seven days before."""


class NoData(StrEnum):
    """What a period without data is taken for."""

    IGNORE = "ignore"
    """Nothing: everything stays as it was."""
    OK = "ok"
    """A good period."""
    ALARM = "alarm"
    """So many of them in a row are an alarm of their own."""


_BY_WORD: Mapping[str, Level] = {one.word: one for one in Level}

#: What the events of alarms on log metrics are called.
SOURCE, TYPE = "cloudheal.logs", "Log:Alarm"
#: Their statuses: a series fires, none of the alarm does any more, or one has recovered while others still fire.
FIRING, RECOVERED, EASED = "firing", "recovered", "eased"
#: The kind of resource that a log is which belongs to no server.
LOG = "log"
