"""What ships to run cloudheal as a service is sound, as far as it can be judged without starting it here."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

UNIT = ROOT / "deploy" / "cloudheal.service"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
#: systemd's own measure, 0 to 10; below 2 it calls a service "OK" or safer.
MOST_EXPOSURE = 1.9
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that exists on this machine."""
    copy = tmp_path / "cloudheal.service"
    text = UNIT.read_text(encoding="utf-8")
    assert "ExecStart=/usr/local/lib/cloudheal/bin/cloudheal " in text
    copy.write_text(text.replace("/usr/local/lib/cloudheal/bin/cloudheal ", f"{sys.executable} "), encoding="utf-8")
    return copy


@analyze
def test_systemd_accepts_the_unit(unit: Path) -> None:
    """Not a word of complaint about the unit: no unknown key, no value that is ignored."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "cloudheal" in line]
    assert about_it == []


@analyze
def test_systemd_finds_little_that_the_unit_could_harm(unit: Path) -> None:
    """The exposure that systemd measures stays low."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = re.search(r"exposure level for cloudheal\.service: (\d+\.\d+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE, done.stdout


def test_the_unit_keeps_secrets_out_and_ends_in_order() -> None:
    """Keys come from a file, never from the unit; wrong settings are not tried again; a long poll may end."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT, encoding="utf-8")
    service = unit["Service"]
    assert "ACCESS_KEY" not in UNIT.read_text(encoding="utf-8")
    assert service["EnvironmentFile"] == "/etc/cloudheal/keys.env"
    assert service["RestartPreventExitStatus"] == "2"
    assert int(service["TimeoutStopSec"].removesuffix("s")) > 30 + 15
    assert (service["DynamicUser"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "yes", "strict")


def instructions() -> list[tuple[str, str]]:
    """Return the Containerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_is_built_from_what_is_in_the_tree_and_pinned() -> None:
    """Every file that is copied exists; nothing comes from an index without its hash."""
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            missing = [one for one in rest.split()[:-1] if not (ROOT / one).exists()]
            assert missing == [], rest
        if name == "RUN" and "pip install" in rest:
            assert "--require-hashes" in rest or rest.endswith("--no-deps --no-build-isolation ."), rest
        if name == "FROM":
            assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+( AS \w+)?", rest), rest


def test_the_container_runs_without_root_and_is_asked_how_it_is() -> None:
    """The last user is a number that is not 0; the check asks /healthz; the worker is told to stop as it expects."""
    last = dict(instructions())
    assert int(last["USER"]) > 0
    assert "/healthz" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["ENTRYPOINT"] == '["cloudheal"]'
    assert not any("KEY" in rest.upper() and name in {"ENV", "ARG"} for name, rest in instructions())
