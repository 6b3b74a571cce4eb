"""Instants within sentences are told in the operator's zone, wherever people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloudheal.cli.show import Show
from cloudheal.model.instant import localised
from cloudheal.notifiers.wording import Wording
from cloudheal.record.outbox import Notice, Topic

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
QUESTION = "reboot_in_window on i-1 at 2026-03-02T18:00+00:00, before 2026-03-03T16:15:00+00:00?"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (QUESTION, "reboot_in_window on i-1 at 2026-03-03 02:00, before 2026-03-04 00:15?"),
        ("2026-03-02 18:00:00.5Z", "2026-03-03 02:00"),
        ("2026-03-02T11:00, without an offset", "2026-03-02T11:00, without an offset"),
        ("9999-12-31T23:59Z and 2026-99-99T99:99Z", "9999-12-31T23:59Z and 2026-99-99T99:99Z"),
    ],
)
def test_only_what_is_an_instant_is_told_anew(text: str, told: str) -> None:
    """One with an offset; what lies outside of all calendars, or has no offset, stays as it was written."""
    assert localised(text, ZONE) == told


def test_tables_and_notices_tell_the_operators_time() -> None:
    """A question whose slot was written down in UTC is read where the operator is."""
    assert "at 2026-03-03 02:00, before" in Show("en", ZONE).text("plan.none", what=QUESTION)
    asked = Notice(
        Topic.APPROVAL_ASKED, NOON, "k", "inc", {"question": QUESTION, "id": "q", "expires": NOON.isoformat()}
    )
    letter = Wording("en", ZONE).letter([asked])
    assert "at 2026-03-03 02:00, before 2026-03-04 00:15?" in letter.body
    assert "+00:00" not in letter.body
