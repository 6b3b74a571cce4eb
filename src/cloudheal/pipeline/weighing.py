"""From counts to facts, and from facts to a walk: the one way to a decision, wherever it is counted.

A worker counts in its tables, inside the committing transaction; a backtest counts in memory, on a virtual clock. Both
hand what they counted to the functions here and to no others, so that a backtest decides exactly as a worker does.
Nothing here reads a table, calls a cloud or asks the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from cloudheal.act.playbook import Playbook
from cloudheal.decide.facts import Bounds, Busy, Facts, Group, Past, Will
from cloudheal.decide.rulebook import RuleBook, off_hours_until, selects
from cloudheal.decide.walk import Count, Verdict, Walk
from cloudheal.decide.wishes import WishTags, held_by_tag
from cloudheal.model.control import Hold
from cloudheal.model.decision import Outcome, Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import Mode, RunState, Trouble, deadline_of
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.record.facts import Counted, Windows
from cloudheal.record.holds import EVERYTHING
from cloudheal.record.waiting import Patient
from cloudheal.settings.rules import Rule, Selector

#: How the run of an incident begins, by the outcome of the decision; no run for the outcomes that are not here.
RUN_STATES = {
    Outcome.ACT: RunState.STARTING,
    Outcome.PLAN: RunState.PLANNED,
    Outcome.WAIT: RunState.WAITING,
    Outcome.ASK: RunState.ASKING,
    Outcome.TELL: RunState.ASKING,
}
#: Reasons that every run of the same rule waits for together: when one is refused, the others need not be asked.
SHARED = frozenset({Reason.BUDGET_AT_ONCE, Reason.BUDGET_RATE, Reason.BUDGET_SHARE, Reason.STORM, Reason.PAUSED})
#: Of these, those that belong to one group only.
OF_GROUP = frozenset({Reason.BUDGET_SHARE, Reason.STORM})
_NO_WILL = Will()
#: News of an age that only a downtime explains.
BACKLOG_AGE = timedelta(minutes=10)


class Counts(Protocol):
    """Where the facts are counted."""

    def counted(self, subject: ResourceId, trouble: Trouble, now: datetime, windows: Windows) -> Counted:
        """Return the history of a resource and its trouble, and how much is being done."""

    def crowd(
        self, subject: ResourceId, group: str, trouble: Trouble, now: datetime, window: timedelta
    ) -> tuple[int, int]:
        """Return how many of a resource's group are under action, and how many fell into a trouble in a window."""

    def is_touched(self, subject: ResourceId) -> bool:
        """Say whether a run has the right to touch a resource, at work or resting."""

    def size(self, subject: ResourceId, group: str, selector: Selector | None) -> tuple[int, int]:
        """Return how many members a group has, and how many of them nobody helps yet; a rule's own by its selector."""

    def is_down(self, subject: ResourceId, group: str) -> bool:
        """Say whether a resource is among those of a group, whose size was asked for, that nobody helps yet."""

    def holds_on(self, scopes: Sequence[str], now: datetime) -> Sequence[Hold]:
        """Return the holds in force on any of these scopes, oldest first."""

    def mode_of(self, rule: Rule) -> Mode:
        """Return how far a rule is trusted now."""


#: How a walk is told: whole, or its verdict only.
W = TypeVar("W", Walk, Verdict)
W_co = TypeVar("W_co", Walk, Verdict, covariant=True)


class Walking(Protocol[W_co]):
    """Walks through facts: `walk` to have it told, `verdict` to know how it ends."""

    def __call__(self, event_time: datetime, now: datetime, facts: Facts, count: Count | None = None) -> W_co:
        """Ask every question in order until one refuses."""


class Before(NamedTuple):
    """What was found out of an event before its facts are counted."""

    selected: bool
    bounds: Bounds
    group: str = ""
    """The resource's; empty: as the inventory knows it."""
    deadline: datetime | None = None
    newest: datetime | None = None
    only_looks: bool = False
    """The rule's playbook only looks."""
    planned: bool = False
    """It waits for a slot."""


class Fell(NamedTuple):
    """Members of a group that fell in an old backlog, as far as one commit shows it."""

    together: int = 0
    """All that came with an event."""
    ahead: int = 0
    """It, and those that are not decided on yet; the others, and those of commits before, are counted as incidents."""


#: Of fresh news.
FRESH = Fell()


class Told(NamedTuple):
    """A new event to decide on, with what is known of its resource and until when its trouble was known before."""

    event: Event
    trouble: Trouble
    resource: Resource | None
    newest: datetime | None
    fell: Fell = FRESH
    """Of an old backlog; none for fresh news."""


class Weighed(NamedTuple, Generic[W]):
    """What one rule makes of an event: the facts, and the walk through them."""

    rule: Rule
    facts: Facts
    walked: W

    @property
    def group(self) -> str:
        """The group that the resource was counted in."""
        return self.facts.group.name


def usable(rules: RuleBook, playbooks: Mapping[str, Playbook], event: Event, trouble: Trouble) -> Sequence[Rule]:
    """Return the rules that match an event and know its trouble, in the order of the file."""
    return [rule for rule in rules.matching(event) if trouble.kind in playbooks[rule.playbook].troubles]


def weighed(
    counts: Counts, told: Told, rules: Sequence[Rule], book: RuleBook, now: datetime, *, through: Walking[W]
) -> Iterator[Weighed[W]]:
    """Yield what each of some rules of a book makes of an event; whoever opens an incident asks no further."""
    wishes = book.wishes_of(told.event.subject)
    for rule in rules:
        facts = tag_held(_facts(counts, told, rule, book, now), wishes, told.resource, now)
        count = partial(crowd, counts, rule, told.event.subject, told.trouble, facts.group.name, now, fell=told.fell)
        yield Weighed(rule, facts, through(told.event.time, now, facts, count))


def weighed_again(
    counts: Counts,
    patient: Patient,
    book: RuleBook,
    resource: Resource | None,
    now: datetime,
    *,
    approved: bool,
    through: Walking[W],
) -> Weighed[W]:
    """Return what its rule makes of a run that waits or asks, by the same questions as at first.

    Its own incident is not in its way, and it was selected before. A run that has begun goes at its playbook's own
    pace: its own attempts do not make it cool down.
    """
    rule, deadline = book.rules[patient.rule], deadline_of(patient.subject, patient.trouble, patient.occurred)
    before = Before(True, book.bounds[rule.name], patient.group, deadline, only_looks=rule.name in book.looking)
    facts = gathered(counts, rule, patient.subject, patient.trouble, None, now, before=before)
    facts = _again(tag_held(facts, book.wishes_of(patient.subject), resource, now), patient, approved=approved)

    def count() -> Group:
        group = crowd(counts, rule, patient.subject, patient.trouble, facts.group.name, now)
        # Announced at once for many and done one after another, or approved by a person: no storm.
        is_no_storm = approved or patient.state is RunState.PLANNED
        return group._replace(fell_lately=0) if is_no_storm else group

    return Weighed(rule, facts, through(patient.occurred, now, facts, count))


def backlog(new: Sequence[Event], resources: Mapping[ResourceId, Resource], now: datetime) -> Mapping[str, Fell]:
    """Count by the keys of old events how many of their group fell with them: a backlog meets the storm guard whole.

    A long one comes in several commits. Each counts what it brings beside the incidents that those before it opened.
    """
    old = {event.key: event.subject for event in new if now - event.time > BACKLOG_AGE}
    if not old:
        return {}
    groups: dict[tuple[str, str], set[ResourceId]] = {}
    ahead: dict[str, tuple[set[ResourceId], int]] = {}
    for key, subject in reversed(old.items()):
        known = resources.get(subject)
        group = groups.setdefault((subject.account, known.group if known else ""), set())
        group.add(subject)
        ahead[key] = group, len(group)
    return {key: Fell(len(group), left) for key, (group, left) in ahead.items()}


def gathered(
    counts: Counts,
    rule: Rule,
    subject: ResourceId,
    trouble: Trouble,
    resource: Resource | None,
    now: datetime,
    *,
    before: Before,
) -> Facts:
    """Count the facts that one rule's walk looks at, but those of the group: see `crowd`."""
    selected, bounds, group, deadline, newest, only_looks, planned = before
    group = group or (resource.group if resource else "") or f"rule:{rule.name}"
    open_, attempts, oldest, last, heals, oldest_heal, at_once, in_last_hour, at_work = counts.counted(
        subject, trouble, now, Windows(bounds.within, bounds.flap_window)
    )
    return Facts(
        selected,
        deadline,
        Past(open_, newest, attempts, oldest, last, heals, oldest_heal),
        _will(counts, rule, subject, group, now),
        Busy(at_once, in_last_hour, at_work),
        Group(group, 0, 0, 0, 0),
        bounds,
        counts.mode_of(rule),
        planned,
        only_looks,
    )


def crowd(
    counts: Counts, rule: Rule, subject: ResourceId, trouble: Trouble, group: str, now: datetime, *, fell: Fell = FRESH
) -> Group:
    """Count a group; of its members those have fallen lately, too, that an old backlog brings.

    Whom it is about is one of those in trouble, also where its state looks well: a server that is not heard of any
    more, or that is to be rebooted, runs, and is away like another one as soon as something is done about it.
    """
    members, unhealthy = counts.size(subject, group, rule.resources if group == f"rule:{rule.name}" else None)
    unhealthy += bool(members) and not counts.is_down(subject, group)
    under_action, fallen = counts.crowd(subject, group, trouble, now, rule.limits.storm_window)
    # One more trouble of a server that is under action already takes no further server away from its group.
    under_action -= bool(under_action) and counts.is_touched(subject)
    return Group(
        group, members, unhealthy if members else fallen, under_action, max(fallen + fell.ahead, fell.together)
    )


def tag_held(facts: Facts, wishes: WishTags, resource: Resource | None, now: datetime) -> Facts:
    """Return the facts with the hold that the resource's own tags put on it, where no other one stands."""
    hold = held_by_tag(wishes, resource.tags, now) if resource and not facts.will.held_by else None
    if hold is None:
        return facts
    return facts._replace(will=facts.will._replace(held_by=f"tag {hold.tag}", held_until=hold.until))


def _facts(counts: Counts, told: Told, rule: Rule, book: RuleBook, now: datetime) -> Facts:
    """Count the facts of a walk; of a stale event or a server that is not selected nothing more is asked."""
    event, bounds, planned = told.event, book.bounds[rule.name], rule.name in book.planned
    stale = told.newest is not None and told.newest > event.time
    if stale or not selects(rule.resources, event.subject, told.resource):
        past, nothing = Past(newest=told.newest), Group("", 0, 0, 0, 0)
        return Facts(False, None, past, Will(), Busy(0, 0), nothing, bounds, rule.mode, planned)
    deadline = deadline_of(event.subject, told.trouble, event.time)
    before = Before(True, bounds, "", deadline, told.newest, rule.name in book.looking, planned)
    return gathered(counts, rule, event.subject, told.trouble, told.resource, now, before=before)


def _will(counts: Counts, rule: Rule, subject: ResourceId, group: str, now: datetime) -> Will:
    holds = counts.holds_on([EVERYTHING, subject.id, group], now)
    if not holds:
        return Will(off_hours_until=off_hours_until(rule, now)) if rule.hours else _NO_WILL
    pause = next((one for one in holds if one.scope == EVERYTHING), None)
    hold = next((one for one in holds if one.scope != EVERYTHING), None)
    return Will(
        paused_by=f"{pause.who}: {pause.why}" if pause else "",
        held_by=f"{hold.who}: {hold.why}" if hold else "",
        held_until=hold.until if hold else None,
        off_hours_until=off_hours_until(rule, now),
    )


def _again(facts: Facts, patient: Patient, *, approved: bool) -> Facts:
    last = None if patient.attempts else facts.past.last_attempt
    mine = facts._replace(past=facts.past._replace(open=None, last_attempt=last))
    if not approved:
        return mine
    return mine._replace(mode=Mode.AUTO, past=mine.past._replace(attempts=0, heals=0))
