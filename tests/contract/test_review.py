"""The review equals a count by hand; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from cloudheal.cli.report_page import bars, page
from cloudheal.model.drill import DrillOrder
from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.record.database import Database
from cloudheal.record.drills import add_drill, note_events
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, end_incident, note_action, open_incident
from cloudheal.record.review import Review, review
from cloudheal.record.system_events import note_system_events
from tests.contract.test_inbox import NOON, an_event

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = ZoneInfo("Asia/Shanghai")
REBOOT = "Instance:SystemMaintenance.Reboot"


def announced(number: int, status: str = "Scheduled", after: timedelta = timedelta()) -> Event:
    """Return a status of a planned event, announced at noon for a day later."""
    data = {
        "event_id": f"e-{number}",
        "event_type": "SystemMaintenance.Reboot",
        "published": NOON.isoformat(),
        "not_before": (NOON + DAY).isoformat(),
    }
    event = an_event(f"{number} {status}", data)
    return event._replace(type=REBOOT, status=status, time=NOON + after, received=NOON + after)


def recorded(database: Database) -> None:
    """Record three announced reboots, one answered after six hours, and two stops, one of them healed in a minute."""
    told = [announced(1), announced(2), announced(3)]
    told += [announced(1, "Avoided", 6 * HOUR), announced(2, "Executed", DAY)]
    stops = [an_event(f"stop {number}")._replace(time=NOON + number * HOUR) for number in (1, 2)]
    with database.transaction() as connection:
        add_events(connection, [*told, *stops])
        note_system_events(connection, told, NOON)
        open_incident(connection, "inc-m", told[0], Trouble("maintenance", "e-1"), "", NOON + HOUR)
        add_run(connection, Run("run-m", "inc-m", "r", "reboot_in_window", "d", Mode.AUTO, RunState.STARTING))
        note_action(connection, "inc-m", NOON + 6 * HOUR)
        end_incident(connection, Verdict("inc-m", Healed.HEALED, NOON + 7 * HOUR, {}), "run-m")
        for number, healed in ((1, Healed.HEALED), (2, Healed.NOT_HEALED)):
            begun = NOON + number * HOUR
            open_incident(connection, f"inc-{number}", stops[number - 1], Trouble("stopped"), "", begun)
            run = Run(f"run-{number}", f"inc-{number}", "r", "restart_stopped", "d", Mode.AUTO, RunState.STARTING)
            add_run(connection, run)
            verdict = Verdict(f"inc-{number}", healed, begun + timedelta(minutes=1), {})
            end_incident(connection, verdict, f"run-{number}")


def reviewed(database: Database, since: datetime = NOON - DAY, until: datetime = NOON + 3 * DAY) -> Review:
    """Review a span."""
    with database.snapshot() as connection:
        return review(connection, since, until, ZONE)


def test_a_review_equals_a_count_by_hand(database: Database) -> None:
    """Events by month and type, endings, the time left, and what each playbook achieved."""
    recorded(database)
    found = reviewed(database)
    assert [(one.month, one.type, one.events) for one in found.tallies] == [
        ("2026-03", "Instance:StateChange", 2),
        ("2026-03", REBOOT, 5),
    ]
    assert found.endings == {"Avoided": 1, "Executed": 1, "Scheduled": 1}
    assert found.avoided_rate == 0.5
    (answered,) = [one for one in found.announced if one.event == "e-1"]
    assert answered.left == 18 * HOUR
    assert (answered.decided, answered.acted, answered.over) == (NOON + HOUR, NOON + 6 * HOUR, NOON + 6 * HOUR)
    assert answered.verified == NOON + 7 * HOUR
    assert found.left.median == 18 * HOUR
    by_name = {one.playbook: one for one in found.remedies}
    stopped = by_name["restart_stopped"]
    assert (stopped.incidents, stopped.healed, stopped.not_healed, stopped.rate) == (2, 1, 1, 0.5)
    assert stopped.to_heal.median == timedelta(minutes=1)
    assert by_name["reboot_in_window"].rate == 1.0


def test_drills_are_counted_nowhere(database: Database) -> None:
    """A simulated event whose messages did not say so, and its incident: neither in months nor among the remedies."""
    recorded(database)
    before = reviewed(database)
    drill = [announced(11), announced(11, "Canceled", HOUR)]
    with database.transaction() as connection:
        add_events(connection, drill)
        note_system_events(connection, [*drill, announced(11)._replace(simulated=True)], NOON)
        open_incident(connection, "inc-d", drill[0], Trouble("maintenance", "e-11"), "", NOON + HOUR)
        add_run(connection, Run("run-d", "inc-d", "r", "reboot_in_window", "d", Mode.AUTO, RunState.STARTING))
        end_incident(connection, Verdict("inc-d", Healed.NOT_NEEDED, NOON + HOUR, {}), "run-d")
    assert reviewed(database) == before


def test_a_drill_of_ours_is_counted_nowhere_before_the_list_of_events_was_read(database: Database) -> None:
    """Its messages do not say that it is simulated, and the cloud is asked every quarter of an hour only."""
    recorded(database)
    before = reviewed(database)
    told, server = announced(11), announced(11).subject
    order = DrillOrder("dr-1", "", (server,), "SystemMaintenance.Reboot", NOON + DAY, False, "ops", NOON, NOON + DAY)
    with database.transaction() as connection:
        add_drill(connection, order)
        note_events(connection, "dr-1", (server.cloud, server.account, server.region), {server.id: "e-11"}, NOON)
        add_events(connection, [told])
        note_system_events(connection, [told], NOON)
        open_incident(connection, "inc-d", told, Trouble("maintenance", "e-11"), "", NOON + HOUR)
        add_run(connection, Run("run-d", "inc-d", "r", "reboot_in_window", "d", Mode.AUTO, RunState.STARTING))
    assert reviewed(database) == before


def test_an_event_is_not_over_because_its_incident_is(database: Database) -> None:
    """A server was found stopped: that is verified, and the event stands as it stood."""
    recorded(database)
    event = announced(4)
    with database.transaction() as connection:
        note_system_events(connection, [event], NOON)
        open_incident(connection, "inc-4", event, Trouble("maintenance", "e-4"), "", NOON + HOUR)
        add_run(connection, Run("run-4", "inc-4", "r", "reboot_in_window", "d", Mode.AUTO, RunState.STARTING))
        end_incident(connection, Verdict("inc-4", Healed.NOT_NEEDED, NOON + 2 * HOUR, {}), "run-4")
    (found,) = [one for one in reviewed(database).announced if one.event == "e-4"]
    assert (found.status, found.over, found.verified) == ("Scheduled", None, NOON + 2 * HOUR)


def test_an_event_that_opened_two_incidents_is_one_event(database: Database) -> None:
    """A person turned it down, and then it befell the server: one line, one ending, and the rate of one event."""
    told = [announced(5), announced(5, "Executed", DAY)]
    with database.transaction() as connection:
        add_events(connection, told)
        note_system_events(connection, told, NOON)
        for number, trouble, event in ((1, "maintenance", told[0]), (2, "failure", told[1])):
            at = NOON + number * HOUR
            open_incident(connection, f"inc-{number}", event, Trouble(trouble, "e-5"), "", at)
            run = Run(f"run-{number}", f"inc-{number}", "r", "p", "d", Mode.AUTO, RunState.STARTING)
            add_run(connection, run)
            verdict = Healed.NOT_HEALED if number == 1 else Healed.HEALED
            end_incident(connection, Verdict(f"inc-{number}", verdict, at + HOUR, {}), f"run-{number}")
        note_action(connection, "inc-1", NOON + HOUR)
    found = reviewed(database)
    (line,) = found.announced
    assert (line.decided, line.acted, line.verified) == (NOON + HOUR, NOON + HOUR, NOON + 3 * HOUR)
    assert (line.verdict, line.left, found.endings) == ("healed", 23 * HOUR, {"Executed": 1})


def test_nothing_is_not_zero_percent(database: Database) -> None:
    """In a span in which nothing happened rates and times are absent."""
    recorded(database)
    found = reviewed(database, NOON + 10 * DAY, NOON + 11 * DAY)
    assert (found.tallies, found.announced, found.remedies) == ((), (), ())
    assert (found.avoided_rate, found.left.median) == (None, None)


def test_months_are_those_of_the_operators_zone(database: Database) -> None:
    """Late on the last evening of February in UTC it is March in Shanghai."""
    with database.transaction() as connection:
        evening = datetime.fromisoformat("2026-02-28T23:00:00+00:00")
        add_events(connection, [an_event()._replace(time=evening)])
    found = reviewed(database, NOON - 60 * DAY)
    assert [one.month for one in found.tallies] == ["2026-03"]


class _Page(HTMLParser):
    """Notes tags and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]


@pytest.mark.parametrize(("language", "word"), [("en", "Remedies"), ("zh", "各预案的效果")])
def test_the_page_loads_nothing_and_shows_what_was_counted(database: Database, language: str, word: str) -> None:
    """One file with charts in each language; what came from a cloud cannot write into it."""
    recorded(database)
    found = reviewed(database)
    hostile = replace(found.announced[0], resource='<script src="//evil">')
    text = page(replace(found, announced=(hostile, *found.announced)), language, ZONE, NOON)
    parsed = _Page()
    parsed.feed(text)
    assert parsed.loads == []
    assert "script" not in parsed.tags
    assert parsed.tags.count("svg") == 3
    assert parsed.tags.count("table") == 3
    assert word in text
    assert "18:00:00" in text


def test_a_chart_of_nothing_is_left_out() -> None:
    """No empty picture."""
    assert bars({}) == ""
