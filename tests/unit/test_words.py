"""Sentences count as people do, and Chinese ones have the marks of Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from cloudheal.cli.texts import TEXTS as CLI
from cloudheal.demo.texts import TEXTS as DEMO
from cloudheal.model.words import told
from cloudheal.notifiers.wording import TEXTS as NOTICES
from cloudheal.record.explain_alarm_texts import ALARM_TEXTS
from cloudheal.record.explain_texts import TEXTS as STORIES

#: A mark of another script between Chinese words, or after one at the end. A key of a file is followed by its colon.
_FOREIGN = re.compile(
    r"[一-鿿}][,;](\s|$|[一-鿿])|[一-鿿}]\.(\s|$)|[一-鿿]: (?!\{format)"
    r"|[一-鿿] ?\(|\) ?[一-鿿]|, [一-鿿]|(?<!\d)\. [一-鿿]"
)
FAMILIES: tuple[Mapping[str, Mapping[str, str]], ...] = (CLI, DEMO, NOTICES, ALARM_TEXTS, STORIES)


def chinese() -> Iterator[str]:
    """Yield every Chinese text of whatever people are told."""
    for family in FAMILIES:
        yield from family["zh"].values()


def test_chinese_sentences_have_chinese_marks() -> None:
    """Wherever they are told: at the command line, in notices, in stories of events and alarms, in the demo."""
    assert [one for one in chinese() if _FOREIGN.search(one)] == []


@pytest.mark.parametrize(("number", "said"), [("0", "0 logs have"), ("1", "1 log has"), ("2", "2 logs have")])
def test_one_is_not_several(number: str, said: str) -> None:
    """A text says both, and the number chooses; a plain value stays as it is."""
    assert "{count:log has|logs have} {what}".format_map(told({"count": number, "what": "x"})) == f"{said} x"


def test_no_english_sentence_says_one_logs() -> None:
    """A number that is followed by a word in the plural says what one is called, too."""
    plural = re.compile(r"\{(count|rows|files|logs|events|runs|steps|servers|began|compared)\} [a-z]+s\b")
    assert [one for one in CLI["en"].values() if plural.search(one)] == []
