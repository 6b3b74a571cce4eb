"""Lines that are cut, spliced, foreign or hostile are counted or refused as the corpus says, each for its reason."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cloudheal.logs.counting import Reason
from cloudheal.logs.oracle import Oracle
from cloudheal.logs.preview import previewed
from tests.conftest import ROOT
from tests.unit.log_cases import defined, minutes_of

CORPUS = yaml.safe_load((ROOT / "tests" / "unit" / "malformed_lines.yaml").read_text(encoding="utf-8"))


def bytes_of(case: dict[str, Any]) -> bytes:
    """Return the line of a case."""
    line: str = case["line"]
    return (line * int(case.get("times", 1))).encode("latin-1")


@pytest.mark.parametrize("case", CORPUS["lines"], ids=lambda case: f"{case['format']}: {case['why']}")
def test_a_line_is_counted_or_refused_for_the_reason_in_the_corpus(case: dict[str, Any]) -> None:
    """The preview names the reason and the field; whoever counts comes to the same."""
    log = CORPUS["formats"][case["format"]]
    numbers = defined("metrics: [{name: m, measures: [count()]}]", **log).format.fields
    asked = [f"max({one.name})" for one in numbers if one.kind == "number"]
    definition = defined("{}", metrics=[{"name": "m", "measures": ["count() as n", *asked]}], **log)
    seen = previewed(definition, [bytes_of(case)], Oracle(definition))
    found = [(one.reason, one.field) for one in seen.refused]
    assert found == ([(Reason[case["reason"]], case.get("field", ""))] if "reason" in case else [])
    assert seen.read + len(found) == 1
    assert seen.metrics[0].lines == seen.read


def test_every_reason_to_refuse_a_line_is_in_the_corpus() -> None:
    """But for those that need a clock, or more minutes than a line has."""
    assert {case.get("reason") for case in CORPUS["lines"]} - {None} == {one.name for one in Reason} - {
        "MINUTES",
        "AHEAD",
    }


@pytest.mark.parametrize("name", CORPUS["formats"])
def test_a_malformed_line_does_not_disturb_its_neighbours(name: str) -> None:
    """All lines of a format in one block: as many are counted as are right."""
    log = CORPUS["formats"][name]
    cases = [case for case in CORPUS["lines"] if case["format"] == name]
    definition = defined("metrics: [{name: m, measures: [count() as n]}]", **log)
    right = sum(case.get("reason") in {None, "NUMBER"} for case in cases)  # nobody asks for the numbers here
    (minute,) = minutes_of(definition, [bytes_of(case) for case in cases])
    assert sum(row.count for row in minute.rows) == right
