"""What the command line answers to a word that it does not know, and to the words that people have for a thing."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cloudheal.model.control import Approval
from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.model.inventory import Description
from cloudheal.record.approvals import ask
from cloudheal.record.database import Database
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.inventory import describe
from tests.contract.shell import Shell, shell
from tests.contract.test_inbox import NOON, an_event
from tests.contract.test_inventory import named
from tests.contract.test_ledger import one_healing
from tests.unit.test_plugins import MINE

#: Servers and what they are called; only of i-1 there is an event.
NAMES = {"i-1": "web", "i-2": "quiet", "i-3": "twin", "i-4": "twin"}


@pytest.fixture
def healed(database: Database, database_url: str, tmp_path: Path) -> Shell:
    """A shell beside a database in which one server was healed and three are known."""
    with database.transaction() as connection:
        one_healing(connection)
        describe(connection, [Description(named(id_), NOON, "Running", name=name) for id_, name in NAMES.items()])
    return shell(tmp_path, database_url)


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "nope"),
        ("timeline", "nope"),
        ("instances", "show", "nope"),
        ("playbooks", "show", "nope"),
        ("logs", "query", "nope"),
    ],
)
def test_a_program_is_told_what_was_not_found(healed: Shell, words: tuple[str, ...]) -> None:
    """The sentence that people get is the `error` of a document; the exit code is the same."""
    printed = healed(*words)
    assert (printed.code, healed(*words, "--json").code) == (1, 1)
    assert healed.json(*words) == {"error": printed.text.strip()}
    assert "nope" in printed.text


def test_a_server_to_which_nothing_happened_is_told_from_one_that_is_not_known(healed: Shell) -> None:
    """Who mistypes an id does not take it for a server without troubles."""
    assert healed("timeline", "quiet").text == "Nothing has happened to quiet that is on record.\n"
    assert "no server, incident or run is called so" in healed("timeline", "quite").text


def test_a_kind_of_rows_that_there_is_not_is_refused_with_those_like_it(healed: Shell) -> None:
    """By its code as by its words; nothing found is not the answer to a slip of the pen."""
    for typed, meant in (("incident.end", "incident.ended"), ("incident end", "incident ended")):
        refused = healed("audit", "search", "--kind", typed)
        assert (refused.code, meant in refused.text) == (2, True)
        assert healed.json("audit", "search", "--kind", meant) != []


def test_tables_tell_verdicts_and_states_in_the_operators_language(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Programs read the codes, which are the same in every language."""
    with database.transaction() as connection:
        one_healing(connection)
    chinese = shell(tmp_path, database_url, language="zh")
    assert "已恢复" in chinese.done("incidents")
    assert "healed" not in chinese.done("timeline", "i-1")
    assert "已结束" in chinese.done("runs")
    assert (chinese.json("incidents")[0]["verdict"], chinese.json("runs")[0]["state"]) == ("healed", "ended")


def test_a_server_is_meant_by_its_name(healed: Shell) -> None:
    """Stories, timelines and lists are the same by the name as by the id."""
    for words in (("explain",), ("timeline",), ("events", "--resource"), ("incidents", "--resource")):
        assert healed.json(*words, "web") == healed.json(*words, "i-1") != []


@pytest.mark.parametrize("words", [("explain",), ("timeline",), ("events", "--resource"), ("evidence",)])
def test_a_name_that_several_servers_have_is_refused_with_their_ids(healed: Shell, words: tuple[str, ...]) -> None:
    """Nothing is told of one of them as if it were all."""
    refused = healed(*words, "twin")
    assert (refused.code, "Several servers are called twin: i-3, i-4" in refused.text) == (1, True)


@pytest.mark.parametrize("called", ["inc", "in", "run", "ru"])
def test_an_incident_is_meant_by_how_its_id_or_its_runs_begins(healed: Shell, called: str) -> None:
    """As tables show it, and as `approve` takes it."""
    assert healed.json("explain", called) == healed.json("explain", "i-1")
    assert healed.json("timeline", called) == healed.json("timeline", "inc")


def test_a_beginning_of_several_ids_is_refused(healed: Shell, database: Database) -> None:
    """A whole id is still one incident, whatever else begins so."""
    with database.transaction() as connection:
        open_incident(connection, "inc2", an_event("other"), Trouble("other"), "web", NOON)
    for words in (("explain", "in"), ("timeline", "in")):
        refused = healed(*words)
        assert (refused.code, "begin with in: inc, inc2" in refused.text) == (1, True)
    assert healed.json("timeline", "inc")["times"]["to_heal"] == 9


def test_rows_of_the_ledger_are_meant_by_how_an_id_begins(healed: Shell, database: Database) -> None:
    """Those of an incident, of a run alone, of a server by its name; several that begin alike are refused."""
    for called, whole in (("in", "inc"), ("ru", "run"), ("web", "i-1")):
        rows = healed.json("audit", "search", "--id", called)
        assert rows == healed.json("audit", "search", "--id", whole) != []
        assert all(whole in {row["resource"], row["incident"], row["run"]} for row in rows)
    assert healed.json("audit", "search", "--id", "nothing") == []
    with database.transaction() as connection:
        open_incident(connection, "inc2", an_event("other"), Trouble("other"), "web", NOON)
    refused = healed("audit", "search", "--id", "in")
    assert (refused.code, "begin with in: inc, inc2" in refused.text) == (1, True)
    assert healed.json("audit", "search", "--id", "inc")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize("until", ["9999-12-31T23:59", "9999-12-31T23:59:59Z", "99999999d", "99999999999999d"])
def test_a_hold_cannot_last_until_a_time_that_cannot_be_told(
    database_url: str, tmp_path: Path, zone: str, until: str
) -> None:
    """Kept, it would be read by every decision from then on, and every one would fail."""
    typed = shell(tmp_path, database_url, timezone=zone)
    assert typed("hold", "i-1", "--why", "for ever", "--until", until).code == 2
    assert typed.json("holds") == []


@pytest.mark.parametrize("words", [("approve",), ("deny",), ("runs", "restart"), ("runs", "abandon")])
def test_a_word_without_a_letter_means_no_question_and_no_run(
    healed: Shell, database: Database, words: tuple[str, ...]
) -> None:
    """A script whose variable is empty answers nothing, also when there is one question only."""
    with database.transaction() as connection:
        open_incident(connection, "inc2", an_event("other"), Trouble("other"), "web", NOON)
        state = RunState.PARKED if words[0] == "runs" else RunState.ASKING
        add_run(connection, Run("run2", "inc2", "rule", "restart_stopped", "digest", Mode.ASK, state))
        ask(connection, Approval("question", "run2", "Start it?", NOON, NOON + timedelta(days=40_000)))
    before = healed.json("audit", "search")
    assert healed(*words, "").code == 1
    assert healed.json("audit", "search") == before


def test_a_server_without_an_event_is_known_all_the_same(healed: Shell) -> None:
    """Its state since when is told, and that nothing was decided; by its id as by its name."""
    for called in ("i-2", "quiet"):
        told = healed.done("explain", called)
        assert told.startswith("Server i-2 quiet is known: Running since 2026-03-0")
        assert "nothing was decided" in told


@pytest.mark.parametrize(
    "words", [("runs",), ("incidents",), ("approvals",), ("timeline", "i-1")], ids=lambda one: one[0]
)
def test_people_see_how_ids_begin_and_programs_the_whole(healed: Shell, database: Database, words: list[str]) -> None:
    """Eight characters are not broken in a narrow table, and commands take them; JSON keeps them whole."""
    # Nothing that another test of this process may have told to be a secret.
    incident, run, question = ("7c1e40b9d35f48aa" * 2, "5d92a6f01b7e4c38" * 2, "e83b07d5c1694fa2" * 2)
    with database.transaction() as connection:
        open_incident(connection, incident, an_event("other"), Trouble("other"), "web", NOON)
        add_run(connection, Run(run, incident, "rule", "restart_stopped", "digest", Mode.ASK, RunState.ASKING))
        ask(connection, Approval(question, run, "Start it?", NOON, NOON + timedelta(days=40_000)))
    shown, document = healed.done(*words), json.dumps(healed.json(*words))
    whole = {"runs": run, "incidents": incident, "approvals": question, "timeline": run}[words[0]]
    assert (whole[:8] in shown, whole[:9] in shown, whole in document) == (True, False, True)
    assert healed.json("timeline", run[:8]) == healed.json("timeline", incident)


def test_a_zone_is_named_below_times_only(healed: Shell) -> None:
    """A table without a time says how many rows it has, and no more."""
    assert "1 row, times in Asia/Shanghai" in healed.done("incidents")
    told = healed.done("playbooks", "list")
    assert " rows" in told
    assert "times in" not in told


def test_a_playbook_without_parameters_says_so(database_url: str, tmp_path: Path) -> None:
    """One sentence in place of a table that would be empty, in both languages."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tell.py").write_text(MINE, encoding="utf-8")
    for language, said in (("en", "It takes no parameters."), ("zh", "它没有参数。")):
        at = shell(tmp_path, database_url, language=language, extensions={"folders": ["mine"]})
        assert at.done("playbooks", "show", "tell").rstrip().endswith(said)
