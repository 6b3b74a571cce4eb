"""What the engine checkpoints is JSON text that anybody can read, in every version; anything else is refused."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.act.engine import Engine
from cloudheal.record.database import Database

FACTS = {
    "state": "Stopped",
    "locks": [],
    "number": 1.5,
    "known": True,
    "at": None,
    "words": "停止 – ü",
    "more": {"a": [1]},
}
RUN = "checkpointed"


def looked(database: Database, results: Mapping[str, Any]) -> list[str]:
    """Let a look have steps with these results; returns what each raised, empty where it was checkpointed."""
    raised: list[str] = []
    over = threading.Event()

    def body(_run: str, _look: int) -> None:
        try:
            for name, result in results.items():
                raised.append(_tried(engine, name, result))
        finally:
            over.set()

    engine = Engine(database, "w", body).start()
    try:
        with database.transaction() as connection:
            engine.enqueue(connection, RUN, 0)
        assert over.wait(60)
    finally:
        engine.stop()
    return raised


def _tried(engine: Engine, name: str, result: Any) -> str:
    try:
        assert engine.step(name, lambda: result) == result
    except Exception as problem:  # noqa: BLE001 - whatever refuses it
        return type(problem).__name__
    return ""


def stored(database: Database, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Read columns of a table of the library's, wherever it keeps them."""
    schema = None if database.writing.dialect.name == "sqlite" else "dbos"
    found = sa.table(table, *map(sa.column, columns), schema=schema)
    with database.snapshot() as connection:
        return [tuple(row) for row in connection.execute(sa.select(found))]


def test_what_is_checkpointed_is_json_text_under_our_own_name(database: Database) -> None:
    """A step's result and a look's arguments stand there as JSON, named `cloudheal_json/1`; nothing is pickled."""
    assert looked(database, {"facts": FACTS}) == [""]
    ((output, name),) = [
        (output, name)
        for step, output, name in stored(database, "operation_outputs", "function_name", "output", "serialization")
        if step == "facts"
    ]
    assert (json.loads(output), name) == (FACTS, "cloudheal_json/1")
    assert "停止 – ü" in output
    ((arguments,),) = stored(database, "workflow_input", "inputs")
    assert json.loads(arguments)["args"] == [RUN, 0]
    assert stored(database, "workflow_status", "serialization") == [("cloudheal_json/1",)]


def test_a_result_that_is_no_json_is_refused_and_not_kept(database: Database) -> None:
    """A time, a set, an object of ours: the step fails at once, instead of leaving what only this version can read."""
    results = {"time": datetime(2026, 3, 2, tzinfo=UTC), "set": {1}, "object": threading.Event(), "bytes": b"x"}
    assert looked(database, results) == ["TypeError"] * 4
    assert stored(database, "operation_outputs", "function_name") == []


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_no_words_for_is_refused_and_not_kept(database: Database, number: float) -> None:
    """Deep inside of an answer as well: what stands there can be read by every program that reads JSON."""
    assert looked(database, {"alone": number, "inside": {"load": [1.5, number]}}) == ["ValueError"] * 2
    assert stored(database, "operation_outputs", "function_name") == []
