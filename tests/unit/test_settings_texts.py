"""Errors of a settings file are Chinese where the file is for readers of Chinese, and lose nothing of what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudheal.cli.fault_texts import FAULTS
from cloudheal.cli.settings_texts import SENTENCES, in_chinese, wants_chinese
from cloudheal.errors import CloudhealError, SettingsError
from cloudheal.record.archive import ArchiveError
from cloudheal.record.sole import InUseError
from cloudheal.settings.loader import load_settings
from cloudheal.sources.webhook import NotListeningError
from tests.unit.test_settings import GOOD, written

RULE = """rules:
  - name: a
    when: {type: [x]}
    resources: {all: true}
    playbook: p
"""
WRONG = {
    "regions 写错": GOOD.replace("regions:", "regoins:"),
    "云写错": GOOD.replace("alibaba", "azure"),
    "时区": GOOD.replace("Asia/Shanghai", "Shanghai"),
    "数据库": f"{GOOD}database: mysql://x\n",
    "写了两次": f"{GOOD}timezone: UTC\n",
    "不是列表": f"{GOOD}rules: 3\n",
    "期限": f"{GOOD}poll: {{sweep: 5s}}\n",
    "时长": f"{GOOD}poll: {{sweep: soon}}\n",
    "保存": f"{GOOD}record: {{history: 1d}}\n",
    "重名": f"{GOOD}{RULE}{RULE.partition(chr(10))[2]}",
    "全部": f"{GOOD}{RULE.replace('{all: true}', '{all: true, ids: [i-1]}')}",
    "出口": f"{GOOD}outlets: [{{name: a, to: webhook, url: 'https://x'}}]\n",
    "数字": f"{GOOD}lease_seconds: 0\n",
    "空": "",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_in_chinese_at_its_place(tmp_path: Path, text: str) -> None:
    """Each line keeps file, line and field; what belongs into the file stays as it is written there."""
    with pytest.raises(SettingsError) as told:
        load_settings(written(tmp_path, text))
    plain, chinese = str(told.value), in_chinese(str(told.value))
    assert len(chinese.splitlines()) == len(plain.splitlines())
    for before, after in zip(plain.splitlines(), chinese.splitlines(), strict=True):
        assert re.search("[一-鿿]", after), after
        place = re.match(r"\s*(\S+:\d+: [\w.]+: )?", before)
        assert place is not None
        assert after.startswith(place[0])
        assert re.findall(r"did you mean (\w+)", before) == re.findall(r"是不是想写 (\w+)", after)


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    """In the other language it says more than nothing."""
    odd = "cloudheal.yaml:3: logs.0.format: something odd [settings.invalid]"
    assert in_chinese(odd) == odd


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            NotListeningError("cannot listen on 127.0.0.1:9893: Address already in use"),
            "无法监听 127.0.0.1:9893：Address already in use [listen.failed]",
        ),
        (
            InUseError(
                "c.db.lock: process 17 works on this database; SQLite admits one", what_to_do="Stop them first."
            ),
            "c.db.lock：进程 17 正在使用这个数据库；SQLite 只允许一个 [database.in_use]\n  请先停止它们。",
        ),
        (ArchiveError("b.zip exists"), "b.zip 已存在 [backup.failed]"),
    ],
    ids=["address", "database", "backup"],
)
def test_what_ends_a_command_is_told_in_chinese(problem: CloudhealError, told: str) -> None:
    """The code stays, and so do names, numbers and what the system said."""
    assert in_chinese(str(problem)) == told


@pytest.mark.parametrize(("form", "chinese"), [*SENTENCES, *FAULTS])
def test_a_translation_holds_what_the_sentence_holds(form: str, chinese: str) -> None:
    """Each captured part stands in the Chinese text, none more, and no form is so wide that it takes another's."""
    groups = re.compile(form).groups
    assert sorted({int(one) for one in re.findall(r"\{(\d)\}", chinese)}) == list(range(groups))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("language: zh\n", True), ("language: 'zh'\n", True), ("language: en\n", False), ("x: [\n", False)],
)
def test_the_file_says_for_whom_it_is_however_wrong_it_is(tmp_path: Path, text: str, *, wanted: bool) -> None:
    """Also when it is no YAML; a file that is not there is for nobody."""
    path = tmp_path / "other.yaml"
    path.write_text(f"{text}accounts: [\n", encoding="utf-8")
    assert wants_chinese(["check", "-c", str(path)]) is wanted
    assert wants_chinese(["check", "--config", str(tmp_path / "none.yaml")]) is False
