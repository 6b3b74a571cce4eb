"""The command line starts fast, and says everything in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from string import Formatter

import pytest

from cloudheal.cli import app
from cloudheal.cli.texts import TEXTS
from cloudheal.clouds.alibaba.setup import Deed
from cloudheal.ports.findings import Code
from tests.conftest import ROOT

#: What `--help` must not import. Pydantic is not among them: typer itself reads a command's arguments with it.
HEAVY = (
    "sqlalchemy",
    "dbos",
    "alibabacloud_tea_openapi",
    "tencentcloud",
    "mns",
    "aiohttp",
    "yaml",
    "apprise",
    "psycopg",
)


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["rules", "test", "--help"], ["check", "--help"], ["drill", "create", "--help"]],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """Help answers at once because vendors, database and engine are imported by the commands that need them."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
        f"sys.argv = ['cloudheal', *{words!r}]\n"
        "from cloudheal.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "Usage" in done.stdout
    imported = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in imported
    assert not imported & set(HEAVY)


@pytest.mark.parametrize(
    ("cloud", "other"),
    [("alibaba", "tencentcloud"), ("tencent", "alibabacloud_tea_openapi")],
    ids=["alibaba", "tencent"],
)
def test_only_the_clients_of_clouds_that_are_used_are_loaded(cloud: str, other: str) -> None:
    """A worker for one cloud does not wait for the other's client, nor keep it in memory."""
    program = (
        "import sys\n"
        "from cloudheal.app import accounts_of\n"
        "from cloudheal.settings.schema import Settings\n"
        f"one = {{'name': 'a', 'cloud': {cloud!r}, 'id': '1000000000000001', 'regions': ['x']}}\n"
        "accounts_of(Settings.model_validate({'accounts': [one]}))\n"
        "print('\\n'.join(sys.modules))\n"
    )
    keys = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "TENCENTCLOUD_SECRET_ID")
    environment = {**os.environ, **dict.fromkeys((*keys, "TENCENTCLOUD_SECRET_KEY"), "unit")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert other not in done.stdout.split()


def test_the_version_needs_no_command() -> None:
    """Whoever reports a fault can say which version it was."""
    done = subprocess.run([sys.executable, "-m", "cloudheal", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


def names_in(text: str) -> set[str]:
    """Return the names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    """Every key exists in both, with the same facts in it; the Chinese ones are Chinese where there are words."""
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, english in TEXTS["en"].items():
        assert names_in(english) == names_in(TEXTS["zh"][key]), key
    chinese = [text for text in TEXTS["zh"].values() if re.search(r"[\u4e00-\u9fff]", text)]
    assert len(chinese) > 0.9 * len(TEXTS["zh"])


@pytest.mark.parametrize("code", Code)
def test_every_finding_has_a_sentence_and_every_bad_one_a_fix(code: Code) -> None:
    """Whatever the doctor finds can be said; what must be mended says how."""
    assert f"finding.{code}" in TEXTS["en"]
    assert code.endswith(".ok") or f"fix.{code}" in TEXTS["en"]


@pytest.mark.parametrize("deed", Deed)
def test_every_deed_of_a_plan_has_a_sentence(deed: Deed) -> None:
    """A plan can be read whatever it holds."""
    assert f"setup.{deed}" in TEXTS["en"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_is_on_the_page_for_operators(language: str) -> None:
    """A command that the page does not name is one that nobody finds."""
    page = (ROOT / "docs" / language / "howto" / "operate.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:cloudheal )?([a-z-]+)", page))
    commands = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    groups = {str(one.name) for one in app.registered_groups}
    assert (commands | groups) - {"sim", "demo"} <= named
