"""The fragments in `changes/` can become a changelog."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_fragments_become_a_changelog() -> None:
    """Every fragment is of a known type and none is lost on the way into the changelog."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0"]
    drafted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert drafted.returncode == 0, drafted.stderr
    drafted_words = "".join(drafted.stdout.split())
    fragments = {path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"}
    lost = {path.name for path in fragments if "".join(path.read_text("utf-8").split())[:60] not in drafted_words}
    assert lost == set()
