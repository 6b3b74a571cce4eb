"""`repair_task_in_window` told as scenes: one authorisation of a task that waits, and what may come in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudheal.clouds.tencent.policy import document_of
from cloudheal.clouds.tencent.system_events import consent_of
from cloudheal.model.control import Answer
from cloudheal.model.system_event import Consent
from cloudheal.playbooks.repair_task_in_window import REPAIR_TASK_IN_WINDOW
from cloudheal.ports.account import Duties
from cloudheal.ports.cloud import Member
from cloudheal.settings.accounts import AccountSettings
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays

#: The playbook without its slot: when it begins is the planner's business.
AT_ONCE = replace(REPAIR_TASK_IN_WINDOW, name="repair_at_once", planned=False)
WEB, PEER, TASK = "ins-web00001", "ins-web00002", "rep-ins-web00001-1"
AUTHORISED = f"authorise {TASK}"
MINUTE = timedelta(minutes=1)
Change = Callable[[FakeCloud], object]
BEFORE = [(WEB, 8080, 30), (WEB, 9090, 0), (PEER, 8080, 55)]


def planned(
    change: Change = lambda _: None,
    *,
    playbook: str = "repair_at_once",
    mode: str = "auto",
    consent: Consent = Consent.OPEN,
    **parameters: Any,
) -> Scene:
    """Return a scene in which the cloud plans to repair a server that is behind a balancer."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    cloud.server(PEER)
    cloud.group("lb-1", "lbl-1", Member(WEB, 8080, 30), Member(WEB, 9090, 0), Member(PEER, 8080, 55))
    told = cloud.maintenance.plans_repair(web, consent=consent)
    change(cloud)
    rule = {
        "name": "repairs",
        "when": {"type": ["cvm:ErrorEvent:InstanceRunningRisks"]},
        "resources": {"all": True},
        "playbook": playbook,
        "with": parameters,
        "mode": mode,
        "limits": {"cool_down": "1s"},
    }
    return Scene(cloud, rules=[rule], playbooks=[AT_ONCE], events=[told])


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


def weights(scene: Scene) -> list[tuple[str, int, int]]:
    """Return who is in the group, with port and weight."""
    (members,) = scene.cloud.balancers.groups.values()
    return [(one.server, one.port, one.weight) for one in members]


def verbs_of(told: Told) -> list[str]:
    """Return the calls that changed something, without their targets."""
    return [one.split()[0] for one in told.actions]


def test_a_task_that_waits_is_authorised_once_and_the_server_is_back_as_it_was() -> None:
    """Drained, authorised, repaired, Running with its agent, and the weights are the old ones."""
    scene = planned()
    told = scene.play()
    assert ended(told) == ("healed", "repaired")
    assert verbs_of(told) == ["set_weights", "authorise", "set_weights"]
    assert weights(scene) == BEFORE
    seen = told.evidence[WEB]
    assert (seen["event"], seen["state"], seen["agent"]) == ("Executed", "Running", "online")
    assert seen["request_id"]
    assert seen["put_back"] == seen["taken_out"]


def test_it_is_done_in_the_slot_that_the_planner_chooses() -> None:
    """The same playbook as it comes with cloudheal: planned first, authorised before the platform would begin."""
    scene = planned(playbook="repair_task_in_window")
    begun = scene.cloud.clock.now()
    told = scene.play()
    assert (ended(told), told.reasons[0]) == (("healed", "repaired"), "plan")
    assert scene.cloud.clock.now() < begun + timedelta(hours=48)


@pytest.mark.parametrize("consent", [Consent.LOSSY, Consent.UNCLEAR, Consent.GIVEN, Consent.NONE])
def test_what_it_does_not_authorise_is_asked_about_with_the_reason(consent: Consent) -> None:
    """Nothing is touched, the evidence is kept, and a person is asked."""
    told = planned(consent=consent).play()
    assert told.actions == ()
    assert "evidence: kept" in told.steps
    assert "ask" in told.reasons
    assert "approval.asked" in told.notices


@pytest.mark.parametrize("mode", ["auto", "ask"])
def test_an_approval_never_authorises_what_may_lose_data(mode: str) -> None:
    """Somebody dealt with it; the end of the task is waited for and told. A slot's approval is no answer to that."""
    scene = planned(consent=Consent.LOSSY, mode=mode).answering(Answer.APPROVED)
    scene.later(30 * MINUTE, lambda: scene.cloud.maintenance.moves(TASK, "Executed"))
    told = scene.play()
    assert (ended(told), told.actions) == (("not needed", "event_executed"), ())


@pytest.mark.parametrize("verdict", ["refused", "approved"])
def test_a_refused_authorisation_is_asked_about_and_tried_again_only_on_a_persons_word(verdict: str) -> None:
    """The server serves again meanwhile; the vendor's code stands in the question."""
    scene = planned(lambda cloud: cloud.refuses("authorise", "UnauthorizedOperation"))
    if verdict == "approved":
        scene.answering(Answer.APPROVED)
    told = scene.play()
    assert weights(scene) == BEFORE
    if verdict == "approved":
        assert ended(told) == ("healed", "repaired")
        assert told.actions.count(AUTHORISED) == 1
    else:
        assert AUTHORISED not in told.actions
        assert "approval.asked" in told.notices


def test_a_lost_answer_is_settled_by_the_status_of_the_task() -> None:
    """The call arrived: the task is under way, and is not authorised again."""
    told = planned(lambda cloud: cloud.loses_the_answer("authorise")).play()
    assert ended(told) == ("healed", "repaired")
    assert told.actions.count(AUTHORISED) == 1


def test_a_lost_call_is_sent_again_after_the_task_was_read_as_waiting() -> None:
    """It never arrived: the task waits still, so this is no repetition."""
    told = planned(lambda cloud: cloud.loses_the_call("authorise")).play()
    assert ended(told) == ("healed", "repaired")
    assert told.actions.count(AUTHORISED) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("Avoided", "event_avoided"), ("Canceled", "event_canceled"), ("Executed", "event_executed")],
)
def test_a_task_that_is_over_is_not_authorised(status: str, verdict: str) -> None:
    """Each end has its own code."""
    told = planned(lambda cloud: cloud.maintenance.moves(TASK, status)).play()
    assert (ended(told), told.actions) == (("not needed", verdict), ())


@pytest.mark.parametrize(("status", "code"), [("Avoided", "avoided"), ("Canceled", "canceled")])
def test_a_task_that_ends_otherwise_after_the_authorisation_is_told_apart(status: str, code: str) -> None:
    """The server gets its weights back; it is no repair."""
    scene = planned(lambda cloud: setattr(cloud.maintenance, "repairs", False))
    scene.later(2 * MINUTE, lambda: scene.cloud.maintenance.moves(TASK, status))
    told = scene.play()
    assert (ended(told), weights(scene)) == (("not needed", code), BEFORE)


def test_an_accepted_authorisation_that_nothing_follows_is_not_sent_again() -> None:
    """The task waits still after ten minutes: people are told, and the server serves."""
    scene = planned(lambda cloud: setattr(cloud.maintenance, "repairs", False))
    told = scene.play()
    assert (ended(told), weights(scene)) == (("not healed", "not_begun"), BEFORE)
    assert told.actions.count(AUTHORISED) == 1


def test_a_repair_that_the_platform_began_first_is_followed_and_told() -> None:
    """While the server was drained the platform began by itself: not authorised, followed to its end, put back."""
    scene = planned(drain="5m")
    scene.later(2 * MINUTE, lambda: scene.cloud.maintenance.moves(TASK, "Executing"))
    scene.later(20 * MINUTE, lambda: scene.cloud.maintenance.moves(TASK, "Executed"))
    told = scene.play()
    assert (ended(told), weights(scene)) == (("not healed", "overtaken"), BEFORE)
    assert AUTHORISED not in told.actions


def test_a_server_without_its_agent_stays_out_of_its_balancers() -> None:
    """Running is not serving; where a server has no agent the rule says so."""
    scene = planned(lambda cloud: cloud.guests.offline.add(WEB))
    told = scene.play()
    assert ended(told) == ("not healed", "not_back")
    assert weights(scene) == [(WEB, 8080, 0), *BEFORE[1:]]
    assert told.evidence[WEB]["still_out"] == "lb-1/lbl-1 8080@30,9090@0"
    assert ended(planned(lambda cloud: cloud.guests.unknown.add(WEB), agent=False).play()) == ("healed", "repaired")


def test_a_server_that_does_not_answer_its_probe_stays_out() -> None:
    """People are told what was asked and where it is missing."""
    scene = planned(lambda cloud: setattr(cloud.services, "warm_up", None), probe={"tcp": 8080})
    told = scene.play()
    assert ended(told) == ("not healed", "probe_failed")
    assert "lb-1/lbl-1 8080@30" in told.evidence[WEB]["advice"]
    assert ended(planned(probe={"tcp": 8080}).play()) == ("healed", "repaired")


def test_a_command_that_fails_holds_the_authorisation_up() -> None:
    """The server is back in its group; the task waits still."""
    scene = planned(lambda cloud: cloud.guests.exits_with(3), command="stop-app")
    told = scene.play()
    assert (ended(told), weights(scene)) == (("not healed", "command_failed"), BEFORE)
    assert AUTHORISED not in told.actions


@pytest.mark.parametrize(("state", "code"), [("Stopped", "stopped"), ("", "gone")])
def test_a_server_that_does_not_run_is_not_repaired_by_us(state: str, code: str) -> None:
    """A stopped one is left to the platform, and there is nothing to do for one that is gone."""

    def change(cloud: FakeCloud) -> None:
        if state:
            cloud.power_off(cloud.id_of(WEB))
        else:
            cloud.release(cloud.id_of(WEB))

    told = planned(change).play()
    assert (ended(told), told.actions) == (("not needed", code), ())


def test_a_task_that_cannot_be_read_is_not_authorised() -> None:
    """No answer means do not act; after a while a person is asked."""
    told = planned(lambda cloud: cloud.loses_the_call("system_events", times=100_000)).play()
    assert told.actions == ()
    assert "unknown_state" in told.reasons


def test_it_may_die_at_any_step() -> None:
    """Every effect happens once, whichever step the process died at."""
    assert assert_replays(lambda: planned(drain="0s")) > 0


@pytest.mark.parametrize(
    ("row", "consent"),
    [
        ({"TaskStatus": 1, "TaskTypeId": 101, "AuthType": 2}, "open"),
        ({"TaskStatus": "1", "TaskTypeId": "107", "AuthType": "6"}, "open"),
        ({"TaskStatus": 1, "TaskTypeId": 103, "AuthType": 4}, "lossy"),
        ({"TaskStatus": 1, "TaskTypeId": 101, "AuthType": 8}, "lossy"),
        ({"TaskStatus": 1, "TaskTypeId": 101, "AuthType": 9}, "unclear"),
        ({"TaskStatus": 1, "TaskTypeId": 101}, "unclear"),
        ({"TaskStatus": 1, "TaskTypeId": 999, "AuthType": 2}, "unclear"),
        ({"TaskStatus": 4, "TaskTypeId": 101, "AuthType": 2}, "given"),
        ({"TaskStatus": 2, "TaskTypeId": 101, "AuthType": 2}, ""),
        ({"TaskStatus": 5, "TaskTypeId": 101, "AuthType": 2}, ""),
    ],
)
def test_only_a_waiting_task_of_a_known_kind_that_loses_nothing_may_be_authorised(
    row: dict[str, Any], consent: str
) -> None:
    """By TaskStatus, TaskTypeId and AuthType together."""
    assert consent_of(row) == consent


def test_the_policy_allows_what_it_asks_for_and_no_more() -> None:
    """What `cloudheal policy` prints is made from the verbs that it declares."""
    account = AccountSettings.model_validate(
        {"name": "a", "cloud": "tencent", "id": "100000000001", "regions": ["ap-guangzhou"]}
    )
    duties = Duties(verbs=frozenset(REPAIR_TASK_IN_WINDOW.verbs))
    (statement,) = document_of(account, duties)["statement"]
    assert {"cvm:DescribeTaskInfo", "cvm:RepairTaskControl"} <= set(statement["action"])
    assert not {"cvm:RebootInstances", "cvm:StartInstances"} & set(statement["action"])
