"""The page on planning lists every code that a plan can carry."""

from __future__ import annotations

import re

import pytest

from cloudheal.model.plan import Binding, Choice, TooLate
from tests.conftest import ROOT

ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \|$", re.MULTILINE)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_code_of_a_plan_is_listed_once(language: str) -> None:
    """Why a slot is where it is, what is in the way, and what follows: none is missing, none is old."""
    page = (ROOT / "docs" / language / "planning.md").read_text(encoding="utf-8")
    codes = [one.value for kind in (Choice, Binding, TooLate) for one in kind]
    assert sorted(ROW.findall(page)) == sorted(codes)
