"""What the demo draws while it runs: how each server stands, the latest events with decisions, and runs with steps."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from cloudheal.demo.scenes import BEGIN, SCENES
from cloudheal.demo.texts import TEXTS
from cloudheal.demo.view import Picture, Standing, picture, shown
from cloudheal.playbooks.restart_stopped import RESTART_STOPPED
from cloudheal.record.lists import EventRow, RunRow
from cloudheal.testing import FakeCloud, Scene
from cloudheal.testing.stage import stage

WEB, PAY, SPOT = "i-bp1demoweb02", "ins-demopay1", "i-bp1demospot1"
STATE, PING = "Instance:StateChange", "cvm:ErrorEvent:PingUnreachable"
RECLAIM = "Instance:PreemptibleInstanceInterruption"
WORDS = {
    "en": ("working on it", "healed", "spot server taken back by the cloud", "does not answer"),
    "zh": ("处理中", "已自愈", "抢占式实例被云回收", "没有应答"),
}
AT = BEGIN + timedelta(minutes=20)


def event(resource: str, type_: str, status: str, *decisions: str) -> EventRow:
    """Return an event as the lists have it."""
    return EventRow(1, "k", AT, AT, type_, status, resource, "cn-hangzhou", "1", "queue", False, decisions)


def run(resource: str, state: str, waits_for: str = "") -> RunRow:
    """Return a run as the lists have it."""
    return RunRow("r", "inc", resource, "restart", "restart_stopped", "auto", state, 1, 1, "w", waits_for, None, None)


def drawn(now: Picture, language: str) -> list[str]:
    """Draw a picture on a wide terminal; returns its lines."""
    out = io.StringIO()
    Console(file=out, width=160, color_system=None).print(shown(now, AT, TEXTS[language]))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def line_of(lines: list[str], *words: str) -> str:
    """Return the one line that has all these words in it."""
    (found,) = [one for one in lines if all(word in one for word in words)]
    return found


@pytest.mark.parametrize("language", WORDS)
def test_an_event_with_its_decision_and_a_run_with_its_step_are_drawn(language: str) -> None:
    """In both languages: servers by their names, events in words, the reasons without the rule, the last step."""
    texts, (working, healed, reclaimed, silent) = TEXTS[language], WORDS[language]
    now = Picture(
        {WEB: Standing("working", "running", None, 2), SPOT: Standing("healed", "evacuated", 12.34, 7)},
        events=21,
        dead_letters=1,
        known=200,
        latest=[
            event(WEB, STATE, "Stopped", "restart-unexpected-stop: act"),
            event(SPOT, RECLAIM, "", "leave: shadow", "other: no_rule"),
            event(PAY, PING, "1", "restore: joined"),
        ],
        runs=[(run(WEB, "running"), "start 1: ok"), (run(PAY, "waiting", "underway"), "command: ...")],
    )
    lines = drawn(now, language)
    assert lines[0] == f"18:20:00 {texts['counts'].format(events=21, dead=1)}"
    assert working in line_of(lines, "web-02", "│ 2 │")
    assert all(word in line_of(lines, "spot-01", "12.3") for word in (healed, "evacuated", "7"))
    assert line_of(lines, "18:20:00", "web-02", "Stopped").endswith("Stopped │ act │")
    assert reclaimed in line_of(lines, "18:20:00", "spot-01", "shadow, no_rule")
    assert silent in line_of(lines, "18:20:00", "pay-01", "joined")
    assert "running" in line_of(lines, "web-02", "restart_stopped", "start 1: ok")
    assert "underway" in line_of(lines, "pay-01", "restart_stopped", "command: ...")
    assert {texts["table"], texts["events"], texts["runs"]} <= set(lines)


@pytest.mark.parametrize("language", TEXTS)
def test_before_anything_happened_every_scene_is_named(language: str) -> None:
    """A row for each server of the evening, with nothing said of it yet."""
    lines = drawn(Picture({}, 0, 0, 0), language)
    assert all(line_of(lines, scene.name) for scene in SCENES)


def test_what_is_only_kept_on_record_is_not_counted_as_an_act() -> None:
    """A start that fell back is one act; that it fell back is a note, and the last step is the start."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    cloud.falls_back(web, times=9)
    rule = {
        "name": "restart",
        "when": {"type": [STATE], "data": {"state": ["Stopped"]}},
        "resources": {"all": True},
        "desired": "on",
        "playbook": RESTART_STOPPED.name,
        "with": {"backoff": "1s"},
        "mode": "auto",
    }
    with stage() as database:
        Scene(cloud, rules=[rule], events=[cloud.power_off(web)]).play_on(database)
        now = picture(database)
    assert now.standings[WEB].steps == 3
    assert [step for _, step in now.runs] == ["start 3: ok"]
