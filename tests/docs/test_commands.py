"""What the pages and the build say of each other is true: commands exist and are described."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.conftest import ROOT
from tests.docs.pages import Page, entrance_pages, pages_below

ALL_PAGES = [*entrance_pages(ROOT), *pages_below(ROOT / "docs")]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = frozenset(re.findall(r"^\.PHONY: ([a-z]+)$", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.path.relative_to(ROOT)))
def test_every_command_shown_exists(page: Page) -> None:
    """A reader who types the `make` commands of a page finds them all."""
    assert page.make_targets <= TARGETS


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readme_shows_the_two_commands(readme: str) -> None:
    """The two commands with which everybody starts stand in each README."""
    assert {"demo", "test"} <= Page(ROOT / readme).make_targets


@pytest.mark.parametrize("language", ["en", "zh"])
def test_contributing_names_every_command(language: str) -> None:
    """A developer finds every command in the page for developers (the demo is for everybody, help lists itself)."""
    assert Page(ROOT / "docs" / language / "contributing.md").make_targets >= TARGETS - {"demo"}


def test_help_lists_every_command() -> None:
    """`make help` names every command with a few words."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = dict(re.findall(r"^  make ([a-z]+) +(\S.+)$", shown.stdout, re.MULTILINE))
    assert listed.keys() == TARGETS
