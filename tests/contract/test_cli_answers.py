"""What the command line answers to a word that it does not know, and to the words that people have for a thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudheal.record.database import Database
from tests.contract.shell import Shell, shell
from tests.contract.test_ledger import one_healing


@pytest.fixture
def healed(database: Database, database_url: str, tmp_path: Path) -> Shell:
    """A shell beside a database in which one server was healed."""
    with database.transaction() as connection:
        one_healing(connection)
    return shell(tmp_path, database_url)


@pytest.mark.parametrize("words", [("explain", "nope"), ("playbooks", "show", "nope"), ("logs", "query", "nope")])
def test_a_program_is_told_what_was_not_found(healed: Shell, words: tuple[str, ...]) -> None:
    """The sentence that people get is the `error` of a document; the exit code is the same."""
    printed = healed(*words)
    assert (printed.code, healed(*words, "--json").code) == (1, 1)
    assert healed.json(*words) == {"error": printed.text.strip()}
    assert "nope" in printed.text
