"""The reference pages are whole and true: every field of the world, every deed, every kind of fault, every path."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from cloudheal.settings import Settings
from cloudheal_sim.control import Control
from cloudheal_sim.guest.programs import PROGRAMS
from cloudheal_sim.kernel.faults import Kind
from cloudheal_sim.kernel.wire import HttpRequest
from cloudheal_sim.simulator import Simulator
from tests.conftest import ROOT
from tests.docs.fields import fields_of, model_at, models_from, places, reference_pages, world_models, writer
from tests.docs.pages import Page

LANGUAGES = ("en", "zh")
TABLES = [path for language in LANGUAGES for path in reference_pages(language)]


def page(language: str, name: str) -> Page:
    """Return a reference page."""
    return Page(ROOT / "docs" / language / "reference" / f"{name}.md")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_follow_the_models(path: Path) -> None:
    """A field that was added, renamed or given another default shows in its table (`make reference` writes it)."""
    assert path.read_text(encoding="utf-8") == writer(path.relative_to(ROOT / "docs").parts[0]).page(path)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_field_has_a_meaning(path: Path) -> None:
    """A reader finds what a field means, not only that it exists."""
    silent = [f"{place} {name}" for place, meanings in places(path) for name, text in meanings.items() if not text]
    assert silent == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_piece_of_a_world_document_has_a_table(language: str) -> None:
    """Whatever a world document can hold is on a page of the reference."""
    shown = {model_at(place) for path in reference_pages(language) for place, _ in places(path)}
    assert world_models() <= shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_of_the_settings_has_a_table(language: str) -> None:
    """Whatever a settings file can hold is on the settings page."""
    shown = {model_at(place) for place, _ in places(page(language, "settings").path)}
    assert models_from(Settings) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_world_page_lists_every_key(language: str) -> None:
    """The page on the world document names every key of every service, and no other."""
    _, _, *listings = page(language, "world").text.split("\n## ")
    for listing, (cloud, sections) in zip(listings, Simulator().world.clouds.items(), strict=False):
        title, _, rest = listing.partition("\n")
        assert cloud in title
        assert set(re.findall(r"`(\w+)`", rest)) == frozenset[str]().union(*(section.keys for section in sections))


@pytest.mark.parametrize("language", LANGUAGES)
def test_chaos_page_has_every_deed(language: str) -> None:
    """Every deed that GET /_sim/chaos names is described under a heading of its own, and no other is."""
    deeds = {words.strip("`") for level, words in page(language, "chaos").headings if level == 3}
    assert deeds == set(Simulator().chaos.names())


@pytest.mark.parametrize("language", LANGUAGES)
def test_faults_page_has_every_kind(language: str) -> None:
    """Every kind of fault is described, and no other is."""
    kinds = {words.strip("`") for level, words in page(language, "faults").headings if level == 3 and "`" in words}
    assert kinds == {kind.value for kind in Kind}


@pytest.mark.parametrize("language", LANGUAGES)
def test_control_page_has_every_path(language: str) -> None:
    """Every request of the control API is described, and no other is."""
    headings = [words.strip("`") for _, words in page(language, "control").headings]
    shown = [words.partition(" ") for words in headings if "/_sim/" in words]
    no_path = HttpRequest("GET", "/_sim/nothing", {})
    known = re.findall(r'known paths are (.*)"', asyncio.run(Control(Simulator()).handle(no_path)).body.decode())
    assert {path.removeprefix("/_sim/") for _, _, path in shown} == set(known[0].split(", "))
    for method, _, path in shown:
        answer = asyncio.run(Control(Simulator()).handle(HttpRequest(method, path, {})))
        assert answer.status != HTTPStatus.NOT_FOUND, f"{method} {path}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_commands_page_names_every_program(language: str) -> None:
    """Every program that guests have is named where people look for it."""
    text = Page(ROOT / "docs" / language / "howto" / "commands.md").text
    assert {name for name in PROGRAMS if f"`{name}`" not in text} == set()


def test_a_field_nobody_wrote_of_would_be_noticed(tmp_path: Path) -> None:
    """A table that lacks a field gets it back without a meaning, and keeps the meanings it has."""
    with pytest.raises(AssertionError):
        model_at("kernel/chaos:Chaos")
    with pytest.raises(AssertionError):
        model_at("alibaba.instances.nothing")
    file = tmp_path / "page.md"
    file.write_text(
        "# T\n\n<!-- fields kernel/faults:When -->\n| `every` | x | x | kept |\n<!-- end -->\n", encoding="utf-8"
    )
    file.write_text(writer("en").page(file), encoding="utf-8")
    ((_, meanings),) = places(file)
    assert list(meanings) == [field.name for field in fields_of(model_at("kernel/faults:When"))]
    assert meanings["every"] == "kept"
    assert meanings["times"] == ""
