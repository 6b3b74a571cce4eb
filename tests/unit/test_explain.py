"""The words of explanations are complete in both languages, for everything that can be decided or told."""

from __future__ import annotations

import string

import pytest

from cloudheal.act.outcome import Kind as OutcomeKind
from cloudheal.cli.texts import TEXTS as CLI_TEXTS
from cloudheal.decide.walk import walk
from cloudheal.logs.alarm_reasons import Why
from cloudheal.model.alarm import Level, NoData, Than
from cloudheal.model.control import Answer
from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel
from cloudheal.model.incident import Healed, Parked
from cloudheal.record.explain_alarm_texts import ALARM_TEXTS
from cloudheal.record.explain_texts import TEXTS
from cloudheal.record.ledger import Kind
from tests.unit.test_walk import CALM, NOW, ORDER, changed


def placeholders(text: str) -> set[str]:
    """Return the names that a text needs."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("texts", [TEXTS, ALARM_TEXTS], ids=["events", "alarms"])
def test_both_languages_say_the_same_things(texts: dict[str, dict[str, str]]) -> None:
    """Same keys, same placeholders, nothing empty."""
    assert texts["en"].keys() == texts["zh"].keys()
    for key, text in texts["en"].items():
        assert text
        assert texts["zh"][key]
        assert placeholders(text) == placeholders(texts["zh"][key]), key


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_that_keeps_an_alarm_from_firing_has_words(language: str) -> None:
    """Each reason, level, comparison and policy is said in words, here and in the list of alarms."""
    wanted = [
        *(f"why.{one}" for one in Why),
        *(f"level.{one.word}" for one in Level),
        *(f"than.{one}" for one in Than),
        *(f"no_data.{one}" for one in NoData),
    ]
    assert [one for one in wanted if one not in ALARM_TEXTS[language]] == []
    assert [one for one in Why if f"why.{one}" not in CLI_TEXTS[language]] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_that_can_happen_has_words(language: str) -> None:
    """Each reason, channel, verdict, outcome and answer is said in words and not by its code."""
    words = TEXTS[language]
    wanted = [
        *(f"reason.{one}" for one in Reason),
        *(f"channel.{one}" for one in Channel),
        *(f"verdict.{one}" for one in Healed),
        *(f"result.{one}" for one in (*OutcomeKind, *Answer)),
        *(f"parked.{one}" for one in Parked),
        *(f"entry.{one}" for one in Kind if one.startswith(("run.", "step.", "approval.")) or one == "incident.opened"),
    ]
    assert [one for one in wanted if one not in words] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_question_of_the_walk_has_both_answers_in_words(language: str) -> None:
    """Whatever the walk asks, yes and no are sentences of their own."""
    walks = [walk(NOW, NOW, CALM), *(walk(NOW, NOW, changed(reason)) for reason in ORDER)]
    questions = {station.question for one in walks for station in one.stations}
    wanted = [f"station.{question}.{answer}" for question in sorted(questions) for answer in ("yes", "no")]
    assert [one for one in wanted if one not in TEXTS[language]] == []
