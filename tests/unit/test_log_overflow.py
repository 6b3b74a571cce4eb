"""A metric with more series than it may have is told to people, and not only left over in a chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloudheal.notifiers.wording import Wording
from cloudheal.pipeline.log_overflow import QUIET, Overflows
from cloudheal.record.outbox import Topic
from tests.unit.log_cases import access, metric, minutes_of

NOW = datetime(2026, 3, 2, 9, 2, tzinfo=UTC)
DEFINITION = metric("{by: [url], measures: [count() as n], most: 1000}")


def urls(count: int, minute: int = 0) -> list[bytes]:
    """Return a line for each of so many URLs."""
    return [access(f"/{number:04}-x", at=60 * minute) for number in range(count)]


def test_too_many_series_are_told_once_with_how_many_there_were() -> None:
    """S4.4: an alarm instead of silence; of several minutes the worst is told."""
    overflows = Overflows(DEFINITION)
    assert overflows.look(minutes_of(DEFINITION, urls(1_000) + urls(1_500, 1) + urls(1_200, 2))) == 2
    (notice,) = overflows.notices(NOW)
    assert notice.topic is Topic.LOG_OVERFLOW
    assert notice.facts == {"log": "access", "metric": "m", "series": "1500", "kept": "1000", "lines": "500"}
    assert list(overflows.told(NOW).notices(NOW)) == []


def test_what_goes_on_is_told_again_after_a_while() -> None:
    """In between it is not, and a commit that failed has told nobody."""
    overflows, minutes = Overflows(DEFINITION), minutes_of(DEFINITION, urls(1_001))
    overflows.look(minutes)
    assert len(list(overflows.notices(NOW))) == len(list(overflows.notices(NOW))) == 1
    overflows.told(NOW).look(minutes)
    soon = NOW + timedelta(seconds=QUIET - 1)
    assert list(overflows.notices(soon)) == []
    overflows.told(soon).look(minutes)
    assert len(list(overflows.notices(NOW + timedelta(seconds=QUIET)))) == 1


@pytest.mark.parametrize(("language", "words"), [("en", "had 1500 series"), ("zh", "1500 条序列")])
def test_the_notice_says_what_can_be_done(language: str, words: str) -> None:
    """In the operator's language."""
    overflows = Overflows(DEFINITION)
    overflows.look(minutes_of(DEFINITION, urls(1_500)))
    letter = Wording(language, UTC).letter(list(overflows.notices(NOW)))
    assert words in letter.body
    assert "urls:" in letter.body
