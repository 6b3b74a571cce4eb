"""The page on decisions lists every reason that the product knows, with what really follows from it."""

from __future__ import annotations

import re

import pytest

from cloudheal.model.decision import OUTCOMES, Reason
from cloudheal.model.incident import Parked
from tests.conftest import ROOT

ROW = re.compile(r"^\| `([\w.]+)` \| ([a-z]+) \|", re.MULTILINE)
PARKED = re.compile(r"^\| `(\w+)` \| [^|]+ \|$", re.MULTILINE)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_reason_is_listed_once_with_its_outcome(language: str) -> None:
    """Neither a reason nor an outcome is missing, old or wrong; why runs are put aside is complete too."""
    page = (ROOT / "docs" / language / "deciding.md").read_text(encoding="utf-8")
    listed = ROW.findall(page)
    assert sorted(listed) == sorted((reason.value, OUTCOMES[reason].value) for reason in Reason)
    assert PARKED.findall(page) == [one.value for one in Parked]
