"""A log of which nobody says the format is read by the one that fits its first lines, or refused with what to write."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cloudheal.errors import SettingsError
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition, Kind
from cloudheal.logs.guessing import guessed
from cloudheal.settings.loader import load_settings, located

COMBINED = '192.0.2.1 - - [02/Mar/2026:09:00:01 +0000] "GET /a HTTP/1.1" 200 168 "-" "Wget"'
TIMED = '192.0.2.1 - - [02/Mar/2026:09:00:01 +0000] "GET /a HTTP/1.0" 0.032 129 200 168 "-" "Wget"'
COMMON = '192.0.2.1 - - [02/Mar/2026:09:00:01 +0000] "GET /a HTTP/1.0" 200 168'
JSON = '{"ts": "2026-03-02T09:00:01Z", "shop": {"name": "north", "id": 7}, "cost": 1.5, "ok": true}'
PAIRS = "2026-03-02T09:00:01Z INFO name=queue_size host=web-1 value=210.25"
TIMED_PAIRS = 'level=info @timestamp=1 time=2026-03-02T09:00:01Z msg="a b" took=12ms n=3'


@pytest.mark.parametrize(
    ("line", "written", "numbers"),
    [
        (COMBINED, "combined", {"status", "body_bytes_sent"}),
        (TIMED, "timed", {"status", "body_bytes_sent", "request_time", "request_length"}),
        (COMMON, "common", {"status", "body_bytes_sent"}),
        (JSON, "{json: true, time: ts}", {"shop.id", "cost"}),
        (JSON.replace('"ts"', '"@timestamp"'), '{json: true, time: "@timestamp"}', {"shop.id", "cost"}),
        (PAIRS, "{key_value: true}", {"value"}),
        (TIMED_PAIRS, "{key_value: true, time: time}", {"n"}),
    ],
)
def test_the_usual_formats_are_known_by_their_lines(line: str, written: str, numbers: set[str]) -> None:
    """Also where some lines are cut; what is a number everywhere is one."""
    found = guessed([line.encode(), line.encode()[:30], line.encode()], 0)
    assert found is not None
    assert found.written == written
    assert {one.name for one in found.format.fields if one.kind is Kind.NUMBER} == numbers


@pytest.mark.parametrize("line", ["a line of words", '{"no": "time"}', "key=value and no time", "", "\x00\xff"])
def test_lines_of_no_usual_format_are_not_guessed(line: str) -> None:
    """Better nothing than anything."""
    assert guessed([line.encode("latin-1")], None) is None


def declared(folder: Path, more: str = "") -> Definition:
    """Return the definition of a settings file that does not say the format."""
    path = folder / "cloudheal.yaml"
    text = "logs:\n  - name: access\n    files: ['*.log*']\n"
    path.write_text(f"{text}{more}    metrics: [{{name: m, measures: [count()]}}]\n")
    with located(path):
        (found,) = definitions_of(load_settings(path))
    return found


def test_the_newest_file_that_has_lines_decides(tmp_path: Path) -> None:
    """A compressed one, if there is no other; what the settings say of fields holds, and may add some."""
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(f"{JSON}\n".encode()))
    (tmp_path / "b.log").touch()
    found = declared(tmp_path, "    fields: {cost: text, later: number}\n")
    assert found.guessed == "{json: true, time: ts}"
    kinds = {one.name: one.kind for one in found.format.fields}
    assert (kinds["cost"], kinds["later"]) == (Kind.TEXT, Kind.NUMBER)
    (tmp_path / "b.log").write_text(f"\n{COMBINED}\n")
    assert declared(tmp_path).guessed == "combined"


def test_a_log_that_cannot_be_guessed_is_refused_with_its_first_line(tmp_path: Path) -> None:
    """And with its place in the file; one without any line says that there is none."""
    with pytest.raises(SettingsError, match=r"yaml:2: logs.0.name: it has no format, and there is no line"):
        declared(tmp_path)
    (tmp_path / "a.log").write_text("words \x1b[2J and more\n")
    with pytest.raises(SettingsError, match=r"reads lines such as 'words .\[2J and more': write `format:`") as told:
        declared(tmp_path)
    assert "\x1b" not in str(told.value)
