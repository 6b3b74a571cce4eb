"""The demo is a promise: it comes out right every time, in both languages, and says so by its exit code."""

from __future__ import annotations

import string
import subprocess
import sys

import pytest

from cloudheal.demo.scenes import SCENES
from cloudheal.demo.texts import TEXTS


def told(language: str) -> str:
    """Run the demo as an operator does and return what it told."""
    done = subprocess.run(
        [sys.executable, "-m", "cloudheal", "demo", "--language", language],
        capture_output=True,
        text=True,
        timeout=700,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.timeout(720)
def test_an_evening_ends_as_it_must() -> None:
    """Everything is healed or left alone with its reason, although the engine is killed in the middle."""
    text = told("zh")
    assert TEXTS["zh"]["right"] in text
    assert "kill -9" in text
    assert all(scene.name in text for scene in SCENES)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_evenings_end_as_they_must() -> None:
    """The demo comes out right every time."""
    for _ in range(20):
        assert TEXTS["en"]["right"] in told("en").replace("\n", " ")


def test_both_languages_tell_the_same() -> None:
    """No text is missing in either language, and each has the same facts in it."""
    fields = {
        language: {key: {name for _, name, _, _ in string.Formatter().parse(text) if name} for key, text in one.items()}
        for language, one in TEXTS.items()
    }
    assert fields["en"] == fields["zh"]
