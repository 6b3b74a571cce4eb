"""Regular expressions of operators: whatever a log or a client writes, they end, and what they cannot be is told."""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.errors import SettingsError
from cloudheal.logs.counting import Limits, Reason
from cloudheal.logs.formats import regex
from cloudheal.logs.reading import Read, Reader, Rejected
from cloudheal.logs.urls import normaliser
from cloudheal.settings.patterns import MOST_STEPS, line_pattern, replacer

#: Python's `re` needs longer than the age of the world for the first, and hours for the second.
ENDLESS = [r"(?P<at>\d+) (a+)+b", r"(?P<at>\d+) .*a.*a.*a.*a.*b"]


@pytest.mark.parametrize("pattern", ENDLESS)
def test_no_line_makes_a_pattern_search_without_end(pattern: str) -> None:
    """The longest line that counts, made for the pattern, is refused as quickly as another one."""
    reader = Reader(regex(pattern, [], "at"))
    line = b"1436514669 " + b"a" * (Limits().line - 20)
    begun = time.process_time()
    assert reader.read(line) == Rejected(Reason.SHAPE)
    assert time.process_time() - begun < 10  # for ever, if it is tried one way after the other
    assert isinstance(reader.read(b"1436514669 aaaab"), Read)


def test_no_url_makes_a_rule_search_without_end() -> None:
    """A rule that is a trap for `re` is none here."""
    name = normaliser([(r"/(a+)+\.html", "/page")])
    begun = time.process_time()
    assert name("/" + "a" * 1000) == "/" + "a" * 1000
    assert time.process_time() - begun < 10
    assert name("/aaa.html") == "/page"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?P<at>\d+)(?=x)", "there is no look-around"),
        (r"(?P<at>\d)\1", "no references back"),
        (r"(?P<at>\d+)\Z", r"write \\z for the end"),
        (r"(?P<at>\d*+)", "nothing is tried twice"),
        (r"(?P<at>\d{2000})", "at most 1000 times"),
        (r"(?P<at>\d{,3})", r"write \{0,3\}"),
        (r"(?P<at>(?:a?){900}a{900})", f"too large .*at most {MOST_STEPS}"),
        (r"(?P<at>", "missing"),
    ],
)
def test_what_cannot_be_done_in_one_reading_is_refused_with_what_to_write(pattern: str, said: str) -> None:
    """When the definition is read, not when the line comes."""
    with pytest.raises(SettingsError, match=said):
        regex(pattern, [], "at")


@pytest.mark.parametrize("replacement", ["\\2", "\\g<none>", "\\q", "x\\"])
def test_a_replacement_with_a_group_that_there_is_not_is_refused(replacement: str) -> None:
    """So is a backslash that stands for nothing."""
    with pytest.raises(ValueError, match="is no group of the pattern"):
        replacer("/(?P<one>.)", replacement)


@given(
    st.text("/ab中1", max_size=12),
    st.sampled_from(["a", "a*", "(?P<x>a)(b)?", "/([^/]*)", "中", "^/", "b$", "[ab]+1?"]),
    st.sampled_from(["", "x", "中", "-\\\\-", "{id}"]),
)
def test_a_rule_replaces_what_python_would(text: str, pattern: str, replacement: str) -> None:
    """In all that both know."""
    assert replacer(pattern, replacement)(text) == re.sub(pattern, replacement, text)


def test_groups_stand_in_the_replacement_by_number_and_by_name() -> None:
    """A group that took part in no match is empty."""
    assert replacer(r"/(?P<lang>en|zh)/(x)?", r"/\g<lang>-\1\2\\/")("/中/en/q") == "/中/en-en\\/q"


def test_bytes_that_are_no_text_are_matched_by_a_dot() -> None:
    """A line is bytes; what stands in it decides nothing but its own fields."""
    read = Reader(regex(r"(?P<at>\d+) (?P<rest>.*)", [], "at")).read(b"1436514669 \xff\x00 \xe4")
    assert isinstance(read, Read)
    assert read.values["rest"] == b"\xff\x00 \xe4"


@pytest.mark.parametrize("made", [lambda: line_pattern("(?P<at>.)"), lambda: replacer("a", "b")])
def test_without_the_package_the_settings_say_what_to_install(
    made: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback at the first line, and never `re` in its place."""
    usual = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "re2":
            raise ImportError(name=name)
        return usual(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"install cloudheal\[logs\]"):
        made()
