"""What the page for authors shows can be typed as it stands: the playbook loads, and its tests pass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cloudheal.act.playbook import Playbook
from cloudheal.app import extensions_of
from cloudheal.model.incident import Healed
from cloudheal.settings.schema import Settings
from cloudheal.testing import FakeCloud, Scene
from tests.conftest import ROOT
from tests.usual import RULE

ACCOUNT = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}


def blocks(language: str) -> list[str]:
    """Return the Python blocks of the page."""
    text = (ROOT / "docs" / language / "howto" / "extend.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_playbook_of_the_page_loads_and_works(language: str, tmp_path: Path) -> None:
    """A reader who copies it has a playbook that looks and tells."""
    (tmp_path / "look_only.py").write_text(blocks(language)[0], encoding="utf-8")
    settings = Settings.model_validate({"accounts": [ACCOUNT], "extensions": {"folders": [str(tmp_path)]}})
    playbook: Playbook = extensions_of(settings).library.playbooks["look_only"]
    cloud = FakeCloud()
    web = cloud.server("i-web", tags={"env": "prod"})
    rule = RULE | {"playbook": "look_only"}
    told = Scene(cloud, rules=[rule], playbooks=[playbook], events=[cloud.power_off(web)]).play()
    assert told.verdicts == {"i-web": Healed.NOT_HEALED.value}
    assert told.evidence["i-web"]["state"] == "Stopped"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_tests_of_the_page_pass(language: str, tmp_path: Path) -> None:
    """A reader who copies them has tests that run."""
    text = blocks(language)[2].replace("playbooks=[MINE], ", "")
    names: dict[str, Any] = {"RULE": RULE}
    exec(compile(text, str(tmp_path / "page.py"), "exec"), names)
    names["test_it_is_started"]()
    names["test_a_crash_anywhere_does_no_harm"]()
