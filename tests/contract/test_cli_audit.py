"""The record from the command line: proven, searched, exported, told in order and timed; on both databases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.cli.kind_texts import KIND_EN, KIND_ZH
from cloudheal.record.database import Database
from cloudheal.record.ledger import Kind
from cloudheal.record.seal import Sealer
from cloudheal.record.tables import LEDGER, SEAL
from tests.contract.shell import Shell, shell
from tests.contract.test_ledger import one_healing


@pytest.fixture
def healed(database: Database, database_url: str, tmp_path: Path) -> Shell:
    """A shell beside a database in which one server was healed."""
    with database.transaction() as connection:
        one_healing(connection)
    Sealer(database, "test").seal()
    return shell(tmp_path, database_url)


def test_a_whole_ledger_is_proven_and_a_changed_one_is_not(healed: Shell, database: Database) -> None:
    """Exit code 0 and the head; after one row was altered 1, with the row's number."""
    document = healed.json("audit", "verify")
    rows = document["sealed"]["rows"]
    assert document["whole"]
    assert document["head_known"]
    assert rows > 5
    printed = healed.done("audit", "verify", "--head", document["head"])
    assert f"{rows} rows in 1 segment," in printed
    assert document["head"] in printed
    with database.transaction() as connection:
        connection.execute(sa.update(LEDGER).where(LEDGER.c.id == 3).values(name="somebody else"))
    broken = healed("audit", "verify")
    assert broken.code == 1
    assert "altered: row 3 of segment 1" in broken.text
    assert "NOT whole: 1 finding." in broken.text
    with database.transaction() as connection:
        connection.execute(sa.update(SEAL).values(hash="0" * 64))
    assert "chain broken: the seal of segment 1" in healed("audit", "verify").text


def test_a_head_that_was_kept_elsewhere_must_be_in_the_chain(healed: Shell) -> None:
    """Somebody who rewrote everything, seals too, cannot also rewrite the note in a safe."""
    found = healed("audit", "verify", "--head", "f" * 64)
    assert found.code == 1
    assert "is not in this chain" in found.text
    assert not healed.json("audit", "verify", "--head", "f" * 64)["head_known"]


def test_the_ledger_is_searched_by_everything_it_has(healed: Shell) -> None:
    """By id, kind, type, result, name and time, page by page."""
    everything = healed.json("audit", "search")
    assert [row["id"] for row in everything] == sorted((row["id"] for row in everything), reverse=True)
    assert {row["kind"] for row in healed.json("audit", "search", "--id", "run")} >= {"run.begun", "step.intended"}
    assert [row["kind"] for row in healed.json("audit", "search", "--kind", "decision")] == ["decision"]
    assert [row["kind"] for row in healed.json("audit", "search", "--result", "healed")] == ["incident.ended"]
    assert len(healed.json("audit", "search", "--type", "start 1")) == 2
    assert healed.json("audit", "search", "--since", "2026-03-01", "--until", "2026-03-03")
    assert healed.json("audit", "search", "--until", "2026-03-01") == []
    assert healed.json("audit", "search", "--name", "no such name") == []
    first = healed.json("audit", "search", "--limit", "2")
    rest = healed.json("audit", "search", "--before", str(first[-1]["id"]))
    assert [row["id"] for row in first + rest] == [row["id"] for row in everything]
    assert "incident ended" in healed.done("audit", "search", "--id", "inc")
    assert [row["kind"] for row in healed.json("audit", "search", "--kind", "incident ended")] == ["incident.ended"]


def test_what_rows_tell_is_said_in_the_operators_language(healed: Shell, database_url: str, tmp_path: Path) -> None:
    """People read words and may search by them; programs read codes, whatever the language."""
    chinese = shell(tmp_path, database_url, language="zh")
    for words in (("audit", "search"), ("timeline", "inc")):
        shown = chinese.done(*words)
        assert "故障结束" in shown
        assert "incident.ended" not in shown
    assert [row["kind"] for row in chinese.json("audit", "search", "--kind", "故障结束")] == ["incident.ended"]
    assert chinese.json("timeline", "inc")["entries"][-1]["kind"] == "incident.ended"


def test_every_kind_of_row_has_words_of_its_own_in_both_languages() -> None:
    """None is missing, and none is said like another: a search by words would find the wrong one."""
    for texts in (KIND_EN, KIND_ZH):
        assert texts.keys() == {f"kind.{one.value}" for one in Kind}
        assert len({*texts.values()}) == len(texts)


def test_the_ledger_is_exported_as_json_lines(healed: Shell, tmp_path: Path) -> None:
    """To a file, one row a line, oldest first."""
    target = tmp_path / "ledger.jsonl"
    printed = healed.done("audit", "export", "-o", str(target))
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert f"{len(rows)} rows written" in printed
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert rows[-1]["kind"] == "incident.ended"


def test_a_timeline_tells_an_incident_or_a_server_in_order(healed: Shell) -> None:
    """An incident with its times, a server without; something unknown ends with 1."""
    incident = healed.json("timeline", "inc")
    assert [row["id"] for row in incident["entries"]] == sorted(row["id"] for row in incident["entries"])
    assert incident["times"] == {"to_detect": 1.0, "to_act": 1.0, "to_heal": 9.0}
    assert "healed after 9.0s in all" in healed.done("timeline", "inc")
    server = incident["entries"][0]["resource"]
    assert healed.json("timeline", server)["times"] is None
    assert healed("timeline", "i-nobody").code == 1


def test_pace_says_how_fast(healed: Shell) -> None:
    """Over the incidents of a span of time."""
    found = healed.json("pace", "--since", "2026-03-01")
    assert (found["incidents"], found["healed"], found["to_heal"]["median"]) == (1, 1, 9.0)
    printed = healed.done("pace", "--since", "2026-03-01")
    assert "1 incident, 1 healed." in printed
    assert "9.0s" in printed
    assert "0 incidents, 0 healed." in healed.done("pace", "--since", "1h")
