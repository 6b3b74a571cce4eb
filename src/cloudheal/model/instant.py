"""Instants within sentences that were written down for everybody: whoever reads one sees the time of their own zone."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

#: An instant as ISO 8601 writes it, with its offset.
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d:\d\d|Z)")


def localised(text: str, zone: tzinfo) -> str:
    """Return a text whose instants are told in a zone, to the minute; what only looks like one is left as it is."""
    return INSTANT.sub(lambda found: _told(found[0], zone), text)


def _told(text: str, zone: tzinfo) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return text
