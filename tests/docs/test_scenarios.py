"""The pages on scenarios are whole and true: every field, every scenario of the library, every example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudheal.drills.files import library, load_scenario
from cloudheal.drills.scenario import CAUSES, Scenario, Step
from cloudheal.settings import Settings
from tests.conftest import ROOT
from tests.docs.fields import model_at, models_from, places

LANGUAGES = ("en", "zh")


def page(language: str, name: str) -> Path:
    """Return a page."""
    return ROOT / "docs" / language / f"{name}.md"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_of_a_scenario_file_has_a_table(language: str) -> None:
    """Whatever a scenario file can hold is on its page, or on that of the settings."""
    shown = {model_at(place) for place, _ in places(page(language, "reference/scenarios"))}
    assert models_from(Scenario) - models_from(Settings) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_where_each_cause_is_possible(language: str) -> None:
    """Nobody learns from a refusal what a real account does not do."""
    text = page(language, "reference/scenarios").read_text(encoding="utf-8")
    for kind in (*CAUSES, "call"):
        assert f"`{kind}`" in text
    assert set(CAUSES) < set(Step.model_fields)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_library_is_on_the_page_as_it_is(language: str) -> None:
    """Each scenario stands there with what it shows, and no other does."""
    text = page(language, "howto/drill").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z0-9-]+)` \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE))
    assert listed == {one.name: getattr(one.description, language) for one in library()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_is_a_scenario(language: str, tmp_path: Path) -> None:
    """Whoever copies it has a file that can be run."""
    text = page(language, "howto/drill").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(name: .*?)^```", text, re.MULTILINE | re.DOTALL)
    file = tmp_path / "night.yaml"
    file.write_text(example, encoding="utf-8")
    assert load_scenario(file).name == "night-reboot"


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_shows_a_scenario_that_exists(readme: str) -> None:
    """A newcomer types the command as it stands."""
    names = re.findall(r"cloudheal drill run ([a-z-]+) --simulator", (ROOT / readme).read_text(encoding="utf-8"))
    assert names
    assert set(names) <= {one.name for one in library()}
