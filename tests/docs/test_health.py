"""The page on health and metrics is whole: every metric with its type, every problem, in both languages."""

from __future__ import annotations

import re

import pytest

from cloudheal.app.queues import NotCommittedError
from cloudheal.metrics.counters import COUNTERS, GAUGES, HISTOGRAMS
from cloudheal.ports.queue import QueueProblem
from tests.conftest import ROOT

KINDS = {
    "en": {"counter": COUNTERS, "gauge": GAUGES, "histogram": HISTOGRAMS},
    "zh": {"计数器": COUNTERS, "仪表": GAUGES, "直方图": HISTOGRAMS},
}


@pytest.mark.parametrize("language", KINDS)
def test_every_metric_is_documented(language: str) -> None:
    """A metric that was added, renamed or removed shows on the page, under its type, and no other does."""
    text = (ROOT / "docs" / language / "reference" / "health.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(cloudheal_\w+)` \| (\S+) \|", text, re.MULTILINE))
    assert shown == {name: kind for kind, names in KINDS[language].items() for name in names}


@pytest.mark.parametrize("language", KINDS)
def test_every_problem_of_a_queue_has_an_advice(language: str) -> None:
    """Whatever /healthz may say of a queue is on the page."""
    text = (ROOT / "docs" / language / "reference" / "health.md").read_text(encoding="utf-8")
    assert {one for one in (*QueueProblem, NotCommittedError.code) if f"| `{one}` |" not in text} == set()
