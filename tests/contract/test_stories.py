"""What was recorded is found, put in order, timed and told in sentences; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.model.decision import Reason
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.pipeline.explaining import explained
from cloudheal.record.database import Database
from cloudheal.record.holds import add_hold
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import Decided, add_decision, add_run, end_incident, note_action, open_incident
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.promotions import promote
from cloudheal.record.search import Query, search
from cloudheal.record.steps import conclude
from cloudheal.record.stories import newest_about
from cloudheal.record.timelines import incident_timeline, pace, resource_timeline, spread
from cloudheal.record.workers import claim, release
from cloudheal.settings.rules import Rule
from tests.contract.intents import intend
from tests.contract.test_inbox import NOON, an_event

SECOND = timedelta(seconds=1)
ZONE = ZoneInfo("Asia/Shanghai")
RULES = [
    Rule.model_validate({"name": name, "when": when, "resources": {"all": True}, "playbook": "restart_stopped"})
    for name, when in {
        "restart": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "spot": {"type": ["Instance:PreemptibleInstanceInterruption"], "region": [{"prefix": "cn-bei"}]},
    }.items()
]
STATIONS = (
    {"question": "new", "reason": "", "numbers": "newest observation None"},
    {"question": "attempts left", "reason": "", "numbers": "0 of 3"},
    {"question": "cooled down", "reason": "", "numbers": "last attempt 2026-03-02 11:00:00+00:00"},
    {"question": "share", "reason": "", "numbers": "0+2 of 1"},
    {"question": "a question of tomorrow", "reason": "", "numbers": "7"},
)


def decide(connection: sa.Connection, event: int, reason: Reason, incident: str = "", **changes: object) -> None:
    """Store a decision of the first rule."""
    refused = {"question": "trusted", "reason": reason.value, "numbers": "auto"}
    made = Decided(event, "restart", RULES[0].digest, reason, "", (*STATIONS, refused), NOON + SECOND, None, incident)
    add_decision(connection, replace(made, **changes))  # type: ignore[arg-type]


def begin(connection: sa.Connection, state: RunState = RunState.STARTING, waits_for: str = "") -> int:
    """Take an event in and open its incident with a run."""
    event = an_event()._replace(data={"state": "Stopped", "instanceName": "网站-01"}, received=NOON + SECOND)
    (row,) = add_events(connection, [event]).values()
    open_incident(connection, "inc", event, Trouble("stopped"), "web", NOON + SECOND)
    run = Run("run", "inc", "restart", "restart_stopped", "d", Mode.AUTO, state, next_eligible=NOON + 600 * SECOND)
    add_run(connection, run, waits_for, NOON + SECOND)
    return row


def heal(connection: sa.Connection) -> None:
    """Act once and end healed."""
    held = claim(connection, "run", "worker-1", 0, NOON + 2 * SECOND)
    assert held is not None
    note_action(connection, "inc", NOON + 3 * SECOND)
    intent = intend(connection, held, 0, "start 1", {"state": "Stopped"}, at=NOON + 3 * SECOND)
    assert intent is not None
    conclude(connection, "run", intent.number, "ok", "", "REQ-42", at=NOON + 4 * SECOND)
    release(connection, held, RunState.ENDED, NOON + 90 * SECOND)
    verdict = Verdict("inc", Healed.HEALED, NOON + 90 * SECOND, {"code": "running", "attempts": "1"})
    end_incident(connection, verdict, "run")


def story(database: Database, reference: str = "k", language: str = "en") -> list[str]:
    """Explain an event."""
    with database.snapshot() as connection:
        told = explained(connection, RULES, reference, language, ZONE)
    assert told is not None
    return told


def test_a_healing_is_explained_from_arrival_to_verdict(database: Database) -> None:
    """Every part of the story is a sentence, in order, with numbers, request id and times in the operator's zone."""
    with database.transaction() as connection:
        row = begin(connection)
        decide(connection, row, Reason.ACT, "inc")
        heal(connection)
    told = story(database)
    assert told == story(database, str(row))
    arrival = (
        f"Event {row}, Instance:StateChange (Stopped), is about instance i-1 in cn-hangzhou of account"
        " 1000000000000001. It happened at 2026-03-02 20:00:00 CST and reached us by the queue at"
        " 2026-03-02 20:00:01 CST, 1.0 s later."
    )
    wanted = "Instance:PreemptibleInstanceInterruption"
    assert told == [
        arrival,
        "Rule restart matches it.",
        f"Rule spot does not match it: type is 'Instance:StateChange', wanted was {wanted!r}.",
        "Rule spot does not match it: region is 'cn-hangzhou', wanted was prefix 'cn-bei'.",
        "Rule restart decided at 2026-03-02 20:00:01 CST: act. [act]",
        "  1. Nothing newer is known of this trouble.",
        "  2. There were attempts left. (0 of 3)",
        "  3. It had cooled down since the last attempt. (2026-03-02 19:00:00 CST)",
        "  4. Its group could bear one more. (0 under action, 2 unwell, 1 at most; one at a time is always allowed)",
        "  5. a question of tomorrow: yes. (7)",
        "  6. The rule is trusted to act. (auto)",
        "Incident inc (stopped):",
        "  2026-03-02 20:00:01 CST  The incident was opened.",
        "  2026-03-02 20:00:01 CST  Rule restart wanted playbook restart_stopped.",
        "  2026-03-02 20:00:02 CST  Worker worker-1 began look 0.",
        "  2026-03-02 20:00:03 CST  start 1: about to be done; the intent was written down first.",
        "  2026-03-02 20:00:04 CST  start 1: the cloud accepted it, request REQ-42.",
        "  2026-03-02 20:01:30 CST  Worker worker-1 gave the run back.",
        "It ended at 2026-03-02 20:01:30 CST: healed [running]. Evidence: attempts 1.",
        "Time to detect 1.0 s, to act 2.0 s, to heal 1 min 30 s.",
        "Nothing more will happen with it.",
    ]


def test_the_same_story_in_chinese_has_no_english_sentence(database: Database) -> None:
    """As many lines, each of them Chinese."""
    with database.transaction() as connection:
        row = begin(connection)
        decide(connection, row, Reason.ACT, "inc")
        heal(connection)
    english, chinese = story(database), story(database, language="zh")
    assert len(english) == len(chinese)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line) for line in chinese)
    assert "于 2026-03-02 20:01:30 CST 结束：已恢复 [running]。证据：attempts 1。" in chinese


def test_what_waits_says_why_and_until_when(database: Database) -> None:
    """A run that is held back names its reason and the time of the next look."""
    with database.transaction() as connection:
        row = begin(connection, RunState.WAITING, "cooling_down")
        until = NOON + 600 * SECOND
        decide(connection, row, Reason.COOLING_DOWN, "inc", next_eligible=until)
    assert story(database)[-1] == (
        "Next: it waits, because the server is cooling down after the last attempt."
        " It is looked at again at 2026-03-02 20:10:00 CST."
    )


@pytest.mark.parametrize(
    ("waits_for", "command"), [("held", "cloudheal unhold i-1"), ("held", "cloudheal unhold web"), ("paused", "resume")]
)
def test_what_a_person_stopped_names_the_command_that_ends_it(database: Database, waits_for: str, command: str) -> None:
    """A hold by its scope, a pause as such; in both languages; a hold that ended before is not named."""
    scope = command.rpartition(" ")[2]
    with database.transaction() as connection:
        begin(connection, RunState.WAITING, waits_for)
        add_hold(connection, Hold("i-1" if scope == "web" else "web", "wang", "why", NOON, NOON + SECOND))
        add_hold(connection, Hold("*" if scope == "resume" else scope, "li", "why", NOON))
        decide(connection, 1, Reason(waits_for), "inc")
    for language, end in (("en", ""), ("zh", "。")):
        assert story(database, language=language)[-1].endswith(f"{command}{end}")
        assert story(database, language=language)[-1].count("cloudheal") == 1


def test_a_rule_that_was_promoted_afterwards_is_not_to_be_promoted_again(database: Database) -> None:
    """Whoever promoted it is told that the event stays as it is; one that was promoted before says nothing of it."""
    rule = RULES[0].model_copy(update={"mode": Mode.AUTO})
    with database.transaction() as connection:
        (row,) = add_events(connection, [an_event()]).values()
        decide(connection, row, Reason.SHADOW)
        promote(connection, [rule], "li", NOON + 60 * SECOND)
    with database.snapshot() as connection:
        told = {language: explained(connection, [rule], "k", language, ZONE) for language in ("en", "zh")}
    assert told["en"] is not None
    assert told["zh"] is not None
    assert told["en"][-1] == "Rule restart was promoted at 2026-03-02 20:01:00 CST; this event is not decided again."
    assert told["zh"][-1] == "规则 restart 已于 2026-03-02 20:01:00 CST 放行；此事件不会再次决策。"


@pytest.mark.parametrize(
    ("reason", "next_", "last"),
    [
        (Reason.NOT_SELECTED, None, "Nothing more will happen with this event."),
        (Reason.SHADOW, None, "To let it act: cloudheal rules promote restart"),
        (
            Reason.ATTEMPTS_USED,
            NOON + timedelta(minutes=20),
            "The next event about this server may be acted on from 2026-03-02 20:20:00 CST.",
        ),
    ],
)
def test_a_refusal_says_what_comes_next(database: Database, reason: Reason, next_: object, last: str) -> None:
    """Without an incident the story ends with the consequence of the decision."""
    with database.transaction() as connection:
        (row,) = add_events(connection, [an_event()]).values()
        decide(connection, row, reason, next_eligible=next_)
    assert story(database)[-1] == last


def test_a_server_is_explained_by_its_newest_event_that_was_decided_on(database: Database) -> None:
    """What followed from a heal (it runs again) does not hide the story of the heal; without a decision it is shown."""
    stopped, running = an_event(), an_event()._replace(key="later", status="Running", time=NOON + SECOND)
    with database.transaction() as connection:
        first, second = add_events(connection, [stopped, running]).values()
        assert newest_about(connection, stopped.subject.id) == str(second)
        decide(connection, first, Reason.SHADOW)
        assert newest_about(connection, stopped.subject.id) == str(first)
        assert newest_about(connection, "i-unknown") is None


def test_an_event_without_any_decision_is_explained_too(database: Database) -> None:
    """It says which clause of which rule failed, and that it was only recorded; unknown events have no story."""
    with database.transaction() as connection:
        add_events(connection, [an_event("running")._replace(status="Running", data={"state": "Running"})])
    told = story(database, "running")
    assert "Rule restart does not match it: data.state is 'Running', wanted was 'Stopped'." in told
    assert told[-2] == "No rule decided on it: it was recorded, and nothing else."
    with database.transaction() as connection:
        add_events(connection, [an_event("stopped")._replace(status="Stopped", data={"state": "Stopped"})])
    assert story(database, "stopped")[-2].startswith(
        "No rule decided on it: there was none for it then, or it only says"
    )
    with database.snapshot() as connection:
        for reference in ("other", "999", "9" * 40, "²"):
            assert explained(connection, RULES, reference, "en", ZONE) is None


def test_a_rule_that_changed_since_is_told(database: Database) -> None:
    """The decision was made by another version: the story says so."""
    with database.transaction() as connection:
        (row,) = add_events(connection, [an_event()]).values()
        decide(connection, row, Reason.SHADOW, rule_digest="older")
    assert "Rule restart was changed after this decision." in story(database)


def test_the_timeline_of_an_incident_has_its_events_and_times(database: Database) -> None:
    """The event that opened it comes first, one that joined it is among them; nobody else's rows are."""
    with database.transaction() as connection:
        row = begin(connection)
        decide(connection, row, Reason.ACT, "inc")
        late = an_event("again")._replace(time=NOON + SECOND)
        (joined,) = add_events(connection, [late]).values()
        decide(connection, joined, Reason.JOINED, "inc")
        other = an_event("other")._replace(subject=replace(an_event().subject, id="i-2"))
        add_events(connection, [other])
        heal(connection)
    with database.snapshot() as connection:
        timeline = incident_timeline(connection, "inc")
        assert incident_timeline(connection, "none") is None
        server = resource_timeline(connection, "i-1", until=NOON + 60 * SECOND)
    assert timeline is not None
    assert timeline.times is not None
    told = [one.kind for one in timeline.entries]
    assert (told[0], told.count("event"), told.count("decision"), told[-1]) == ("event", 2, 2, "incident.ended")
    assert [one.id for one in timeline.entries] == sorted(one.id for one in timeline.entries)
    assert (timeline.times.to_detect, timeline.times.to_act, timeline.times.to_heal) == (
        SECOND,
        2 * SECOND,
        90 * SECOND,
    )
    assert "incident.ended" not in [one.kind for one in server.entries]


def test_the_pace_of_a_span_counts_what_was_detected_in_it(database: Database) -> None:
    """Healed ones have a time to heal; open ones do not pull it to zero."""
    with database.transaction() as connection:
        begin(connection)
        heal(connection)
        elsewhere = an_event("b")._replace(subject=replace(an_event().subject, id="i-2"))
        open_incident(connection, "open", elsewhere, Trouble("stopped"), "web", NOON + 5 * SECOND)
    with database.snapshot() as connection:
        found = pace(connection, NOON, NOON + timedelta(hours=1))
        assert pace(connection, NOON - timedelta(hours=1), NOON).incidents == 0
    assert (found.incidents, found.healed, found.to_heal.count) == (2, 1, 1)
    assert (found.to_detect.longest, found.to_heal.median) == (5 * SECOND, 90 * SECOND)


def test_a_spread_of_nothing_is_nothing() -> None:
    """No figures are invented; of one duration all figures are that one."""
    assert spread([]).median is None
    assert (spread([SECOND]).p95, spread([SECOND]).longest) == (SECOND, SECOND)
    assert spread([n * SECOND for n in range(1, 101)]).p95 == timedelta(seconds=95.05)


@pytest.fixture
def searched(database: Database) -> Database:
    """A ledger of two hundred rows of several kinds, one second apart."""
    entries = [
        Entry(
            Kind.EVENT if n % 2 else Kind.DECISION,
            NOON + n * SECOND,
            resource=f"i-{n % 10}",
            type=f"type-{n % 4}",
            result="healed" if n % 50 == 0 else "Stopped",
            name=f"网站-{n} 100%_A",
            incident="inc" if n in {7, 8} else "",
            run="run" if n == 8 else "",
        )
        for n in range(200)
    ]
    with database.transaction() as connection:
        append(connection, entries)
    return database


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (Query(), [199, 198, 197]),
        (Query(id="i-3"), [193, 183, 173]),
        (Query(id="inc"), [8, 7]),
        (Query(id="run"), [8]),
        (Query(since=NOON + 5 * SECOND, until=NOON + 7 * SECOND), [6, 5]),
        (Query(kind="decision", type="type-2"), [198, 194, 190]),
        (Query(result="healed"), [150, 100, 50]),
        (Query(name="网站-17"), [179, 178, 177]),
        (Query(name="-17 100%_a"), [17]),
        (Query(name="100_"), []),
        (Query(id="i-0", result="healed", until=NOON + 60 * SECOND), [50, 0]),
        (Query(before=3), [1, 0]),
        (Query(id="'; DROP TABLE ledger; --"), []),
    ],
)
def test_a_search_finds_what_matches_newest_first(searched: Database, query: Query, rows: list[int]) -> None:
    """Every field narrows; signs that SQL reads otherwise are plain text; ids begin at 1."""
    with searched.snapshot() as connection:
        found = search(connection, query)
    assert [one.id - 1 for one in found][:3] == rows


def test_pages_follow_one_another(searched: Database) -> None:
    """The last row of a page is the begin of the next; together they are everything, once."""
    seen: list[int] = []
    with searched.snapshot() as connection:
        while page := search(connection, Query(before=seen[-1] if seen else None, limit=60)):
            seen.extend(one.id for one in page)
    assert seen == list(range(200, 0, -1))
