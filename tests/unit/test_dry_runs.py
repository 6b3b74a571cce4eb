"""A test message is recorded, with the rules that it is for, and nothing follows: no run, no state, no news."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.alibaba.samples import TEST_MARKS, content_of, named, usual_status
from cloudheal.model.event import Channel
from cloudheal.model.resource import ResourceId
from cloudheal.testing import FakeCloud, Scene, message

RULES: list[dict[str, Any]] = [
    {
        "name": "restart",
        "when": {"type": ["Instance:StateChange"], "status": ["Stopped"]},
        "resources": {"ids": ["i-web"]},
        "desired": "on",
        "playbook": "restart_stopped",
        "mode": "auto",
    },
    {
        "name": "reboot",
        "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
        "resources": {"all": True},
        "playbook": "reboot_in_window",
        "mode": "auto",
    },
]


def dry(cloud: FakeCloud, server: ResourceId, type_: str, status: str = "", token: str = "1") -> bytes:
    """Return a test message as `rules fire` sends it."""
    status = status or usual_status(type_)
    now = cloud.clock.now()
    content = {**content_of(type_, status, server.id, token, now), **TEST_MARKS}
    return message(server, named(type_, status), content, now, status)


@pytest.mark.parametrize(
    ("type_", "rule"),
    [
        ("Instance:StateChange", "restart"),
        ("Instance:PreemptibleInstanceInterruption", ""),
        ("Instance:SystemMaintenance.Reboot", "reboot"),
        ("Instance:SystemFailure.Reboot", ""),
    ],
)
def test_nothing_follows_from_a_test_message(type_: str, rule: str) -> None:
    """Whatever it says, and although the server really is down: a decision where a rule is for it, and no incident."""
    cloud = FakeCloud()
    web = cloud.server("i-web", state="Stopped")
    told = Scene(cloud, rules=RULES, events=[dry(cloud, web, type_)]).play()
    assert [(one.rule, one.reason) for one in told.decisions] == ([(rule, "dry_run")] if rule else [])
    assert (told.actions, told.verdicts, told.waits, told.notices) == ((), {}, {}, ())


def test_a_rule_that_does_not_select_the_server_says_so() -> None:
    """The test tells that, too."""
    cloud = FakeCloud()
    peer = cloud.server("i-peer")
    told = Scene(cloud, rules=RULES, events=[dry(cloud, peer, "Instance:StateChange")]).play()
    assert [(one.rule, one.reason) for one in told.decisions] == [("restart", "not_selected")]


def test_a_test_message_makes_no_real_event_old_or_known() -> None:
    """A real stop is healed as ever, also when tests said Stopped and Running in the same millisecond."""
    cloud = FakeCloud()
    web = cloud.server("i-web")
    tests = [dry(cloud, web, "Instance:StateChange", "Running"), dry(cloud, web, "Instance:StateChange", "Stopped")]
    stopped = cloud.power_off(web)
    told = Scene(cloud, rules=RULES, events=[*tests, stopped]).play()
    assert told.verdicts == {"i-web": "healed"}
    assert told.actions == ("start i-web",)


def test_a_test_message_wakes_and_ends_nothing() -> None:
    """A reboot waits for its slot; a test says that its event is over and the server runs: it is done all the same."""
    cloud = FakeCloud()
    web = cloud.server("i-web")
    announced = cloud.maintenance.announces(web, within=timedelta(hours=6))
    (event,) = cloud.maintenance.announced(web)
    content = {**content_of("Instance:SystemMaintenance.Reboot", "Canceled", web.id, "x", cloud.clock.now())}
    lie = {**content, "eventId": event, **TEST_MARKS}
    canceled = message(web, "Instance:SystemMaintenance.Reboot:Canceled", lie, cloud.clock.now(), "Canceled")
    running = dry(cloud, web, "Instance:StateChange", "Running")
    told = Scene(cloud, rules=RULES, events=[announced, canceled, running]).play()
    assert told.verdicts == {"i-web": "healed"}
    assert told.actions == ("reboot i-web",)


@pytest.mark.parametrize("type_", ["Instance:StateChange", "Instance:SystemMaintenance.Reboot"])
def test_a_test_message_is_itself_once(type_: str) -> None:
    """Delivered twice it is one event; sent again it is another; and it is never the event that it plays."""
    cloud = FakeCloud()
    web, now = cloud.server("i-web"), cloud.clock.now()

    def key(body: bytes) -> str:
        return event_of(body, now, Channel.QUEUE).key

    once = dry(cloud, web, type_)
    status = usual_status(type_)
    real = message(web, named(type_, status), content_of(type_, status, web.id, "1", now), now, status)
    cloud.clock.advance(timedelta(milliseconds=1))
    assert key(once) == key(once)
    assert key(once) != key(dry(cloud, web, type_))
    assert key(once) != key(real)
