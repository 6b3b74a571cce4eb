"""A settings file is read strictly, and every finding names its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudheal.errors import SettingsError
from cloudheal.settings import load_settings

GOOD = """
accounts:
  - name: prod
    cloud: alibaba
    id: "1000000000000001"
    regions: [cn-hangzhou]
timezone: Asia/Shanghai
"""


def written(folder: Path, text: str) -> Path:
    """Write a settings file."""
    path = folder / "cloudheal.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_file_gets_safe_defaults(tmp_path: Path) -> None:
    """One account is enough; the database is a local file and times are shown in the operator's zone."""
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.database == "sqlite:///cloudheal.db"
    assert settings.timezone == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("regions:", "region:"), r":3: accounts\.0\.regions: Field required"),
        (GOOD.replace("regions:", "region:"), r":6: accounts\.0\.region: Extra inputs"),
        (GOOD.replace("alibaba", "azure"), r":4: accounts\.0\.cloud: Input should be 'alibaba'"),
        (GOOD.replace("Asia/Shanghai", "Shanghai"), r":7: timezone: .*no time zone 'Shanghai'"),
        (GOOD + "database: mysql://x\n", r":8: database: "),
        ("accounts: [", r"cloudheal\.yaml:\d+: not YAML"),
        ("", r":1: accounts: Field required"),
        ("- a\n", r":1: file: Input should be"),
    ],
)
def test_a_bad_file_is_told_by_line_field_and_expectation(tmp_path: Path, text: str, expected: str) -> None:
    """The error points at the line of the mistake, or of its parent when something is missing."""
    with pytest.raises(SettingsError, match=expected):
        load_settings(written(tmp_path, text))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """No file, no traceback: the path and the option are named."""
    with pytest.raises(SettingsError, match="-c FILE"):
        load_settings(tmp_path / "none.yaml")
