"""What the further statuses of planned maintenance do to its incident: they join it, wake it, and end it where idle."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from cloudheal.act.playbook import Refusal
from cloudheal.extend import Case, End, Hands, Healed, Playbook
from cloudheal.model.decision import Reason
from cloudheal.testing import FakeCloud, Scene, Told, message

ID = "e-plan"
RULE: dict[str, Any] = {
    "name": "answer",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
    "resources": {"all": True},
    "playbook": "answer_maintenance",
    "mode": "auto",
}


class Nothing(BaseModel):
    """No parameters."""


def answer(case: Case, hands: Hands) -> End | Refusal:
    """Look until the event is over, an hour at a time; whoever is woken looks earlier."""
    seen = hands.read("look", lambda: {"server": len(case.compute.servers(case.resource.region, [case.resource.id]))})
    event = hands.read("event", lambda: {"at": case.now().isoformat()})
    if case.occurred.isoformat() < event.value["at"][:16]:
        return End(Healed.HEALED, "seen", {"servers": str(seen.value["server"]), "at": event.value["at"]})
    return Refusal(Reason.UNDERWAY, after=timedelta(hours=1))


PLAYBOOK = Playbook("answer_maintenance", ("maintenance",), Nothing, ("servers",), reversible=True, run=answer)


def scene(*statuses: str, event: str = ID, **rule: Any) -> Scene:
    """Return a scene in which an event takes these statuses, a minute apart."""
    cloud = FakeCloud()
    web = cloud.server("i-web")

    def told(status: str) -> Callable[[], bytes]:
        content = {"eventId": event, "instanceId": web.id, "eventStatus": status}
        return lambda: message(web, f"Instance:SystemMaintenance.Reboot:{status}", content, cloud.clock.now(), status)

    made = Scene(cloud, rules=[RULE | rule], playbooks=[PLAYBOOK], events=[told(statuses[0])()])
    for number, status in enumerate(statuses[1:], 1):
        made.later(timedelta(minutes=number), told(status))
    return made


def reasons(told: Told) -> list[tuple[str, str]]:
    """Return what was decided about each status."""
    return [(one.status, one.reason) for one in told.decisions]


@pytest.mark.parametrize(
    ("status", "verdict", "code"),
    [
        ("Avoided", "not needed", "event_avoided"),
        ("Canceled", "not needed", "event_canceled"),
        ("Executed", "not needed", "event_executed"),
        ("Failed", "not healed", "event_failed"),
    ],
)
def test_the_end_of_the_event_ends_what_only_waited(status: str, verdict: str, code: str) -> None:
    """A person was asked and nobody answered: the question has become pointless, and its incident ends by the event."""
    told = scene("Scheduled", status, mode="ask").play()
    assert reasons(told) == [("Scheduled", "ask"), (status, "joined")]
    assert (told.verdicts["i-web"], told.evidence["i-web"]["code"]) == (verdict, code)
    assert told.evidence["i-web"]["event"].endswith(f"|{ID}|{status}")
    assert told.actions == ()


def test_a_status_on_the_way_joins_and_ends_nothing() -> None:
    """Inquiring, then Scheduled, then Executing: one incident, which goes on."""
    told = scene("Inquiring", "Scheduled", "Executing", mode="ask").play()
    assert reasons(told) == [("Inquiring", "ask"), ("Scheduled", "joined"), ("Executing", "joined")]
    assert told.verdicts == {"i-web": ""}


def test_a_run_at_work_is_woken_and_sees_for_itself() -> None:
    """It waits for an hour after something that it began; the event's end lets it look at once, and does not end it."""
    told = scene("Scheduled", "Avoided").play()
    assert (told.verdicts["i-web"], told.evidence["i-web"]["code"]) == ("healed", "seen")
    assert told.evidence["i-web"]["at"].startswith("2026-03-02T03:01")
    assert ("Avoided", "joined") in reasons(told)


def test_an_end_that_overtook_its_beginning_opens_nothing() -> None:
    """The late message about the plan is older than what is known, whatever the clocks say."""
    told = scene("Canceled", "Scheduled").play()
    assert reasons(told) == [("Scheduled", "stale")]
    assert told.verdicts == {}


def test_two_events_of_one_type_on_one_server_are_two_troubles() -> None:
    """The second one makes the first neither old nor a duplicate."""
    cloud = FakeCloud()
    web = cloud.server("i-web")
    bodies = []
    for event, minutes in (("e-1", 5), ("e-2", 0)):
        content = {"eventId": event, "instanceId": web.id, "eventStatus": "Scheduled"}
        at = cloud.clock.now() - timedelta(minutes=minutes)
        bodies.append(message(web, "Instance:SystemMaintenance.Reboot:Scheduled", content, at))
    assert len({json.loads(one)["content"]["eventId"] for one in bodies}) == 2
    told = Scene(cloud, rules=[RULE | {"mode": "ask"}], playbooks=[PLAYBOOK], events=bodies[::-1]).play()
    assert reasons(told) == [("Scheduled", "ask"), ("Scheduled", "ask")]
