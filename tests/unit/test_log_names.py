"""What a client sends cannot forge the name of a series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.names import MOST_CHARACTERS, OTHER, shown


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("/shop/{id}", "/shop/{id}"),
        ("商品", "商品"),
        ("a\nfiring CRITICAL", "a\N{REPLACEMENT CHARACTER}firing CRITICAL"),
        (
            "\x1b[2J\x1b]0;owned\x07",
            "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}",
        ),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("txt\u202egpj", "txt\N{REPLACEMENT CHARACTER}gpj"),
        ("a\u2028b\x00", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        (OTHER, '"__other__"'),
        ("__other__\u200b", "__other__\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_value_is_shown_without_what_drives_terminals(value: str, name: str) -> None:
    """Control characters, escapes, line breaks and marks of direction are replaced; the reserved name is quoted."""
    assert shown(value) == name


@given(st.text())
def test_no_value_can_be_the_reserved_name_or_more_than_one_line(value: str) -> None:
    """Whatever it is, it is printable, short, not reserved, and shown once is shown for good."""
    name = shown(value)
    assert name.isprintable()
    assert name != OTHER
    assert len(name) <= MOST_CHARACTERS
    assert shown(name) == name
