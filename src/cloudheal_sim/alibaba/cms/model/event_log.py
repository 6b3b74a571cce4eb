"""What happened: the published events that can still be asked for, newest last, old ones falling off.

Answers DescribeSystemEventAttribute, DescribeSystemEventCount and their custom-event counterparts. Dry runs are not
events that happened and are never remembered here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from pydantic_core import to_json

from cloudheal_sim.alibaba.cms.model.catalogue import base_name, full_name
from cloudheal_sim.alibaba.events import SystemEvent

#: Events remembered. The real service keeps more; 20,000 are some 20 MB and twenty seconds at full rate.
MOST_EVENTS = 20_000
#: What is written, and may be asked for, where an event belongs to no application group.
NO_GROUP = "0"
Sort: TypeAlias = Literal["SYSTEM", "CUSTOM"]


@dataclass(frozen=True, slots=True)
class Published:
    """One event as CloudMonitor sends it: with its id, name in full, and the application groups of its resource.

    `eventbridge` events travel as CloudEvents to every target. `verbatim` is sent instead of an envelope (dry runs
    that bring their own).
    """

    id: str
    event: SystemEvent
    groups: tuple[str, ...] = ()
    sort: Sort = "SYSTEM"
    eventbridge: bool = False
    dry_run: bool = False
    verbatim: Mapping[str, object] | None = None

    @property
    def name(self) -> str:
        """The name with its life-cycle state."""
        return full_name(self.event.name, self.event.status)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What a caller wants to see; empty means no restriction, instants are epoch milliseconds, both ends included."""

    sort: Sort = "SYSTEM"
    product: str = ""
    name: str = ""
    level: str = ""
    event_type: str = ""
    status: str = ""
    group: str = ""
    id: str = ""
    keywords: str = ""
    start: int | None = None
    end: int | None = None
    as_of: int | None = None

    def _checks(self) -> Iterable[Callable[[Published], bool]]:
        yield lambda one: one.sort == self.sort
        for facts in ("product", "level", "event_type", "status"):
            wanted = getattr(self, facts).lower()
            if wanted:
                yield partial(_same_fact, facts, wanted)
        if self.name:
            yield lambda one: self.name in {one.name, base_name(one.event.name)}
        if self.group:
            yield lambda one: self.group in (one.groups or (NO_GROUP,))
        if self.id:
            yield lambda one: self.id == one.id
        if (start := self.start) is not None:
            yield lambda one: one.event.at >= start
        ends = [end for end in (self.end, self.as_of) if end is not None]
        if ends:
            yield lambda one: one.event.at <= min(ends)
        if self.keywords.strip():
            yield _keyword_check(self.keywords)

    def picks(self, events: Iterable[Published]) -> list[Published]:
        """Return the wanted events, in the order given."""
        checks = tuple(self._checks())
        return [one for one in events if all(check(one) for check in checks)]


def _same_fact(facts: str, wanted: str, one: Published) -> bool:
    return bool(getattr(one.event, facts).lower() == wanted)


def _keyword_check(keywords: str) -> Callable[[Published], bool]:
    """Read `a and b`, `a or b` or one keyword; keywords are looked for in the content as it is written."""
    alternatives = [[word.strip() for word in part.split(" and ")] for part in keywords.split(" or ")]

    def check(one: Published) -> bool:
        text = content_text(one.event.content)
        return any(all(word in text for word in words) for words in alternatives)

    return check


def content_text(content: Mapping[str, object]) -> str:
    """Write a content object as the JSON string that replies carry."""
    return to_json(content).decode()


class EventLog:
    """A bounded memory of published events."""

    def __init__(self) -> None:
        self._events: deque[Published] = deque(maxlen=MOST_EVENTS)

    def remember(self, published: Published) -> Published:
        """Add the newest event."""
        self._events.append(published)
        return published

    def replace(self, events: Iterable[Published]) -> int:
        """Forget everything and remember these; return how many are kept."""
        self._events.clear()
        self._events.extend(events)
        return len(self._events)

    def all(self) -> tuple[Published, ...]:
        """Return everything remembered, oldest first."""
        return tuple(self._events)

    def newest_first(self, query: EventQuery) -> list[Published]:
        """Return what `query` wants, the newest event first."""
        return query.picks(reversed(self._events))
