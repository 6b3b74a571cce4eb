"""What the pages tell a reader to type works, in the order in which it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.docs.pages import Page
from tests.sim.simulator import INTERPRETERS, RunningSimulator, started
from tests.zygote import run

NODE_MODULES = ROOT / "tests" / "sim" / "node" / "node_modules"
SHOWN_ADDRESS = "127.0.0.1:8800"
START = ".venv/bin/python -m cloudheal_sim --port 8800"
#: On the reader's path since `source .venv/bin/activate`.
ACTIVATE = "source .venv/bin/activate"
PAGES = (
    *("tutorial", "tutorial-heal", "howto/events", "howto/metrics", "howto/faults", "howto/clock", "howto/world"),
    *(
        "howto/sdks",
        "howto/rehearse",
        "howto/tests",
        "howto/evening",
        "howto/commands",
        "howto/logs",
        "howto/log-alarms",
    ),
    *("reference/world", "reference/world-ecs", "reference/world-slb", "reference/world-mns"),
    *("reference/world-cms", "reference/chaos", "reference/control"),
    *("reference/world-cvm", "reference/world-tat", "reference/world-eb"),
)

_BLOCK = re.compile(r"^```(?P<kind>console|python|js|bash|yaml|json)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
#: A program that names its file in its first line is kept until a command runs it.
_FILE = re.compile(r"(?:#|//) (?P<name>[\w-]+\.(?:py|mjs|sh|yaml))\n")
_RUN = re.compile(r"(?:(?P<proxy>HTTP_PROXY)=(?P<url>\S+) )?(?P<with>\S+) (?P<name>[\w-]+\.(?:py|mjs|sh))")
_RUNNERS = {
    ".venv/bin/python": [sys.executable],
    ".venv/bin/pytest": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
    ".venv-classic/bin/python": [str(INTERPRETERS["classic"]), "-W", "ignore"],
    ".venv-mns115/bin/python": [str(INTERPRETERS["mns115"]), "-W", "ignore"],
    "bash": ["bash"],
    "node": ["node"],
}
_EXPORT = re.compile(r"export (?P<name>\w+)=(?P<value>\S+)")
#: What a command cannot do without and a machine may lack.
_NEEDED = {"bash": ("bash", "curl", "openssl"), "node": ("node",)}
# A command goes on while a quote is open.
_COMMAND = re.compile(r"^(?:[^'\n]|'[^']*')+$", re.MULTILINE)
_OF_READERS = re.compile(r"^(?:language|timezone): .*\n", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//) .*$", re.MULTILINE)


def examples(page: Page) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every command, program and file that a page shows, in order."""
    for block in _BLOCK.finditer(page.text):
        if block["kind"] == "console":
            yield from (("command", command) for command in _COMMAND.findall(block["body"]))
        else:
            yield block["kind"], block["body"]


def shown_by(language: str, name: str) -> list[tuple[str, str]]:
    """Return the examples of a page, without comments and without the settings that name language and zone."""
    shown = examples(Page(ROOT / f"docs/{language}/{name}.md"))
    return [(kind, _OF_READERS.sub("", _COMMENT.sub("", text))) for kind, text in shown]


def typed() -> Iterator[str]:
    """Yield the pages whose examples are typed: each in English, and a translation that shows other ones."""
    for name in PAGES:
        yield f"docs/en/{name}.md"
        if shown_by("zh", name) != shown_by("en", name):
            yield f"docs/zh/{name}.md"


class Reader:
    """Someone who types what a page shows, with a simulator of their own."""

    def __init__(self, desk: Path) -> None:
        self._desk = desk
        self._simulator: RunningSimulator = started()
        self._answered: Any = None
        self._environment = dict(os.environ)

    def leave(self) -> None:
        """Stop the simulator."""
        self._simulator.stop()

    def do(self, kind: str, text: str) -> None:
        """Do one thing that a page shows; fails where a reader would be stuck."""
        text = text.replace(SHOWN_ADDRESS, self._simulator.address)
        match kind:
            case "yaml" if not _FILE.match(text):
                (self._desk / "world.yaml").write_text(text, encoding="utf-8")
                self._simulator.world(json.loads(json.dumps(yaml.safe_load(text), default=datetime.isoformat)))
            case "json":
                assert json.loads(text).keys() == self._answered.keys(), "the answer has other fields"
            case "yaml" | "python" | "js" | "bash" if named := _FILE.match(text):
                (self._desk / named["name"]).write_text(text, encoding="utf-8")
            case "python":
                subprocess.run([sys.executable, "-c", text], check=True, timeout=60)
            case _ if text.startswith(START):
                self._start(shlex.split(text.removeprefix(START)))
            case _ if text.startswith("curl -s "):
                self._ask(shlex.split(text)[2:])
            case _ if text.startswith("cloudheal "):
                self._operate(shlex.split(text)[1:])
            case _ if run := _RUN.fullmatch(text):
                self._run(run)
            case _:
                self._prepare(text)

    def _operate(self, words: list[str]) -> None:
        done = run([sys.executable, "-m", "cloudheal", *words], cwd=self._desk, timeout=200, env=self._environment)
        assert done.returncode == 0, f"cloudheal {shlex.join(words)}\n{done.stdout}{done.stderr}"

    def _prepare(self, text: str) -> None:
        """Put a variable into the environment, or do nothing for what made this environment."""
        exported = _EXPORT.fullmatch(text)
        if exported:
            self._environment[exported["name"]] = exported["value"]
        else:
            assert text == ACTIVATE or re.fullmatch(r"make [a-z]+", text), f"nobody tries {text!r}"

    def _run(self, run: re.Match[str]) -> None:
        missing = [tool for tool in _NEEDED.get(run["with"], ()) if shutil.which(tool) is None]
        if missing or (run["with"] == "node" and not NODE_MODULES.exists()):
            pytest.skip(f"not here: {', '.join(missing) or NODE_MODULES.name}")
        if run["with"] == "node":
            (self._desk / "node_modules").symlink_to(NODE_MODULES)
        proxy = {"HTTP_PROXY": run["url"]} if run["proxy"] else {}
        subprocess.run(
            [*_RUNNERS[run["with"]], run["name"]], cwd=self._desk, check=True, timeout=100, env={**os.environ, **proxy}
        )

    def _start(self, options: list[str]) -> None:
        self.leave()
        self._simulator = started(*(str(self._desk / one) if one.endswith(".yaml") else one for one in options))

    def _ask(self, words: list[str]) -> None:
        given = {flag: words.pop(words.index(flag) + 1) for flag in ("-X", "-d") if flag in words}
        (url,) = (word for word in words if not word.startswith("-"))
        body = given["-d"].encode() if "-d" in given else None
        with urllib.request.urlopen(urllib.request.Request(url, body, method=given.get("-X")), timeout=60) as answer:
            self._answered = json.load(answer)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with an empty desk."""
    someone = Reader(tmp_path)
    yield someone
    someone.leave()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "path", [pytest.param(one, marks=pytest.mark.soak) if "/zh/howto/" in one else one for one in typed()]
)
def test_examples_of_the_page_work_in_order(path: str, reader: Reader) -> None:
    """Every command, program and file of the page works after the ones before it."""
    shown = list(examples(Page(ROOT / path)))
    assert shown, "a page of instructions shows at least one"
    for kind, text in shown:
        reader.do(kind, text)
