"""The laws of planned maintenance, read from the simulator's journal and from the books at the end of a history.

What a server went through is taken from the journal alone, so that a worker which lies to its own books is found. The
windows and the deadline are told to the checker by the history and worked out here by hand, without the planner.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloudheal.model.deed import CLAIM, EVIDENCE
from cloudheal.record.ledger import Kind
from cloudheal.record.tables import APPROVAL, INCIDENT, LEDGER, PLAN, RUN, STEP, SYSTEM_EVENT
from cloudheal.record.verifying import verify
from tests.flow.watching import Watching

ANSWERED = "SystemMaintenance.Reboot"
STEP_OF_PLAN = timedelta(minutes=5)
Weights = dict[tuple[str, int], int]
Journal = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What operators of a history agreed to: who may be rebooted, when, and how everything was before."""

    handled: frozenset[str]
    weights: Weights
    hours: frozenset[int]
    """The hours of the day in which maintenance may begin."""
    margin: timedelta
    lasts: timedelta
    catch_up: timedelta


@dataclass(slots=True)
class Known:
    """When the worker learned which time of an event, as its books told; and when it was not at work."""

    away: list[tuple[datetime, datetime]] = field(default_factory=list)
    times: defaultdict[str, list[tuple[datetime, datetime]]] = field(default_factory=lambda: defaultdict(list))

    def note(self, watched: Watching) -> None:
        """Write down what the worker knows now."""
        now = watched.app.clock.now()
        for row in watched.rows(SYSTEM_EVENT, SYSTEM_EVENT.c.not_before.is_not(None)):
            told, at = self.times[row.id], datetime.fromtimestamp(row.not_before / 1000, UTC)
            if not told or told[-1][1] != at:
                told.append((now, at))

    def at(self, event: str, when: datetime) -> datetime | None:
        """Return the time of an event that the worker had known for a minute by then."""
        known = [time for noted, time in self.times[event] if noted <= when - timedelta(minutes=1)]
        return known[-1] if known else None


def broken_laws(watched: Watching, agreed: Agreed, known: Known) -> Iterator[str]:
    """Say in words which law was broken."""
    journal = watched.simulator.journal()
    world = watched.simulator.control("GET", "world")["alibaba"]
    ledger = sorted(watched.rows(LEDGER), key=lambda one: one.id)
    reboots = [one for one in journal if one.get("action") == "RebootInstance" and one.get("changes")]
    yield from answered_once(reboots, agreed)
    yield from in_their_slots(reboots, ledger, agreed)
    yield from in_time(reboots, watched, agreed, known)
    yield from intended(reboots, watched)
    yield from one_hand_at_a_time(ledger)
    yield from one_at_a_time(journal, agreed, given_up(watched))
    yield from put_back(watched, world, agreed)
    yield from told_of(watched, world)
    yield from ended_or_waiting(watched)
    yield from planned_well(watched, agreed)
    yield from explained(world, watched, agreed, known)
    book = verify(watched.app.database)
    if not book.whole:
        yield f"ledger: {book.findings}"


def answered_once(reboots: Journal, agreed: Agreed) -> Iterator[str]:
    """Every reboot of ours answers an event that none answered before, of a server that is ours to reboot."""
    for entry in reboots:
        (server,) = entry["resources"]
        if server not in agreed.handled:
            yield f"reboot: {server} was rebooted, which is left alone or asked about"
        if not [one for one in entry["changes"] if one["what"] == "event.answered"]:
            yield f"reboot: {server} was rebooted at {entry['at']} for no event, or twice for one"


def in_their_slots(reboots: Journal, ledger: Sequence[sa.Row[Any]], agreed: Agreed) -> Iterator[str]:
    """Every reboot follows the beginning of a slot closely, and the slot lies in a window."""
    slots: defaultdict[str, list[datetime]] = defaultdict(list)
    for row in ledger:
        if row.kind == Kind.RUN_PLANNED and row.result[:2] == "20":
            slots[row.resource].append(datetime.fromisoformat(row.result))
    latest = agreed.catch_up + agreed.lasts
    for entry in reboots:
        (server,) = entry["resources"]
        at = datetime.fromisoformat(entry["at"])
        own = [one for one in slots[server] if one <= at + timedelta(milliseconds=1) and at <= one + latest]
        if not own:
            yield f"slot: {server} was rebooted at {at}, its slots were {slots[server]}"
        elif all(one.astimezone(UTC).hour not in agreed.hours for one in own):
            yield f"window: {server} was rebooted at {at} for a slot outside every window"


def in_time(reboots: Journal, watched: Watching, agreed: Agreed, known: Known) -> Iterator[str]:
    """Every reboot comes before the deadline of the event that it is for; others that it answers, too, had no slot."""
    incidents = {row.id: row.trouble_id for row in watched.rows(INCIDENT)}
    intents = sorted(watched.rows(LEDGER, *_INTENTS), key=lambda one: one.id)
    for entry in reboots:
        (server,) = entry["resources"]
        at = datetime.fromisoformat(entry["at"])
        before = [one for one in intents if one.resource == server and one.at <= at.timestamp() * 1000 + 1000]
        event = incidents.get(before[-1].incident) if before else None
        due = known.at(event, at) if event else None
        if due is not None and at > due - agreed.margin:
            yield f"deadline: {server} was rebooted at {at} for {event}, which was due at {due}"


def intended(reboots: Journal, watched: Watching) -> Iterator[str]:
    """Every reboot follows an intent of its own, and every intent has its end."""
    wanted = Counter(row.resource for row in watched.rows(LEDGER, *_INTENTS))
    for server, number in Counter(one["resources"][0] for one in reboots).items():
        if number > wanted[server]:
            yield f"law 3: {server} was rebooted {number} times for {wanted[server]} intents"
    yield from (f"law 3: {one.run}/{one.number} has no end" for one in watched.rows(STEP, STEP.c.done.is_(None)))


def one_hand_at_a_time(ledger: Sequence[sa.Row[Any]]) -> Iterator[str]:
    """Law 4: runs about several events of a server may look at the same time; only one of them changes anything."""
    at_work: dict[str, str] = {}
    for row in ledger:
        acts = row.kind == Kind.STEP_INTENDED and json.loads(row.body).get("kind", "act") in {"act", "help"}
        if acts and row.type not in {CLAIM, EVIDENCE}:
            other = at_work.setdefault(row.resource, row.incident)
            if other != row.incident:
                yield f"law 4: {row.resource} is changed for {other} and {row.incident} at once"
        elif row.kind == Kind.INCIDENT_ENDED and at_work.get(row.resource) == row.incident:
            del at_work[row.resource]


def given_up(watched: Watching) -> Mapping[str, datetime]:
    """Return since when people know of a server that is not back in its balancers."""
    ended: dict[str, datetime] = {}
    for row in watched.rows(INCIDENT, INCIDENT.c.ended.is_not(None)):
        found = json.loads(row.evidence)
        if found.get("still_out") or found.get("code") == "not_put_back":
            at = datetime.fromtimestamp(row.ended / 1000, UTC)
            ended[row.resource] = min(at, ended.get(row.resource, at))
    return ended


def one_at_a_time(journal: Journal, agreed: Agreed, told: Mapping[str, datetime]) -> Iterator[str]:
    """At most one member of the group is away for maintenance at the same time: down, or out of its balancers.

    One that did not come back, of which people were told, is not under maintenance any more.
    """
    out: set[str] = set()
    down: set[str] = set()
    for entry in journal:
        for change in entry.get("changes", ()):
            if change["what"] == "group.backends":
                out = {one["server_id"] for one in change["after"] if one["weight"] == 0}
            if change["what"] == "instance.status" and change["after"] == "Running":
                down.discard(change["id"])
        if entry.get("action") == "RebootInstance" and entry.get("changes"):
            down |= set(entry["resources"])
        at = datetime.fromisoformat(entry["at"])
        away = {one for one in (down | out) & agreed.handled if one not in told or at < told[one]}
        if len(away) > 1:
            yield f"group: {sorted(away)} are away at once at {entry['at']}"
            return


def put_back(watched: Watching, world: Mapping[str, Any], agreed: Agreed) -> Iterator[str]:
    """Everybody has the weights of before, unless people were told of who has not."""
    (group,) = world["server_groups"]
    weights = {(one["server_id"], one["port"]): one["weight"] for one in group["backends"]}
    told = given_up(watched)
    for place in agreed.weights.keys() | weights.keys():
        if weights.get(place) != agreed.weights.get(place) and place[0] not in told:
            yield f"balancer: {place} has {weights.get(place)}, had {agreed.weights.get(place)}"


def told_of(watched: Watching, world: Mapping[str, Any]) -> Iterator[str]:
    """Every event of the cloud has one row, with the status that it has there."""
    rows = watched.rows(SYSTEM_EVENT)
    here = {row.id: row.status for row in rows}
    there = {one["id"]: one["status"] for one in world["system_events"]}
    if len(here) != len(rows) or here != there:
        yield f"events: here {here}, in the cloud {there}"


def ended_or_waiting(watched: Watching) -> Iterator[str]:
    """What has not ended waits, and says for what."""
    runs = {row.incident: row for row in watched.rows(RUN)}
    questions = {row.run for row in watched.rows(APPROVAL, APPROVAL.c.answer == "")}
    for incident in watched.rows(INCIDENT):
        run = runs.get(incident.id)
        if incident.ended is not None:
            if not incident.verdict or (run is not None and run.state != "ended"):
                yield f"incident: {incident.resource} ended as {incident.verdict!r}, its run is {run and run.state}"
        elif run is None or run.state in {"ended", "starting", "running", "parked"} or not run.waits_for:
            yield f"incident: {incident.resource} {incident.trouble} neither ended nor waits: {run}"
        elif run.waits_for == "ask" and run.id not in questions:
            yield f"incident: {incident.resource} waits for an answer that nobody is asked for"


def planned_well(watched: Watching, agreed: Agreed) -> Iterator[str]:
    """A row of the plan that waits has a slot on the grid before its deadline, or says why it has none."""
    states = {row.id: row.state for row in watched.rows(RUN)}
    for row in watched.rows(PLAN):
        if row.run not in states:
            yield f"plan: {row.run} is no run"
        elif states[row.run] == "planned" and (problem := _problem(row, agreed)):
            yield f"plan: {row.run} {problem}: {row}"


def explained(world: Mapping[str, Any], watched: Watching, agreed: Agreed, known: Known) -> Iterator[str]:
    """What the platform did to a server that is ours to reboot was not just forgotten.

    There was no slot, or it was missed, or nobody was at work in it; or a run was at work on the server, whose verdict
    says what it came to; or the event was first heard of when its time had come.
    """
    heard = {row.id: row.first_heard < (row.not_before or 0) for row in watched.rows(SYSTEM_EVENT)}
    incidents = {row.trouble_id: row.id for row in watched.rows(INCIDENT)}
    excused = {
        row.incident
        for row in watched.rows(LEDGER)
        if row.kind == Kind.RUN_BEGUN or (row.kind == Kind.RUN_PLANNED and _lost(row.result, known))
    }
    for event in world["system_events"]:
        ours = event["type"] == ANSWERED and event["instance"] in agreed.handled
        executed = ours and event["status"] == "Executed" and heard.get(event["id"])
        if executed and incidents.get(event["id"]) not in excused:
            yield f"forgotten: {event['id']} of {event['instance']} was executed, and nobody says why"


def _lost(told: str, known: Known) -> bool:
    """Say whether the plan tells that there was no slot, or gave one in which the worker was away."""
    if told.startswith(("no slot", "missed")):
        return True
    return told[:2] == "20" and any(one <= datetime.fromisoformat(told) <= other for one, other in known.away)


def _problem(row: sa.Row[Any], agreed: Agreed) -> str:
    """Say what is wrong with a row that waits for its slot."""
    if row.stale:
        return "was forgotten by the planner"
    if row.policy == "leave":
        return "has a slot although it is left alone" if row.begin else ""
    if row.begin is None:
        return "" if row.binding else "has no slot and no reason"
    begin, grid = row.begin, STEP_OF_PLAN // timedelta(milliseconds=1)
    if begin % grid or row.end - begin < agreed.lasts // timedelta(milliseconds=1):
        return "is off the grid or too short"
    return "does not begin before its deadline" if begin >= row.deadline else ""


_INTENTS = (LEDGER.c.kind == Kind.STEP_INTENDED.value, LEDGER.c.type.like("reboot%"))
