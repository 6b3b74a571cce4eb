"""Counts in memory, on a virtual clock: what the guards look at, kept true by what happens in a backtest.

It answers what `TableCounts` answers from the tables, and is asked by the same functions. Time never goes back, so that
what has left every window is forgotten: memory grows with the servers, groups and open incidents, not with the events.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from cloudheal.decide.rulebook import selects
from cloudheal.model.control import Hold
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import FAILURE, INTERRUPTION, MAINTENANCE, Healed, Mode, Trouble
from cloudheal.model.inventory import DELETED, RUNNING, STOPPED, Known
from cloudheal.model.resource import Resource, ResourceId, place_of
from cloudheal.model.system_event import rank
from cloudheal.pipeline.backtest.servers import KEYS, Members, Server, latest
from cloudheal.record.facts import HOUR, Counted, Windows
from cloudheal.record.sizes import NOT_RUNNING
from cloudheal.record.system_events import Name, name_of
from cloudheal.sense.inventory import STATE_CHANGE
from cloudheal.sense.triggers import tells_recovery
from cloudheal.settings.rules import Rule, Selector

#: System events of which is remembered how far along they were.
MOST_EVENTS = 20_000
_MILLISECOND = timedelta(milliseconds=1)
#: What wins when two observations bear the same instant: the end of a movement over the movement.
_RANKS = {DELETED: 2, RUNNING: 1, STOPPED: 1}
_WELL = frozenset({Healed.HEALED, Healed.NOT_NEEDED})
_TRUST = (Mode.SHADOW, Mode.ASK, Mode.AUTO)


class Freed(Enum):
    """What a grant that was given back leaves free."""

    NOTHING = "nothing"
    ROOM = "room"
    """A place under action; who has acted still counts for an hour."""
    RATE = "rate"
    """That, and a place in the hour: it has not acted."""


class Memory:
    """Everything that is counted; the machine of runs tells it what happens."""

    def __init__(self, inventory: Iterable[Known], rules: Iterable[Rule]) -> None:
        """Begin with the resources that are known, taken to be up until an event says otherwise."""
        self._servers: dict[ResourceId, Server] = defaultdict(Server)
        self.known: dict[ResourceId, Resource] = {}
        """Who a resource is, as the inventory knows it today."""
        self._described: set[ResourceId] = set()
        self._groups: dict[tuple[str, str, str], Members] = {}
        self._holds: dict[str, list[Hold]] = {}
        self._promoted: dict[tuple[str, str], Mode] | None = None
        self._grants: dict[str, tuple[ResourceId, str]] = {}
        self._acted: dict[str, datetime] = {}
        self._idle: set[str] = set()
        self._at_work: dict[ResourceId, set[str]] = defaultdict(set)
        self._under_action: dict[str, dict[str, int]] = defaultdict(dict)
        self._fell: dict[tuple[str, str, timedelta], dict[str, datetime]] = {}
        limits = [one.limits for one in rules]
        self._storms = {one.storm_window for one in limits}
        self._within = max((one.within for one in limits), default=HOUR)
        self._flaps = max((one.flap_window for one in limits), default=HOUR)
        self._digests: dict[str, str] = {}
        self._events: dict[Name, tuple[int, datetime]] = {}
        self._released: list[tuple[ResourceId, datetime]] = []
        for one in inventory:
            self._add(one)

    # What the guards ask.

    def counted(self, subject: ResourceId, trouble: Trouble, now: datetime, windows: Windows) -> Counted:
        """Return the history of a resource and its trouble, and how much is being done."""
        server = self._servers[subject]
        tried = server.tried(trouble.kind == INTERRUPTION, now - windows.within) if server.attempts else ()
        heals = server.healed(trouble.kind, now - windows.flap) if server.heals else ()
        self._forget_acted(now - HOUR)
        return Counted(
            self._open(server, trouble),
            len(tried),
            min(tried, default=None),
            max(tried, default=None),
            len(heals),
            min(heals, default=None),
            len(self._grants),
            len(self._acted) + len(self._idle),
            bool(self._at_work.get(subject)),
        )

    def crowd(
        self, subject: ResourceId, group: str, trouble: Trouble, now: datetime, window: timedelta
    ) -> tuple[int, int]:
        """Return how many of a resource's group are under action, and how many fell into a trouble in a window."""
        place = place_of(subject, group)
        return len(self._under_action.get(place, ())), self._fell_since(place, trouble.kind, window, now)

    def is_touched(self, subject: ResourceId) -> bool:
        """Say whether a run has the right to touch a resource."""
        return self._servers[subject].granted > 0

    def size(self, subject: ResourceId, group: str, selector: Selector | None) -> tuple[int, int]:
        """Return how many members a group has, and how many of them nobody helps yet."""
        name = (str(subject.cloud), subject.account, group)
        members = self._groups.get(name)
        if members is None:
            members = self._groups[name] = Members()
            if selector is not None:
                self._select(members, subject, selector)
        return members.total, len(members.down)

    def is_down(self, subject: ResourceId, group: str) -> bool:
        """Say whether a resource is among those of a group, whose size was asked for, that nobody helps yet."""
        return subject.id in self._groups[str(subject.cloud), subject.account, group].down

    def holds_on(self, scopes: Sequence[str], now: datetime) -> list[Hold]:
        """Return the holds in force on any of these scopes, oldest first."""
        if not self._holds:
            return []
        found = [one for scope in dict.fromkeys(scopes) for one in self._holds.get(scope, ())]
        return sorted((one for one in found if one.until is None or one.until > now), key=lambda one: one.since)

    def mode_of(self, rule: Rule) -> Mode:
        """Return how far a rule is trusted: as far as its file asks, or at most as far as it was promoted then."""
        if self._promoted is None:
            return rule.mode
        allowed = self._promoted.get((rule.name, self.digest_of(rule)), Mode.SHADOW)
        return min(rule.mode, allowed, key=_TRUST.index)

    def digest_of(self, rule: Rule) -> str:
        """Return what makes two versions of a rule different, worked out once."""
        found = self._digests.get(rule.name)
        if found is None:
            found = self._digests[rule.name] = rule.digest
        return found

    def newest(self, event: Event, trouble: Trouble) -> datetime | None:
        """Return until when the trouble of an event is known: see `record.observations.newest_known`."""
        name = name_of(event)
        if name is not None:
            furthest, changed = self._events.get(name, (0, event.time))
            return max(changed, event.time + _MILLISECOND) if furthest > rank(event.status) else None
        server = self._servers[event.subject]
        if tells_recovery(event.type):
            told, looked = server.told.get((event.type, event.status, event.source)), None
        else:
            told, looked = server.newest.get(event.type), server.looked.get((event.type, event.status))
        return latest(told, looked, server.given_up.get(trouble.kind))

    def state(self, subject: ResourceId) -> str:
        """Return the state of a resource as far as events have told it; empty when none has."""
        return self._servers[subject].state

    def knows_later(self, event: Event) -> bool:
        """Say whether a later state of a resource is known than an event tells, and another one."""
        server = self._servers[event.subject]
        return server.as_of is not None and server.as_of > event.as_of and server.state != event.status

    # What happens.

    def begins(self, at: datetime) -> None:
        """Take in when the history begins: what was released before that is gone."""
        for subject, released in self._released:
            if released <= at:
                self.is_now(subject, DELETED, released)
        self._released.clear()

    def notes(self, event: Event) -> bool:
        """Take in what an event says; False when it was taken in before."""
        server, key = self._servers[event.subject], hash(event.key)
        if key in server.keys:
            return False
        server.keys[key] = None
        if len(server.keys) > KEYS:
            del server.keys[next(iter(server.keys))]
        type_, status, time = event.type, event.status, event.as_of
        if tells_recovery(type_):
            source = (type_, status, event.source)
            server.told[source] = max(time, server.told.get(source, time))
        elif event.channel is Channel.POLL:
            place = (type_, status)
            server.looked[place] = max(time, server.looked.get(place, time))
        elif server.newest.get(type_, time) <= time:
            server.newest[type_] = time
        if type_ != STATE_CHANGE:
            self._moves(event)
        elif status:
            self._changes(server, event.subject, status, time)
        return True

    def _moves(self, event: Event) -> None:
        """Take in how far along a system event is: its life leads one way."""
        name, how_far = name_of(event), rank(event.status)
        if name is None or self._events.get(name, (-1, None))[0] >= how_far:
            return
        self._events.pop(name, None)
        self._events[name] = (how_far, event.received)
        if len(self._events) > MOST_EVENTS:
            del self._events[next(iter(self._events))]

    def is_now(self, subject: ResourceId, state: str, at: datetime) -> bool:
        """Take in a state; an older one changes nothing."""
        return self._changes(self._servers[subject], subject, state, at)

    def _changes(self, server: Server, subject: ResourceId, state: str, at: datetime) -> bool:
        if server.as_of is not None and at <= server.as_of:
            further = at == server.as_of and _RANKS.get(state, 0) >= _RANKS.get(server.state, 0)
            if not further:
                return False
        if server.state == DELETED:
            return False
        server.state, server.as_of = state, at
        if state == DELETED:
            self._leave(server, subject)
        self._count_down(server, subject)
        return True

    def opened(self, incident: str, subject: ResourceId, trouble: Trouble, group: str, at: datetime) -> None:
        """Take in that an incident was opened."""
        self._servers[subject].open[trouble] = incident
        for window in self._storms:
            fell = self._fell.setdefault((place_of(subject, group), trouble.kind, window), {})
            fell.pop(subject.id, None)
            fell[subject.id] = at

    def granted(self, incident: str, subject: ResourceId, group: str) -> None:
        """Take in that a run may touch a resource."""
        if incident in self._grants:
            return
        self._grants[incident] = (subject, group)
        if incident not in self._acted:
            self._idle.add(incident)
        touched = self._under_action[place_of(subject, group)]
        touched[subject.id] = touched.get(subject.id, 0) + 1
        server = self._servers[subject]
        server.granted += 1
        self._count_down(server, subject)

    def given_back(self, incident: str) -> Freed:
        """Take in that a run has ended, waits or asks; returns what became free."""
        if incident not in self._grants:
            return Freed.NOTHING
        subject, group = self._grants.pop(incident)
        freed = Freed.RATE if incident in self._idle else Freed.ROOM
        self._idle.discard(incident)
        touched = self._under_action[place_of(subject, group)]
        touched[subject.id] -= 1
        if not touched[subject.id]:
            del touched[subject.id]
        server = self._servers[subject]
        server.granted -= 1
        self._count_down(server, subject)
        return freed

    def works(self, incident: str, subject: ResourceId) -> None:
        """Take in that a run which may touch its resource is at work."""
        self._at_work[subject].add(incident)

    def rests(self, incident: str, subject: ResourceId) -> bool:
        """Take in that a run is not at work any more; False when it was not."""
        runs = self._at_work.get(subject)
        if not runs or incident not in runs:
            return False
        runs.remove(incident)
        if not runs:
            del self._at_work[subject]
        return True

    def attempted(self, subject: ResourceId, trouble: Trouble, at: datetime, attempt: object) -> None:
        """Take in an attempt; `attempt` names it, in case that its call turns out not to have been taken."""
        server = self._servers[subject]
        server.attempts.append((at, trouble.kind == INTERRUPTION, attempt))
        while server.attempts and server.attempts[0][0] < at - self._within:
            server.attempts.popleft()

    def acted(self, incident: str, at: datetime) -> None:
        """Take in that a run touched its resource."""
        self._acted.pop(incident, None)
        self._acted[incident] = at
        self._idle.discard(incident)

    def not_taken(self, subject: ResourceId, attempt: object) -> None:
        """Take in that the call of an attempt was not taken: it does not count."""
        server = self._servers[subject]
        server.attempts = deque(one for one in server.attempts if one[2] != attempt)

    def ended(self, subject: ResourceId, trouble: Trouble, at: datetime, verdict: Healed) -> None:
        """Take in the end of an incident."""
        server = self._servers[subject]
        incident = server.open.pop(trouble, None)
        if verdict is Healed.NOT_HEALED:
            server.given_up[trouble.kind] = at
        if verdict is Healed.HEALED:
            heals = server.heals.setdefault(trouble.kind, deque())
            heals.append(at)
            while heals[0] < at - self._flaps:
                heals.popleft()
        if trouble.kind == FAILURE and incident is not None and verdict in _WELL:
            server.well[trouble.id] = incident
            if len(server.well) > KEYS:
                del server.well[next(iter(server.well))]

    def holds(self, hold: Hold) -> None:
        """Take in a person's hold."""
        self._holds.setdefault(hold.scope, []).append(hold)

    def lifted(self, scope: str) -> None:
        """Take in that the holds on exactly this scope were lifted."""
        self._holds.pop(scope, None)

    def trusts_promotions(self) -> None:
        """Trust rules from now on at most as far as they were promoted."""
        self._promoted = self._promoted or {}

    def promoted(self, rule: str, digest: str, mode: Mode) -> None:
        """Take in a person's word on a rule."""
        if self._promoted is not None:
            self._promoted[rule, digest] = mode

    @property
    def at_once(self) -> int:
        """How many resources are under action."""
        return len(self._grants)

    def oldest_act(self, since: datetime) -> datetime | None:
        """Return when the oldest act of those was taken that the rate still counts."""
        self._forget_acted(since)
        return next(iter(self._acted.values()), None)

    # How it is kept.

    def _add(self, known: Known) -> None:
        one = known.resource
        self.known[one.id] = one
        if known.released is not None:
            self._released.append((one.id, known.released))
        if known.described is None:
            return
        self._described.add(one.id)
        if one.group:
            name = (str(one.id.cloud), one.id.account, one.group)
            self._join(self._groups.setdefault(name, Members()), one.id)

    def _join(self, members: Members, subject: ResourceId) -> None:
        server = self._servers[subject]
        if server.state != DELETED:
            members.total += 1
            server.counted.append(members)
            if server.down:
                members.down.add(subject.id)

    def _leave(self, server: Server, subject: ResourceId) -> None:
        for members in server.counted:
            members.total -= 1
            members.down.discard(subject.id)
        server.counted.clear()

    def _select(self, members: Members, subject: ResourceId, selector: Selector) -> None:
        """Fill a group that is a rule's own: everything that it selects in the account."""
        for one in self._described:
            same = (one.cloud, one.account) == (subject.cloud, subject.account)
            if same and selects(selector, one, self.known[one]):
                self._join(members, one)

    def _count_down(self, server: Server, subject: ResourceId) -> None:
        down = server.state in NOT_RUNNING and not server.granted
        if down is server.down:
            return
        server.down = down
        for members in server.counted:
            if down:
                members.down.add(subject.id)
            else:
                members.down.discard(subject.id)

    def _open(self, server: Server, trouble: Trouble) -> str | None:
        """Return the incident that a trouble joins: see `record.facts`."""
        if server.open:
            same = server.open.get(trouble)
            if same is None and trouble.kind == FAILURE:
                same = server.open.get(Trouble(MAINTENANCE, trouble.id))
            if same is not None:
                return same
            taken = next((one for other, one in server.open.items() if other.kind == INTERRUPTION), None)
            if taken is not None:
                return taken
        return server.well.get(trouble.id) if trouble.kind == FAILURE else None

    def _forget_acted(self, since: datetime) -> None:
        while self._acted:
            incident, at = next(iter(self._acted.items()))
            if at >= since:
                return
            del self._acted[incident]
            if incident in self._grants:
                self._idle.add(incident)

    def _fell_since(self, place: str, kind: str, window: timedelta, now: datetime) -> int:
        fell = self._fell.get((place, kind, window))
        if not fell:
            return 0
        while fell:
            first = next(iter(fell))
            if fell[first] >= now - window:
                break
            del fell[first]
        return len(fell)
