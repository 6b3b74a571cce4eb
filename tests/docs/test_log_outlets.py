"""The page on outlets shows settings that can be used, the same in both languages."""

from __future__ import annotations

import re

import pytest
import yaml

from cloudheal.app.loads import terms_with_logs
from cloudheal.settings.schema import Settings
from tests.conftest import ROOT

LOG = {
    "name": "shop",
    "files": ["*.log"],
    "format": "combined",
    "metrics": [{"name": "requests", "measures": ["count()"]}],
}


def blocks(language: str) -> list[str]:
    """Return the settings that a page shows; those of Prometheus are somebody else's."""
    page = (ROOT / "docs" / language / "howto" / "log-outlets.md").read_text(encoding="utf-8")
    return [one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if not one.startswith("# prometheus.yml")]


@pytest.mark.parametrize("text", blocks("en"))
def test_the_settings_of_the_page_can_be_used(text: str) -> None:
    """Each of them beside a log, where it has none of its own."""
    Settings.model_validate({"logs": [LOG], **yaml.safe_load(text)})


def test_both_languages_show_the_same() -> None:
    """Word for word."""
    assert blocks("en") == blocks("zh")


def test_a_log_that_names_a_group_is_its_load() -> None:
    """By its first metric without groups, with the terms of everybody else; a load that is written goes first."""
    log = {
        **LOG,
        "group": "web",
        "metrics": [{"name": "urls", "by": ["url"], "measures": ["count()"]}, *LOG["metrics"]],
    }
    plain = terms_with_logs(Settings.model_validate({"logs": [log], "maintenance": {"at_once": 3}}))
    (named,) = plain.groups
    assert (named.group, named.at_once) == ("web", 3)
    assert named.load is not None
    assert named.load.source == "log shop/requests"
    own = {"groups": [{"group": "web", "at_once": 2, "load": {"file": "traffic.csv"}}]}
    (kept,) = terms_with_logs(Settings.model_validate({"logs": [log], "maintenance": own})).groups
    assert kept.load is not None
    assert kept.load.file is not None
    assert kept.at_once == 2
