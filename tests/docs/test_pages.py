"""The documentation is whole: same pages in both languages, titled, listed, linked rightly, and it builds."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from sphinx.util.tags import Tags

from tests.conftest import ROOT
from tests.docs.pages import Page, entrance_pages, pages_below

DOCS = ROOT / "docs"
LANGUAGES = ("en", "zh")
ALL_PAGES = [*entrance_pages(ROOT), *pages_below(DOCS), Page(ROOT / "changes" / "README.md")]
IN_BOTH = sorted({page.path.relative_to(DOCS / lang) for lang in LANGUAGES for page in pages_below(DOCS / lang)})


def name_of(page: Page) -> str:
    """Name a page by its place in the tree."""
    return str(page.path.relative_to(ROOT))


@pytest.mark.parametrize("path", IN_BOTH, ids=str)
def test_both_languages_have_the_page_with_the_same_outline(path: Path) -> None:
    """A page exists in both languages and its headings stand at the same levels in both."""
    english, chinese = (Page(DOCS / lang / path) for lang in LANGUAGES)
    assert english.path.exists(), f"{path} is missing in English"
    assert chinese.path.exists(), f"{path} is missing in Chinese"
    assert [level for level, _ in english.headings] == [level for level, _ in chinese.headings]


def test_both_readmes_have_the_same_outline_and_commands() -> None:
    """The two READMEs tell the same story and show the same commands."""
    english, chinese = Page(ROOT / "README.md"), Page(ROOT / "README.zh-CN.md")
    assert [level for level, _ in english.headings] == [level for level, _ in chinese.headings]
    assert english.make_targets == chinese.make_targets


@pytest.mark.parametrize("path", IN_BOTH, ids=str)
def test_chinese_page_is_written_in_chinese(path: Path) -> None:
    """A page of the Chinese tree is a translation and not a copy of the English one."""
    prose = Page(DOCS / "zh" / path).prose
    assert len(re.findall(r"[\u4e00-\u9fff]", prose)) >= 40  # a copy would have none


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_page_begins_with_its_only_title(page: Page) -> None:
    """A page has one title, and it comes first."""
    assert [level for level, _ in page.headings].count(1) == 1
    assert page.headings[0][0] == 1


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_lead_somewhere(page: Page) -> None:
    """A link within the tree names a file that exists, and a heading in it if it names one."""
    for link in page.links:
        target, _, anchor = link.partition("#")
        file = (page.path.parent / target).resolve() if target else page.path
        assert file.exists(), f"{name_of(page)} links to {link}"
        assert not anchor or anchor in Page(file).anchors, f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_listed_in_the_index(language: str) -> None:
    """A reader reaches every page from the index of its language."""
    index = Page(DOCS / language / "index.md")
    assert index.listed == {page.path for page in pages_below(DOCS / language)} - {index.path}


@pytest.mark.parametrize("language", LANGUAGES)
def test_documentation_builds_without_a_warning(language: str, tmp_path: Path) -> None:
    """Sphinx reads the pages of a language, finds all that they refer to, and has nothing to complain about."""
    command = [sys.executable, "-m", "sphinx", "-b", "dummy", "-W", "-n", "-q", "-c", str(DOCS), "-t", language]
    built = subprocess.run([*command, str(DOCS / language), str(tmp_path)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_in_which_language_it_is(language: str) -> None:
    """A reader's browser, and whoever reads aloud, know the language of the pages."""
    settings = runpy.run_path(str(DOCS / "conf.py"), init_globals={"tags": Tags([language])})
    assert settings["language"] == {"en": "en", "zh": "zh_CN"}[language]
