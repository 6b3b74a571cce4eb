"""What an operator types about definitions of logs, and what is answered."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from cloudheal.cli import main
from tests.unit.log_cases import access

SETTINGS = """
language: {language}
logs:
  - name: access
    files: ["*.log", "*.gz"]
    format: timed
    urls: {{}}
    metrics:
      - name: slow
        where: status < 400
        by: [url]
        measures: [count() as requests, p99(request_time) as rt_p99]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with settings and a log of 150 lines, two of the last hundred of which are none."""
    (tmp_path / "cloudheal.yaml").write_text(SETTINGS.format(language="en"), encoding="utf-8")
    lines = [access(f"/item/{number}?x=1", at=number % 120, seconds=number / 1000) for number in range(148)]
    lines += [b"\x1b]0;owned\x07 no access line", access(status=500), b"half a line"]
    (tmp_path / "access.log").write_bytes(b"".join(line + b"\n" for line in lines))
    return tmp_path


def typed(desk: Path, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Type a command, in this process, which is much faster."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(desk)
        patch.setenv("COLUMNS", "160")
        patch.setattr(sys, "argv", ["cloudheal", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def document(desk: Path, *words: str, code: int = 0, given: bytes = b"") -> Any:
    """Type a command for programs."""
    done = typed(desk, *words, "--json", given=given)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_preview_shows_fields_metric_and_refused_lines_of_the_last_hundred(desk: Path) -> None:
    """S4.3: group-by is supported and said so, and the sum of what is shown is what the filter lets through."""
    done = typed(desk, "logs", "preview", "access")
    told = done.stdout
    assert done.returncode == 0, done.stderr
    assert "the last 100 lines of" in told
    assert "98 are read, 2 are not" in told
    assert "does not fit the format" in told
    assert "By url: groups are shown as they will be counted" in told
    assert "where status < 400" in told
    assert "/item/{id}" in told
    assert "\x1b" not in told
    seen = document(desk, "logs", "preview", "access")
    assert [one["reason"] for one in seen["refused"]] == ["does not fit the format"] * 2
    assert [one["number"] for one in seen["refused"]] == [98, 100]
    (metric,) = seen["metrics"]
    assert metric["lines"] == 97
    (fields,) = [one for one in seen["fields"] if one["field"] == "url"]
    assert (fields["filled"], fields["different"], fields["example"]) == (98, 2, "/")


def test_preview_says_which_lines_are_of_a_time_to_come(desk: Path) -> None:
    """The reason names what is probably wrong: a clock, or a zone."""
    told = typed(desk, "logs", "preview", "access", "-", given=access("/").replace(b"/2026:", b"/2199:"))
    assert told.returncode == 1
    assert "is of a time that is not yet: see to that machine's clock" in " ".join(told.stdout.split())


def test_preview_reads_what_it_is_given(desk: Path) -> None:
    """A compressed file, standard input, an empty file, no file."""
    lines = [access(f"/{number}") for number in range(3)]
    (desk / "old.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    assert document(desk, "logs", "preview", "access", "old.gz")["read"] == 3
    assert document(desk, "logs", "preview", "access", "-", given=lines[0])["read"] == 1
    (desk / "empty.log").touch()
    assert document(desk, "logs", "preview", "access", "empty.log", code=1)["lines"] == 0
    (desk / "cut.gz").write_bytes(gzip.compress(b"\n".join(lines))[:-9])
    assert "cut.gz: not a whole compressed file" in typed(desk, "logs", "preview", "access", "cut.gz").stderr
    assert typed(desk, "logs", "preview", "access", "none.log").returncode == 2
    (desk / "access.log").unlink()
    assert "No log is called acces; there are access" in typed(desk, "logs", "preview", "acces").stdout


def test_a_log_without_a_file_is_told_with_what_to_write(desk: Path) -> None:
    """A name of the file for the command that was typed, and a pattern where a folder was named."""
    text = SETTINGS.format(language="en").replace('["*.log", "*.gz"]', "[folder]")
    (desk / "cloudheal.yaml").write_text(text, encoding="utf-8")
    for command in ("preview", "rehearse"):
        none = typed(desk, "logs", command, "access")
        assert (none.returncode, f"cloudheal logs {command} access FILE" in none.stdout) == (1, True)
    (desk / "folder").mkdir()
    assert f"write {desk}/folder/* under files" in "".join(typed(desk, "logs", "preview", "access").stdout.split("\n"))


def test_check_says_how_each_log_is_read_and_fails_when_none_of_it_is(desk: Path) -> None:
    """Before anything is followed, and in the operator's language."""
    (row,) = document(desk, "logs", "check")
    assert (row["log"], row["files"], row["read"], row["refused"]) == ("access", 1, 98, 2)
    (desk / "access.log").write_bytes(b"another format\n")
    assert document(desk, "logs", "check", code=1)[0]["refused"] == 1
    (desk / "access.log").unlink()
    (desk / "cloudheal.yaml").write_text(SETTINGS.format(language="zh"), encoding="utf-8")
    done = typed(desk, "logs", "check")
    assert done.returncode == 1
    assert "没有文件" in done.stdout


def test_a_bad_definition_ends_every_command_with_its_line(desk: Path) -> None:
    """Also the check of everything."""
    text = SETTINGS.format(language="en").replace("[url]", "[ulr]")
    (desk / "cloudheal.yaml").write_text(text, encoding="utf-8")
    told = "cloudheal.yaml:11: logs.0.metrics.0.by.0: no field is called ulr; did you mean url?"
    for words in (("logs", "check"), ("logs", "preview", "access")):
        done = typed(desk, *words)
        assert done.returncode == 2
        assert told in done.stderr
    assert told in json.dumps(document(desk, "check", code=1))
