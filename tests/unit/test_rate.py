"""Shares of one, as people read them."""

from __future__ import annotations

import pytest

from cloudheal.cli.report import rate


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "-"), (0.0, "0%"), (0.001, "1%"), (0.334, "33%"), (0.5, "50%"), (0.9988, "99%"), (1.0, "100%")],
)
def test_all_and_nothing_are_written_only_where_they_are_meant(share: float | None, told: str) -> None:
    """One failure among a thousand is seen, and so is one success."""
    assert rate(share) == told
