"""The words of explanations are complete in both languages, for everything that can be decided or told."""

from __future__ import annotations

import string

import pytest

from cloudheal.act.outcome import Kind as OutcomeKind
from cloudheal.decide.walk import walk
from cloudheal.model.control import Answer
from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel
from cloudheal.model.incident import Healed
from cloudheal.record.explain_texts import TEXTS
from tests.unit.test_walk import CALM, NOW, ORDER, changed


def placeholders(text: str) -> set[str]:
    """Return the names that a text needs."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    """Same keys, same placeholders, nothing empty."""
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert text
        assert TEXTS["zh"][key]
        assert placeholders(text) == placeholders(TEXTS["zh"][key]), key


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_that_can_happen_has_words(language: str) -> None:
    """Each reason, channel, verdict, outcome and answer is said in words and not by its code."""
    words = TEXTS[language]
    wanted = [
        *(f"reason.{one}" for one in Reason),
        *(f"channel.{one}" for one in Channel),
        *(f"verdict.{one}" for one in Healed),
        *(f"result.{one}" for one in (*OutcomeKind, *Answer)),
    ]
    assert [one for one in wanted if one not in words] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_question_of_the_walk_has_both_answers_in_words(language: str) -> None:
    """Whatever the walk asks, yes and no are sentences of their own."""
    walks = [walk(NOW, NOW, CALM), *(walk(NOW, NOW, changed(reason)) for reason in ORDER)]
    questions = {station.question for one in walks for station in one.stations}
    wanted = [f"station.{question}.{answer}" for question in sorted(questions) for answer in ("yes", "no")]
    assert [one for one in wanted if one not in TEXTS[language]] == []
