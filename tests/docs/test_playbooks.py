"""The page of the built-in playbooks is whole and true, in both languages."""

from __future__ import annotations

import re

import pytest

from cloudheal.cli.playbook_texts import TRANSLATED
from tests.docs.playbooks import EXTENSIONS, names_on, page, path_of

PLAYBOOKS = EXTENSIONS.library.playbooks


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_follows_the_declarations(language: str) -> None:
    """What a playbook declares is what the page says (`make reference` writes it), and none is missing."""
    assert path_of(language).read_text(encoding="utf-8") == page(language)
    assert sorted(names_on(language)) == sorted(PLAYBOOKS)


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_a_built_in_playbook_declares_itself_in_both_languages(name: str) -> None:
    """Summary, promises, steps and every parameter are said in English and in Chinese."""
    playbook, said = PLAYBOOKS[name], TRANSLATED["zh"][name]
    assert playbook.summary
    assert playbook.promises
    assert all(field.description for field in playbook.parameters.model_fields.values())
    assert len(said.promises) == len(playbook.promises)
    assert len(said.steps) == len(playbook.steps)
    assert said.parameters.keys() == playbook.parameters.model_fields.keys()
    for text in (said.summary, *said.promises, *said.steps, *said.parameters.values()):
        assert re.search(r"[\u4e00-\u9fff]", text), text
