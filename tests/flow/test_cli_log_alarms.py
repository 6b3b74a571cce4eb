"""What an operator types about alarms on logs, beside what a worker has evaluated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cloudheal.app.log_alarms import alarms_of, guarded_of
from cloudheal.pipeline.log_alarms import LogAlarms
from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate
from cloudheal.settings.loader import load_settings
from tests.contract.log_site import Site
from tests.flow.operators import Operator

LOG: dict[str, Any] = {
    "name": "web",
    "files": ["access.log"],
    "format": "combined",
    "metrics": [{"name": "requests", "by": ["url"], "measures": ["count() as rt"]}],
    "alarms": [
        {"name": "busy", "metric": "requests", "value": "rt", "levels": {"warn": {"over": 20, "times": 2}}},
        {
            "name": "more",
            "metric": "requests",
            "value": "rt",
            "levels": {"info": {"up": 50, "than": "yesterday", "times": 1}},
            "series": {"url": ["/pay"]},
        },
    ],
}


LINE = '192.0.2.1 - - [02/Mar/2026:09:{:02}:01 +0000] "GET {} HTTP/1.1" 200 168 "-" "Wget/1.11.4"\n'


@pytest.fixture
def site(at_hand: Operator) -> Site:
    """An operator's site of which three minutes were evaluated: one URL is busy, the other is nearly."""
    at_hand.settings(logs=[LOG])
    settings = load_settings(at_hand.folder / "cloudheal.yaml")
    database = open_database(settings.database)
    migrate(database)
    site = Site(database)
    site.alarms = with_alarms(site, settings)
    for pay, buy in ((30, 10), (30, 10), (30, 30)):
        site.minutes({("/pay",): pay, ("/buy\n\x1b[2J",): buy})
    return site


def with_alarms(site: Site, settings: Any) -> LogAlarms:
    """Return the evaluation of a settings file's alarms."""
    return site.worker("w", *(one.alarm for one in guarded_of(settings)), subject=guarded_of(settings)[0].subject)


def test_alarms_are_listed_with_what_keeps_them_from_firing(site: Site, at_hand: Operator) -> None:
    """What fires by itself, everything with --all, every series as JSON; names out of logs drive no terminal."""
    told = at_hand.done("logs", "alarms")
    assert "busy" in told
    assert "/buy" not in told
    assert "30.0" not in told
    everything = at_hand.done("logs", "alarms", "--all")
    assert "not enough periods" in everything
    assert "\x1b" not in everything
    rows = {(one["alarm"], one["series"]): one for one in at_hand.json("logs", "alarms")}
    busy = rows["busy", 'url="/pay"']
    assert (busy["level"], busy["why"], busy["value"], busy["fired"]) == ("warn", "fires", 30.0, 1)
    assert rows["busy", 'url="/buy\\u000a\\u001b[2J"']["why"] == "not_enough_periods"
    assert rows["more", 'url="/pay"']["why"] == "no_reference"
    assert ("more", 'url="/buy\\u000a\\u001b[2J"') not in rows


def test_explain_says_why_an_alarm_fires_and_why_it_does_not(site: Site, at_hand: Operator) -> None:
    """With the numbers, for each series and level, and until when people are not told again; in both languages."""
    told = at_hand.done("explain", "busy")
    assert "  info: 50 % or more above yesterday, in one period" in at_hand.done("explain", "more")
    assert "warn fires: over 20 in 2 of the last 2 periods" in told
    assert "not enough periods: over 20 in 1 of the last 2 periods, 2 are needed" in told
    assert "Muted until" in told
    site.minutes({("/pay",): 10})
    assert "the value is good: 10 is not over 20" in at_hand.done("explain", "busy")
    assert "nothing to compare with: yesterday has no data or is 0" in at_hand.done("explain", "more")
    site.clock.advance(timedelta(minutes=1))
    site.alarms.tick()
    assert "no data: there was none in the last period" in at_hand.done("explain", "busy")
    at_hand.settings(logs=[LOG], language="zh")
    assert "没有数据" in at_hand.done("explain", "busy")
    assert "  info：比昨天高 50 % 或以上，一个周期即可" in at_hand.done("explain", "more")
    assert "Alarm too-many-series.web of log web watches series_left_out" not in at_hand.done("explain", "busy")


def test_the_event_of_an_alarm_is_explained_by_what_it_says(site: Site, at_hand: Operator) -> None:
    """Alarm, series, value and level, quoted; a log is in no region, and nothing is said to be in one."""
    told = at_hand.done("explain", site.events[0].key)
    assert 'Alarm busy of log web url="/pay": rt was 30, and the level went from ok to warn.' in told
    assert "log web of account" in told
    site.alarms = site.worker("w")
    site.alarms.tick()
    ended = at_hand.done("explain", site.events[-1].key)
    assert "Alarm busy of log web was at level warn and is not defined so any more." in ended
    at_hand.settings(logs=[LOG], language="zh")
    assert '报警 busy（日志 web） url="/pay"：rt 为 30，级别由 ok 变为 warn。' in at_hand.done(
        "explain", site.events[0].key
    )


def test_whoever_sees_to_an_alarm_is_named(site: Site, at_hand: Operator) -> None:
    """In the list and in the explanation; of an alarm that does not fire nothing is acknowledged."""
    assert "series that fire: 1" in at_hand.done("logs", "acknowledge", "busy")
    assert {one["seen_to"] for one in at_hand.json("logs", "alarms", "busy")} != {"-"}
    assert "Acknowledged by" in at_hand.done("explain", "busy")
    nothing = at_hand("logs", "acknowledge", "more")
    assert (nothing.returncode, "there is nothing to acknowledge" in nothing.stdout) == (1, True)
    assert site.lines("busy")


def test_a_rehearsal_says_what_alarms_would_have_made_of_the_files(at_hand: Operator) -> None:
    """When each would have begun to fire and recovered, and what people would have been told; the cap of series too."""
    metric = {**LOG["metrics"][0], "most": 2}
    at_hand.settings(logs=[{**LOG, "metrics": [metric], "urls": {"field": "url"}}])
    lines = [
        LINE.format(minute, url) for minute, count in ((0, 5), (1, 30), (2, 30), (3, 5)) for url in ["/pay"] * count
    ]
    lines += [LINE.format(1, f"/other{number}") for number in range(3)]
    (at_hand.folder / "access.log").write_text("".join(lines))
    rows = at_hand.json("logs", "rehearse", "web")
    assert [(one["alarm"], one["before"], one["level"], one["at"][11:16], one["told"]) for one in rows] == [
        ("too-many-series.web", "ok", "warn", "17:02", True),
        ("busy", "ok", "warn", "17:03", True),
        ("too-many-series.web", "warn", "ok", "17:03", True),
        ("busy", "warn", "ok", "17:04", True),
    ]
    told = at_hand.done("logs", "rehearse", "web", "access.log")
    assert "73 of 73 lines were counted, in 4 minutes." in told
    assert "Times that one would have begun to fire: 2; messages: 4." in told
    several = {"metrics": [{**metric, "minutes": [1, 5]}], "alarms": [{**LOG["alarms"][0], "minutes": 5}]}
    several["alarms"][0]["levels"] = {"warn": {"over": 69, "times": 1}}
    at_hand.settings(logs=[{**LOG, **several, "urls": {"field": "url"}}])
    assert [one["value"] for one in at_hand.json("logs", "rehearse", "web") if one["alarm"] == "busy"] == [70.0]
    assert "No log is called wev" in at_hand("logs", "rehearse", "wev").stdout


def test_what_an_alarm_compares_with_must_be_kept(at_hand: Operator) -> None:
    """Minutes that are added up before a week has passed cannot be compared with."""
    weekly = {**LOG["alarms"][1], "levels": {"info": {"up": 50, "than": "last_week", "times": 1}}}
    at_hand.settings(logs=[{**LOG, "alarms": [weekly]}], record={"series": {"minutes": "3d"}})
    failed = at_hand("logs", "alarms")
    assert (failed.returncode, "more compares with 8d ago" in failed.stderr) == (2, True)


def test_an_alarm_that_was_changed_is_explained_as_not_evaluated(site: Site, at_hand: Operator) -> None:
    """What stands there was made by another threshold."""
    changed = {**LOG["alarms"][0], "levels": {"warn": {"over": 40}}, "hours": [{"from": "00:00", "lasts": "1m"}]}
    at_hand.settings(logs=[{**LOG, "alarms": [changed]}])
    told = at_hand.done("explain", "busy")
    assert "has not been evaluated yet" in told
    assert "outside its hours" in told
    assert "not evaluated yet" in at_hand.done("logs", "alarms", "--all")


def test_hours_and_yesterday_are_those_of_the_operator(site: Site, at_hand: Operator) -> None:
    """Nine o'clock is nine in the zone of the settings, and a day ends there when it is told against yesterday."""
    hours = {**LOG["alarms"][0], "hours": [{"from": "09:00", "lasts": "1h"}]}
    at_hand.settings(logs=[{**LOG, "alarms": [hours]}])
    settings = load_settings(at_hand.folder / "cloudheal.yaml")
    watched = guarded_of(settings)[0].alarm
    moments = ("2026-03-02T09:30:00+08:00", "2026-03-02T09:30:00+00:00")
    assert [watched.is_in_hours(datetime.fromisoformat(at)) for at in moments] == [True, False]
    evaluated = alarms_of(settings, site.database, site.intake, "w", site.clock)
    assert str(evaluated.zone) == "Asia/Shanghai"


def test_an_alarm_that_does_not_exist_is_told_with_those_that_do(site: Site, at_hand: Operator) -> None:
    """A misspelt name is not taken for settings without alarms, nor for an alarm that does not fire."""
    assert site.lines("busy")
    for words in (("logs", "alarms", "bussy"), ("logs", "acknowledge", "bussy")):
        done = at_hand(*words)
        told = "No alarm on a log is called bussy; there are busy, more, too-many-series.web."
        assert (done.returncode, told in done.stdout) == (1, True), words
    assert "cloudheal logs alarms --all" in at_hand("explain", "bussy").stdout


def test_a_lesser_level_that_is_reached_too_is_not_said_to_want_periods(site: Site, at_hand: Operator) -> None:
    """It has all the periods that it needs; which level counts is said, and which ones people were told of."""
    levels = {"critical": {"over": 20, "times": 3}, "warn": {"over": 10, "times": 2, "of": 3}}
    at_hand.settings(logs=[{**LOG, "alarms": [{**LOG["alarms"][0], "levels": levels}]}])
    site.alarms = with_alarms(site, load_settings(at_hand.folder / "cloudheal.yaml"))
    for _ in range(3):
        site.minutes({("/pay",): 30})
    told = at_hand.done("explain", "busy")
    assert "critical fires: over 20 in 3 of the last 3 periods" in told
    assert "warn is reached as well: over 10 in 3 of the last 3 periods; critical is graver and counts." in told
    assert "not enough periods" not in told
    assert "People were told of warn, critical, first at" in told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"metric": "request"}, "alarms.0.metric: busy: no metric is called request; did you mean requests?"),
        ({"value": "qps"}, "alarms.0.value: busy: requests has no value qps; there are rt"),
        ({"series": {"uri": ["/x"]}}, "alarms.0.series: busy: requests is not grouped by uri"),
        ({"name": "more"}, "two alarms are named more"),
        ({"mute": "5s"}, "expected 1m or more, got 5s"),
        ({"minutes": 5}, "requests has windows of 1 min and none of 5: add it to `minutes`"),
    ],
)
def test_an_alarm_that_can_watch_nothing_is_refused(at_hand: Operator, change: dict[str, Any], problem: str) -> None:
    """With what was probably meant, before anything runs."""
    broken = {**LOG["alarms"][0], **change}
    at_hand.settings(logs=[{**LOG, "alarms": [broken, LOG["alarms"][1]]}])
    failed = at_hand("logs", "alarms")
    assert failed.returncode == 2
    assert problem in failed.stderr
