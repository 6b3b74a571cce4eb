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
        (GOOD.replace('"1000000000000001"', "1000000000000001"), r":5: accounts\.0\.id: .*; write it in quotes"),
        (GOOD.replace("alibaba", "azure"), r":4: accounts\.0\.cloud: Input should be 'alibaba'"),
        (GOOD.replace("Asia/Shanghai", "Shanghai"), r":7: timezone: .*no time zone 'Shanghai'"),
        (GOOD + "database: mysql://x\n", r":8: database: "),
        ("accounts: [", r"cloudheal\.yaml:\d+: not YAML"),
        ("", r":1: accounts: Field required"),
        (GOOD + "timezone: UTC\n", r":8: timezone: written twice here"),
        (GOOD + "rules:\n  - name: a\n    name: b\n", r":10: name: written twice here"),
        (GOOD.replace("regions:", "regoins:"), r":6: accounts\.0\.regoins: Extra inputs .*; did you mean regions\?"),
        (
            GOOD.replace("regions:", "endpoint: 127.0.0.1:8811\n    regions:"),
            r":6: accounts\.0\.endpoint: .*https\?://",
        ),
        ("- a\n", r":1: file: Input should be"),
    ],
)
def test_a_bad_file_is_told_by_line_field_and_expectation(tmp_path: Path, text: str, expected: str) -> None:
    """The error points at the line of the mistake, or of its parent when something is missing."""
    with pytest.raises(SettingsError, match=expected):
        load_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("wait_seconds", 31, "less than or equal to 30"),
        ("wait_seconds", -1, "greater than or equal to 0"),
        ("batch", 17, "less than or equal to 16"),
        ("batch", 0, "greater than or equal to 1"),
    ],
)
def test_a_queue_is_asked_within_what_the_service_allows(tmp_path: Path, field: str, value: int, limit: str) -> None:
    """A long poll of 0 to 30 s and batches up to 16; what is beyond them is told by its line."""

    def asking(number: int) -> Path:
        queue = f"    queue: {{endpoint: 'http://127.0.0.1:9', {field}: {number}}}\n"
        return written(tmp_path, GOOD.replace("timezone:", f"{queue}timezone:"))

    with pytest.raises(SettingsError, match=rf":\d+: accounts\.0\.queue\.{field}: .*{limit}"):
        load_settings(asking(value))
    for good in (0, 30) if field == "wait_seconds" else (1, 16):
        load_settings(asking(good))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """No file, no traceback: the path and the option are named."""
    with pytest.raises(SettingsError, match="-c FILE"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("acs:ram::1000000000000002:role/healer", "the role is of account 1000000000000002, and id: of this one is"),
        ("healer", r"expected a role such as acs:ram::1000000000000001:role/cloudheal, got 'healer'"),
        ("acs:ram::1000000000000001:user/healer", "expected a role such as"),
        ("acs:ram::1000000000000001:role/two words", "expected a role such as"),
        ("qcs::cam::uin/1000000000000001:roleName/healer", "expected a role such as acs:ram"),
    ],
)
def test_a_role_must_be_one_and_of_the_account(tmp_path: Path, role: str, expected: str) -> None:
    """What is no role, and a role whose calls would see another account's servers, are told by line and field."""
    with pytest.raises(SettingsError, match=r":\d+: accounts\.0\.role: .*" + expected):
        load_settings(written(tmp_path, GOOD.replace("timezone:", f"    role: {role}\ntimezone:")))


def test_a_role_of_the_account_is_taken(tmp_path: Path) -> None:
    """As the console shows it."""
    for text, role in (
        (GOOD, "acs:ram::1000000000000001:role/healer"),
        (GOOD.replace("alibaba", "tencent"), "qcs::cam::uin/1000000000000001:roleName/healer"),
    ):
        path = written(tmp_path, text.replace("timezone:", f"    role: {role}\ntimezone:"))
        (account,) = load_settings(path).accounts
        assert account.role == role


TENCENT = GOOD.replace("alibaba", "tencent").replace("cn-hangzhou", "ap-guangzhou").replace("timezone", "#")


def test_each_clouds_keys_stand_where_its_own_tools_look_for_them(tmp_path: Path) -> None:
    """Unless the file names other variables."""
    (account,) = load_settings(written(tmp_path, GOOD)).accounts
    usual = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
    assert account.key_variables == usual
    (account,) = load_settings(written(tmp_path, TENCENT)).accounts
    assert account.key_variables == ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_TOKEN")
    named = "    access_key_id_env: ID\n    access_key_secret_env: KEY\n    token_env: TOKEN\n"
    (account,) = load_settings(written(tmp_path, TENCENT.replace("#:", f"{named}#:"))).accounts
    assert account.key_variables == ("ID", "KEY", "TOKEN")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    audit_trail: true\n", r"accounts\.0\.audit_trail: .*Tencent Cloud has no such audit_trail"),
        ("    group_by: monitor_group\n", r"accounts\.0\.group_by: .*Tencent Cloud has no such group_by"),
        ("    queue: {endpoint: http://x}\n", r"accounts\.0\.queue: .*Tencent Cloud has no such queue"),
        ("    app_id: x\n", r"accounts\.0\.app_id: "),
    ],
)
def test_what_only_the_other_cloud_has_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    """A setting that would do nothing is a mistake of whoever wrote it."""
    with pytest.raises(SettingsError, match=expected):
        load_settings(written(tmp_path, TENCENT.replace("#:", f"{line}#:")))


def test_only_tencent_cloud_has_app_ids(tmp_path: Path) -> None:
    """An account's number is enough elsewhere."""
    with pytest.raises(SettingsError, match="only accounts of Tencent Cloud have an APPID"):
        load_settings(written(tmp_path, GOOD.replace("timezone", '    app_id: "1250000000"\ntimezone')))
