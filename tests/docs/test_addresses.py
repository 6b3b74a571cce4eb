"""The tree can be used anywhere: nothing in it tells where somebody's packages or folders are."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.conftest import ROOT

# Joined from pieces, or this file would accuse itself.
HOSTS = [
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmmirror", "com"))
]
FOLDERS = [f"/{name}/" for name in ("work", "root", "opt")]
#: Where the platforms for functions put a layer; no machine of ours.
LAYER = '(?!python["/])'
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), *(rf"(?<![\w.~-]){folder}{LAYER}" for folder in FOLDERS)]))


def tracked() -> list[str]:
    """Name every file that git tracks or is about to, or skip outside of a checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing to look through")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_index_or_a_folder_of_some_machine() -> None:
    """No tracked file holds the address of a package index or a path of the machine it was written on."""
    found = {
        name: match.group()
        for name in tracked()
        if (match := FORBIDDEN.search((ROOT / name).read_bytes().decode("utf-8", "replace")))
    }
    assert found == {}


@pytest.mark.parametrize("sample", [f"https://{HOSTS[0]}/simple", f"cd {FOLDERS[0]}main", f'"{FOLDERS[2]}wheels"'])
def test_an_address_would_be_noticed(sample: str) -> None:
    """The search finds what it is meant to find."""
    assert FORBIDDEN.search(sample)


def test_lock_of_the_node_packages_holds_no_addresses() -> None:
    """The lock file of the Node witnesses has hashes for every package and addresses for none."""
    lock = (ROOT / "tests" / "sim" / "node" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
