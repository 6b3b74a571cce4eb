"""What a drill came to can be read by people, by build servers and by programs, also when it went wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from cloudheal.cli.drill_page import page
from cloudheal.cli.show import Show
from cloudheal.cli.texts import TEXTS
from cloudheal.drills.junit import junit_of
from cloudheal.drills.outcome import DrillReport, Note, Result, Scope, StepResult, Why

BEGAN = datetime(2026, 3, 6, 10, 0, tzinfo=UTC)
EVIL = '<script>alert("1")</script>\x1b[31m\x00'


def step(number: int, title: str, result: Result, **more: object) -> StepResult:
    """Return one step."""
    return replace(StepResult(number, title, title.split(maxsplit=1)[0], result, BEGAN), **more)  # type: ignore[arg-type]


REPORT = DrillReport(
    drill="drill-1",
    scenario="mine",
    description="What it shows.",
    scope=Scope(
        account="alibaba/1",
        region="cn-hangzhou",
        servers=("i-a", "i-b"),
        rules=("reboot (reboot_in_window, auto)",),
        real=False,
        calls=1,
        scheduled=7,
        notes=(Note("held", {"scope": "i-a", "who": "kim", "reason": "surgery"}), Note("draining")),
    ),
    began=BEGAN,
    ended=BEGAN + timedelta(minutes=3),
    steps=(
        step(1, "announce", Result.DONE, seen=("2 events",)),
        step(
            2,
            "event",
            Result.PASS,
            latency=timedelta(seconds=1.25),
            limit=timedelta(minutes=2),
            seen=("handle at 2026-03-06T18:30+00:00",),
        ),
        step(3, "run", Result.FAIL, missing=("i-b",), seen=(EVIL,), why=Why.LATE),
        step(4, "verdict", Result.SKIPPED, why=Why.NOT_COME_TO),
    ),
    cancelled=2,
)


def test_a_build_server_reads_each_step_as_a_test() -> None:
    """Failures name who was missed and what there was instead; what was not come to is skipped; time is told."""
    suite = ET.fromstring(junit_of(REPORT, "{}!".format)).find("testsuite")
    assert suite is not None
    told = {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped", "time", "timestamp")}
    assert told == {
        "name": "mine",
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "180.000",
        "timestamp": "2026-03-06T10:00:00",
    }
    cases = suite.findall("testcase")
    assert [one.get("name") for one in cases] == ["01 announce", "02 event", "03 run", "04 verdict"]
    assert cases[1].get("time") == "1.250"
    failure = cases[2].find("failure")
    assert failure is not None
    assert failure.get("message") == "late!"
    assert "missing for: i-b" in str(failure.text)
    assert '<script>alert("1")</script>' in str(failure.text)
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["actions"] == "dry"
    assert properties["servers"] == "i-a, i-b"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"problem": "stopped by a person"}, "the drill"),
        ({"left": ("e-1",)}, "nothing is left behind"),
    ],
)
def test_no_build_is_green_about_a_drill_that_broke_off_or_left_something(
    broken: dict[str, object], named: str
) -> None:
    """It is an error of its own, though every step that was come to passed."""
    passed = replace(REPORT, steps=REPORT.steps[:2])
    assert passed.passed
    report = replace(passed, **broken)  # type: ignore[arg-type]
    assert not report.passed
    suite = ET.fromstring(junit_of(report)).find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "1"
    assert suite.findall("testcase")[-1].get("name") == named


class Reader(HTMLParser):
    """Reads a page as a browser would: which tags there are, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its addresses."""
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("failed", "FAIL", "not within its limit", "not come to", "i-a is held by kim: surgery")),
        ("zh", ("失败", "没有在时限内发生", "未进行到", "kim 保留了 i-a：surgery")),
    ],
)
def test_the_page_needs_no_network_and_no_trust(language: str, words: tuple[str, ...]) -> None:
    """Verdict, steps, scope and bars are on one page; names from messages are text there, never markup."""
    made = page(REPORT, Show(language, ZoneInfo("Asia/Shanghai")), ZoneInfo("Asia/Shanghai"))
    reader = Reader()
    reader.feed(made)
    assert reader.loads == []
    assert "script" not in reader.tags
    assert {"table", "svg", "h1"} <= set(reader.tags)
    text = " ".join(reader.words)
    for wanted in (*words, "i-b", "reboot (reboot_in_window, auto)", "1 / 3", "18:00", "handle at 2026-03-07 02:30"):
        assert wanted in text, wanted
    assert f'lang="{language}"' in made


@pytest.mark.parametrize("reason", Why)
def test_every_reason_has_words_in_both_languages(reason: Why) -> None:
    """No report shows a code where people expect a sentence."""
    assert f"drill.why.{reason}" in TEXTS["en"]
