"""The package as it is built: with the engine in C where there is a compiler, without it and saying so where not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULE = "cloudheal/logs/_native.abi3.so"


def built(folder: Path, **environment: str) -> tuple[Path, str]:
    """Build the wheel from a copy of the sources; returns it, and what was said."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    (copy / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "run.txt", copy / "requirements")
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=copy,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, done.stderr


def test_without_a_compiler_the_wheel_is_pure_and_says_so(tmp_path: Path) -> None:
    """Nothing compiled is inside, not even what lay about in the sources, and the installer learns why."""
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    (tmp_path / "cc").chmod(0o755)
    wheel, said = built(tmp_path, CC=str(tmp_path / "cc"))
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "the engine for logs was not compiled" in said
    names = zipfile.ZipFile(wheel).namelist()
    assert "cloudheal/logs/engines.py" in names
    assert "cloudheal/requirements.txt" in names
    assert not [name for name in names if name.endswith((".so", ".c", ".h"))]


@pytest.mark.soak
def test_with_a_compiler_one_wheel_is_for_every_python(tmp_path: Path) -> None:
    """The module is inside, once, and the wheel says that it is of this platform and of the stable ABI."""
    if not shutil.which("cc"):
        pytest.skip("no compiler is installed")
    wheel, _ = built(tmp_path)
    assert "-cp311-abi3-linux" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith(".so")] == [MODULE]
