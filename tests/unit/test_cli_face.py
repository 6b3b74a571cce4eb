"""The command line starts fast, and says everything in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from string import Formatter
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cloudheal.cli import app, application
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


def test_a_command_alone_is_the_same_as_among_all_others() -> None:
    """Only the command that is asked for is built, from its own modules; it has everything that it has among all."""
    program = (
        "import os\n"
        "from typer.main import get_command\n"
        "from cloudheal.cli import GROUPS, TOP, application\n"
        "def shape(one):\n"
        "    parts = {name: shape(part) for name, part in sorted(getattr(one, 'commands', {}).items())}\n"
        "    return one.help, [(two.name, two.opts, two.required) for two in one.params], parts\n"
        "def printed(word, words):\n"
        "    if not (child := os.fork()):\n"
        "        print(word, shape(get_command(application(words)).commands[word]), flush=True)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0, word\n"
        "for word in [one for names in TOP.values() for one in names] + [*GROUPS]:\n"
        "    printed(word, [word])\n"
        "whole = get_command(application(['no command']))\n"
        "for word, one in whole.commands.items():\n"
        "    print(word, shape(one))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    half = len(lines) // 2
    assert half > 30
    assert sorted(lines[:half]) == sorted(lines[half:])


def test_help_names_every_command_with_its_first_line() -> None:
    """The list is made without building a command, and misses none."""
    listed, whole = (get_command(application(words)) for words in ([], ["no command"]))
    assert isinstance(listed, TyperGroup)
    assert isinstance(whole, TyperGroup)
    assert [*listed.commands] == [*whole.commands]
    for name, command in whole.commands.items():
        assert listed.commands[name].get_short_help_str(90) == command.get_short_help_str(90)


def test_the_version_needs_no_command() -> None:
    """Whoever reports a fault can say which version it was."""
    done = subprocess.run([sys.executable, "-m", "cloudheal", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize(
    ("words", "name"), [(("cloudheal", "sim"), "cloudheal sim"), (("cloudheal_sim",), "python -m cloudheal_sim")]
)
def test_the_simulator_is_called_what_was_typed(words: tuple[str, ...], name: str) -> None:
    """Its help and its errors can be copied and typed again."""
    for word, code in (("--help", 0), ("--nope", 2)):
        typed = [sys.executable, "-m", *words, word]
        done = subprocess.run(typed, capture_output=True, text=True, check=False, timeout=60)
        shown = done.stdout + done.stderr
        assert (done.returncode, f"Usage: {name} [OPTIONS]" in shown) == (code, True), shown


def arguments(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield how each argument of each command is written where its usage is shown."""
    for name, one in getattr(command, "commands", {}).items():
        yield from arguments(one, (*path, name))
    for one in command.params:
        if one.param_type_name == "argument":
            yield " ".join((*path, one.name)), one.metavar or one.name


def test_arguments_are_written_in_capitals_as_the_pages_do() -> None:
    """Usage adds by itself what shows that one may be left out, or be given more than once."""
    written = dict(arguments(get_command(app)))
    assert {one: how for one, how in written.items() if not re.fullmatch(r"[A-Z]+(\|[A-Za-z.]+)?", how)} == {}
    assert len(written) > 30


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
