"""The compiled engine under sanitizers of addresses and undefined behaviour: hostile logs touch no byte not theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes whose engine was compiled with the sanitizers."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    source = tmp_path_factory.mktemp("sanitized")
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "hatch_build.py", source)
    flags = {"CC": "gcc", "CFLAGS": FLAGS, "LDFLAGS": FLAGS}
    subprocess.run([sys.executable, str(source / "hatch_build.py")], check=True, env=os.environ | flags, timeout=200)
    found = [
        subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return os.environ | {
        "LD_PRELOAD": ":".join(found),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "PYTHONPATH": f"{source / 'src'}{os.pathsep}{ROOT}",
        "PYTHONMALLOC": "malloc",
    }


def run(environment: dict[str, str], *command: str) -> str:
    """Run Python with the checked engine and return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_logs_dumps_and_plans_do_no_harm(checked: dict[str, str], seed: int) -> None:
    """A thousand rounds of damage: every line is accounted for, and no sanitizer has a word to say."""
    assert "1000 rounds" in run(checked, "tests.unit.log_fuzz", "1000", str(seed))


@pytest.mark.soak
def test_the_engine_passes_its_tests_under_the_sanitizers(checked: dict[str, str]) -> None:
    """Equality with the oracle, limits, dumps, threads: the same tests, every access checked."""
    said = run(
        checked, "pytest", "-p", "no:cacheprovider", "-q", "-k", "not fallback", "tests/unit/test_log_engines.py"
    )
    assert "passed" in said


def test_the_plan_is_made_of_what_the_sources_say(tmp_path: Path) -> None:
    """The order of operators and reasons in C is the one that Python writes."""
    header = (ROOT / "src" / "cloudheal" / "logs" / "native" / "core.h").read_text(encoding="utf-8")
    assert "enum { EQUAL, UNEQUAL, ABOVE, FROM, BELOW, UP_TO, CONTAINS, LACKS };" in header
    assert "enum { SHAPE, TIME, NUMBER, LONG, MINUTES, AHEAD, REASONS, GOOD = REASONS };" in header
