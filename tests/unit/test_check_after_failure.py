"""`check_after_failure` told as scenes: what it makes of a server that failed, and that it never changes anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cloudheal.testing import FakeCloud, Scene, Told, assert_replays

RULE: dict[str, Any] = {
    "name": "after-failures",
    "when": {"type": [{"prefix": "Instance:SystemFailure."}, "Instance:InstanceFailure.Reboot"]},
    "resources": {"all": True},
    "playbook": "check_after_failure",
    "mode": "auto",
}
NEVER = timedelta(days=30)


def failure(
    change: Callable[[FakeCloud], object] = lambda _: None,
    *,
    type_: str = "SystemFailure.Reboot",
    down: timedelta = timedelta(minutes=2),
    told_of_the_end: bool = True,
    **rule: Any,
) -> Scene:
    """Return a scene in which the host of a server fails."""
    cloud = FakeCloud()
    web = cloud.server("i-web")
    first = cloud.maintenance.fails(web, type_, down=down)
    change(cloud)
    scene = Scene(cloud, rules=[RULE | rule], events=[first])
    (event,) = cloud.maintenance.announced(web)
    if told_of_the_end:
        scene.later(down + timedelta(seconds=1), lambda: cloud.maintenance.bulletin(event))
    return scene


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts["i-web"], told.evidence["i-web"].get("code", "")


@pytest.mark.parametrize("type_", ["SystemFailure.Reboot", "InstanceFailure.Reboot"])
@pytest.mark.parametrize("told_of_the_end", [True, False])
def test_a_server_is_seen_through_its_failure(type_: str, *, told_of_the_end: bool) -> None:
    """Up again and the event over: healed, people are told, nothing was changed; the second message joins."""
    told = failure(type_=type_, told_of_the_end=told_of_the_end).play()
    assert ended(told) == ("healed", "running")
    assert told.actions == ()
    assert told.notices == ("failure.survived",)
    assert told.evidence["i-web"]["event"] == "Executed"
    assert told.evidence["i-web"]["health"] == "Ok"
    assert {one.reason for one in told.decisions} <= {"act", "underway", "joined"}


def test_a_server_that_runs_while_the_event_goes_on_proves_nothing() -> None:
    """It may be the one from before its restart; when that lasts for too long a person is told."""

    def still_up(cloud: FakeCloud) -> None:
        cloud._change("i-web", state="Running")  # noqa: SLF001 - the host has failed, and the cloud has not noticed

    told = failure(still_up, down=NEVER, told_of_the_end=False).play()
    assert ended(told) == ("unknown", "event_not_over")
    assert told.reasons[-1] != "act"


def test_a_server_that_stays_down_is_told_and_not_started() -> None:
    """Not up in time: not healed, with what was seen."""
    told = failure(lambda cloud: cloud._change("i-web", state="Stopped"), down=NEVER).play()  # noqa: SLF001
    assert ended(told) == ("not healed", "not_running")
    assert told.actions == ()
    assert told.notices == ("incident.not_healed",)


def test_an_unhealthy_server_is_not_up() -> None:
    """Running and Impaired is not well; it is given its time, and told."""
    told = failure(lambda cloud: cloud.maintenance.is_unwell(cloud.id_of("i-web"), "Impaired")).play()
    assert ended(told) == ("not healed", "unhealthy")


@pytest.mark.parametrize(
    ("type_", "end"), [("SystemFailure.Reboot", "not needed"), ("SystemFailure.Delete", "not healed")]
)
def test_a_server_that_is_gone_matters_where_its_cloud_rolled_it_back(type_: str, end: str) -> None:
    """Somebody released it: nothing is left to see to. The cloud gave up creating it: it has to be ordered again."""
    told = failure(lambda cloud: cloud.release(cloud.id_of("i-web")), type_=type_, down=NEVER).play()
    assert ended(told) == (end, "gone")


def test_a_cloud_that_does_not_answer_is_no_proof_of_anything() -> None:
    """The look is refused for good: a person is asked, and nothing is announced as well."""
    told = failure(lambda cloud: cloud.refuses("system_events", "Forbidden.RAM", times=9)).play()
    assert told.waits == {"i-web": "unknown_state"}
    assert told.verdicts == {"i-web": ""}


def test_a_cloud_that_stumbles_when_its_host_fails_is_asked_again() -> None:
    """Its calls are lost for a while: nobody is asked about that, and the server is seen through in the end."""
    told = failure(lambda cloud: cloud.loses_the_call("system_events", times=12)).play()
    assert ended(told) == ("healed", "running")
    assert "unknown_state" not in told.reasons
    lasting = failure(lambda cloud: cloud.loses_the_call("system_events", times=9999)).play()
    assert lasting.waits == {"i-web": "unknown_state"}


def test_the_end_of_the_event_answers_a_question_about_what_could_not_be_seen() -> None:
    """A person was asked because the look was refused; the message about the end lets it look, and it ends."""
    told = failure(lambda cloud: cloud.refuses("system_events", "Forbidden.RAM", times=1)).play()
    assert ended(told) == ("healed", "running")
    assert told.reasons.count("unknown_state") == 1


def test_health_that_cannot_be_read_is_no_objection() -> None:
    """It adds to the state and is not worth an incident of its own."""
    told = failure(lambda cloud: cloud.refuses("health", "Forbidden.RAM", times=99)).play()
    assert ended(told) == ("healed", "running")


def test_a_second_failure_is_a_second_trouble() -> None:
    """Another event id is another incident, also of the same type on the same server."""
    cloud = FakeCloud()
    web = cloud.server("i-web")
    scene = Scene(cloud, rules=[RULE], events=[cloud.maintenance.fails(web)])
    scene.later(timedelta(minutes=10), lambda: cloud.maintenance.fails(web, "SystemFailure.Reboot"))
    told = scene.play()
    assert [one.reason for one in told.decisions if one.reason == "act"] == ["act", "act"]
    assert told.notices == ("failure.survived", "failure.survived")


def test_a_crash_at_any_step_ends_the_same() -> None:
    """Killed before or after any step, another process comes to the same end."""
    assert_replays(failure)
