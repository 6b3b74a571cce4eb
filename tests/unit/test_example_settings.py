"""The settings file that newcomers copy is right."""

from __future__ import annotations

from cloudheal.app import rules_of
from cloudheal.model.incident import Mode
from cloudheal.settings import load_settings
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "cloudheal.yaml"


def test_the_example_is_read_without_a_finding() -> None:
    """Rules compile, parameters fit their playbooks, and a bare `on` is understood."""
    settings = load_settings(EXAMPLE)
    rules = rules_of(settings).rules
    assert rules["restart-unexpected-stop"].desired == "on"
    assert rules["leave-the-balancer-before-spot-release"].mode is Mode.ASK


def test_the_example_holds_no_secret() -> None:
    """Keys come from the environment; the file only names the variables."""
    settings = load_settings(EXAMPLE)
    assert settings.accounts[0].access_key_secret_env == "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
    assert "LTAI" not in EXAMPLE.read_text(encoding="utf-8")
