"""The command line in this process, on a database of the test: fast enough to be tried on both kinds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from cloudheal.cli import app
from cloudheal.errors import CloudhealError

ACCOUNT = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}


@dataclass(frozen=True)
class Printed:
    """What a command printed and how it ended; a known error ends it with 1 and its message, as in `main`."""

    code: int
    text: str


@dataclass(frozen=True)
class Shell:
    """Somebody who types commands with one settings file."""

    config: Path

    def __call__(self, *words: str) -> Printed:
        """Run a command; a traceback fails the test."""
        result = CliRunner(env={"COLUMNS": None}).invoke(app, [*words, "-c", str(self.config)])
        if isinstance(result.exception, CloudhealError):
            return Printed(1, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Printed(result.exit_code, result.output)

    def done(self, *words: str) -> str:
        """Run a command that must succeed."""
        printed = self(*words)
        assert printed.code == 0, (words, printed)
        return printed.text

    def json(self, *words: str) -> Any:
        """Run a command for its document."""
        return json.loads(self(*words, "--json").text)


def shell(folder: Path, database_url: str, **settings: Any) -> Shell:
    """Write a settings file and return the shell that uses it."""
    config = folder / "cloudheal.yaml"
    document = {"accounts": [ACCOUNT], "database": database_url, "timezone": "Asia/Shanghai", **settings}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return Shell(config)
