"""What people write on a server itself: a hold, and whether it should be on; by tags whose keys the account declares.

Tags are read as the inventory or a fresh look knows them; nothing here reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

#: A year in the tag of a hold from which on it has no end: not every zone can tell such a time, and it means for ever.
FOR_EVER = 9000


@dataclass(frozen=True, slots=True)
class WishTags:
    """The keys of the tags, and the zone of times that name none."""

    hold: str = "cloudheal:hold"
    desired: str = "cloudheal:desired"
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class TagHold:
    """A hold that stands on the server; `tag` is the whole tag, as it was read."""

    tag: str
    until: datetime | None


def held_by_tag(wishes: WishTags, tags: Mapping[str, str], now: datetime) -> TagHold | None:
    """Return the hold that a server's tags put on it, if it still stands.

    Any value holds, also an empty one; one that is a time holds until then.
    """
    value = tags.get(wishes.hold)
    if value is None:
        return None
    until = _time(value, wishes.zone)
    if until is not None and until <= now:
        return None
    return TagHold(f"{wishes.hold}={value}" if value else wishes.hold, until)


def wanted_by_tag(wishes: WishTags, tags: Mapping[str, str]) -> bool | None:
    """Say whether a server's tags want it on; None when they do not say, or say neither on nor off."""
    return {"on": True, "off": False}.get(tags.get(wishes.desired, "").strip().lower())


def _time(value: str, zone: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if read.year >= FOR_EVER:
        return None
    return read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))
