"""What the pages tell a reader to type works, in the order in which it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import Page
from tests.sim.simulator import RunningSimulator, started

SHOWN_ADDRESS = "127.0.0.1:8800"
START = ".venv/bin/python -m cloudheal_sim --port 8800"
PAGES = [
    f"docs/{language}/{name}.md"
    for language in ("en", "zh")
    for name in ("tutorial", "howto/events", "howto/metrics", "howto/faults", "howto/clock", "howto/world")
]

_BLOCK = re.compile(r"^```(?P<kind>console|python|yaml)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
# A command goes on while a quote is open.
_COMMAND = re.compile(r"^(?:[^'\n]|'[^']*')+$", re.MULTILINE)


def examples(page: Page) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every command, program and file that a page shows, in order."""
    for block in _BLOCK.finditer(page.text):
        if block["kind"] == "console":
            yield from (("command", command) for command in _COMMAND.findall(block["body"]))
        else:
            yield block["kind"], block["body"]


class Reader:
    """Someone who types what a page shows, with a simulator of their own."""

    def __init__(self, desk: Path) -> None:
        self._desk = desk
        self._simulator: RunningSimulator = started()

    def leave(self) -> None:
        """Stop the simulator."""
        self._simulator.stop()

    def do(self, kind: str, text: str) -> None:
        """Do one thing that a page shows; fails where a reader would be stuck."""
        text = text.replace(SHOWN_ADDRESS, self._simulator.address)
        match kind:
            case "yaml":
                (self._desk / "world.yaml").write_text(text, encoding="utf-8")
            case "python":
                subprocess.run([sys.executable, "-c", text], check=True, timeout=60)
            case _ if text.startswith(START):
                self._start(shlex.split(text.removeprefix(START)))
            case _ if text.startswith("curl -s "):
                self._ask(shlex.split(text)[2:])
            case _:
                assert re.fullmatch(r"make [a-z]+", text), f"nobody tries {text!r}"

    def _start(self, options: list[str]) -> None:
        self.leave()
        self._simulator = started(*(str(self._desk / one) if one.endswith(".yaml") else one for one in options))

    def _ask(self, words: list[str]) -> None:
        given = {flag: words.pop(words.index(flag) + 1) for flag in ("-X", "-d") if flag in words}
        (url,) = (word for word in words if not word.startswith("-"))
        body = given["-d"].encode() if "-d" in given else None
        with urllib.request.urlopen(urllib.request.Request(url, body, method=given.get("-X")), timeout=60) as answer:
            assert answer.status == 200


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with an empty desk."""
    someone = Reader(tmp_path)
    yield someone
    someone.leave()


@pytest.mark.parametrize("path", PAGES)
def test_examples_of_the_page_work_in_order(path: str, reader: Reader) -> None:
    """Every command, program and file of the page works after the ones before it."""
    shown = list(examples(Page(ROOT / path)))
    assert shown, "a page of instructions shows at least one"
    for kind, text in shown:
        reader.do(kind, text)
