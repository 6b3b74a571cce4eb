"""`restore_after_ping_loss` and `rerun_process` told as scenes: when a command is sent, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cloudheal.model.control import Answer, Hold
from cloudheal.playbooks.restore_after_ping_loss import PingLossParameters
from cloudheal.ports.cloud import Command
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from cloudheal.testing.clock import START
from cloudheal.testing.stage import stage

WEB = "i-web"
RESTORE = "pgrep -x app || start app"
RULE: dict[str, Any] = {
    "name": "restore",
    "when": {"type": ["Agent_Status_Stopped"]},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restore_after_ping_loss",
    "mode": "auto",
}
NEVER = timedelta(days=30)
RAN = f"run {RESTORE} on {WEB}"
Change = Callable[[FakeCloud], object]


def lost(change: Change = lambda _: None, *, playbook: str = "", desired: str = "on", **parameters: Any) -> Scene:
    """Return a scene in which a server is not heard of any more; in `change` happens what happened to it."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    first = cloud.loses_contact(web)
    rule = {**RULE, "with": {"command": RESTORE, **parameters}, **({"playbook": playbook} if playbook else {})}
    if not desired:
        del rule["desired"]
    change(cloud)
    return Scene(cloud, rules=[rule], events=[first])


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


def boots(running: float, agent: float) -> Change:
    """Let the server go down now, run so many seconds later, and its agent answer at that second."""

    def change(cloud: FakeCloud) -> None:
        web = cloud.id_of(WEB)
        cloud.changes(web, "Starting")
        cloud.guests.agent_start = timedelta(seconds=agent - running)
        cloud.clock.plan(timedelta(seconds=running), lambda: cloud.changes(web, "Running"))

    return change


def together(*changes: Change) -> Change:
    """Let several things happen."""

    def change(cloud: FakeCloud) -> None:
        for one in changes:
            one(cloud)

    return change


def mute(cloud: FakeCloud) -> None:
    """Let the agent not answer."""
    cloud.guests.offline.add(WEB)


def stopped(cloud: FakeCloud) -> None:
    """Let the server stop."""
    cloud.power_off(cloud.id_of(WEB))


class Process:
    """A process inside the server, with a restore command that keeps the contract."""

    def __init__(self) -> None:
        self.running = 0
        self.began: list[timedelta] = []

    def inside(self, cloud: FakeCloud) -> FakeCloud:
        """Be what commands do inside the servers of a cloud."""

        def run(_server: str, _command: Command) -> tuple[int, str]:
            self.began.append(cloud.clock.now() - START)
            self.running = max(self.running, 1)
            return 0, "cloudheal: it was started and runs\n"

        cloud.guests.inside = run
        return cloud


# --- waiting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("playbook", ["restore_after_ping_loss", "rerun_process"])
def test_a_command_is_sent_once_and_only_when_the_agent_answers(playbook: str) -> None:
    """The server runs at 35 s and its agent answers at 50 s: the one command is sent after that (S3.4)."""
    process = Process()
    told = lost(lambda cloud: boots(35, 50)(process.inside(cloud)), playbook=playbook).play()
    assert ended(told) == ("healed", "restored")
    assert told.actions == (RAN,)
    (began,) = process.began
    assert timedelta(seconds=50) <= began <= timedelta(seconds=52)
    assert told.evidence[WEB]["exit_code"] == "0"
    assert told.evidence[WEB]["ready_after"] in {"50s", "51s"}
    assert "it was started" in told.evidence[WEB]["output"]


@pytest.mark.parametrize("playbook", ["restore_after_ping_loss", "rerun_process"])
def test_a_server_that_never_runs_gets_no_command(playbook: str) -> None:
    """People are told `not_ready` when the time is over, and nothing was called (S3.4)."""
    told = lost(boots(NEVER.total_seconds(), NEVER.total_seconds()), playbook=playbook).play()
    assert ended(told) == ("not healed", "not_ready")
    assert told.actions == ()
    assert told.notices == ("incident.not_healed",)
    assert told.evidence[WEB]["state"] == "Starting"


def test_the_limit_is_kept() -> None:
    """A server that is ready after it gets no command; with a longer limit it gets one."""
    assert ended(lost(boots(400, 400), limit="5m").play()) == ("not healed", "not_ready")
    assert ended(lost(boots(400, 400), limit="8m").play()) == ("healed", "restored")


@pytest.mark.parametrize(("which", "word"), [("offline", "offline"), ("unknown", "none"), ("stale", "silent")])
def test_running_is_not_enough(which: str, word: str) -> None:
    """Powered on says nothing of the guest (B3-2): no agent, one that is off, or one not heard of since before."""
    told = lost(lambda cloud: getattr(cloud.guests, which).add(WEB)).play()
    assert ended(told) == ("not healed", "not_ready")
    assert told.evidence[WEB]["agent"] == word
    assert told.actions == ()


def test_where_the_rule_asks_the_server_must_be_reached_too() -> None:
    """Its port answers 90 s after the boot: the command is sent after that; one that never answers gets none."""
    process = Process()

    def change(cloud: FakeCloud, warm_up: timedelta | None) -> None:
        boots(35, 40)(process.inside(cloud))
        cloud.services.warm_up = warm_up

    told = lost(lambda cloud: change(cloud, timedelta(seconds=90)), reach={"tcp": 22}).play()
    assert ended(told) == ("healed", "restored")
    assert process.began[0] >= timedelta(seconds=125)
    told = lost(lambda cloud: change(cloud, None), reach={"tcp": 22}).play()
    assert ended(told) == ("not healed", "not_ready")
    assert told.evidence[WEB]["reached"] == "tcp 22: connection refused"


def test_a_server_that_is_gone_needs_nothing() -> None:
    """There is nobody to run a command."""
    told = lost(lambda cloud: cloud.release(cloud.id_of(WEB))).play()
    assert (ended(told), told.actions) == (("not needed", "gone"), ())


def test_a_cloud_that_cannot_be_read_is_asked_again_and_then_a_person() -> None:
    """Unknown is no state: nothing is sent, and in the end somebody looks."""
    told = lost(lambda cloud: cloud.throttles("servers", 10_000)).play()
    assert told.actions == ()
    assert told.waits == {WEB: "unknown_state"}
    assert told.notices == ("escalated", "approval.asked")


def test_an_agent_that_refuses_after_all_is_waited_for() -> None:
    """The cloud says that the instance is not running although it just showed that: nothing ran, so wait on."""
    told = lost(lambda cloud: cloud.refuses("run_command", "ResourceUnavailable.AgentStatusNotOnline", 2)).play()
    assert (ended(told), told.actions) == (("healed", "restored"), (RAN,))


# --- one outage, two events --------------------------------------------------------------------------


def test_one_outage_is_one_incident_and_one_command_however_many_events() -> None:
    """The loss comes twice, the end once: one command, one verdict, and all of it is one incident."""
    scene = lost(boots(150, 160))
    cloud, web = scene.cloud, scene.cloud.id_of(WEB)
    scene.later(timedelta(seconds=30), lambda: cloud.loses_contact(web))
    scene.later(timedelta(seconds=170), lambda: cloud.is_heard_again(web))
    told = scene.play()
    assert (ended(told), told.actions) == (("healed", "restored"), (RAN,))
    joined = [one.type for one in told.decisions if one.reason == "joined"]
    assert joined == ["Agent_Status_Stopped", "Agent_Status_Running"]


@pytest.mark.parametrize("news", ["runs", "is heard again"])
def test_a_waiting_run_is_woken_by_news(news: str) -> None:
    """A message that the server runs, or is heard again, lets the run look at once, not when its pause is over."""
    process = Process()
    scene = lost(together(boots(100_000, 100_000), process.inside))
    cloud, web = scene.cloud, scene.cloud.id_of(WEB)
    cloud.guests.agent_start = timedelta()

    def happens() -> bytes:
        told = cloud.changes(web, "Running")
        return told if news == "runs" else cloud.is_heard_again(web)

    scene.later(timedelta(seconds=65), happens)
    assert ended(scene.play()) == ("healed", "restored")
    assert timedelta(seconds=65) <= process.began[0] <= timedelta(seconds=67)


# --- a person's will ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [EVERYTHING, WEB])
def test_a_pause_or_a_hold_that_comes_while_it_waits_keeps_the_command_back(scope: str) -> None:
    """Asked again in the transaction of the intent: nothing is sent until it is lifted, and then once."""
    scene = lost(boots(35, 50))
    clock = scene.cloud.clock
    with stage() as database:

        def held() -> None:
            with database.transaction() as connection:
                add_hold(connection, Hold(scope, "somebody", "looking", clock.now()))

        def lifted() -> None:
            with database.transaction() as connection:
                lift_holds(connection, scope, clock.now())

        scene.later(timedelta(seconds=45), held)
        scene.later(timedelta(minutes=20), lifted)
        scene.later(timedelta(minutes=21), lambda: None)
        told = scene.play_on(database)
    assert (ended(told), told.actions) == (("healed", "restored"), (RAN,))
    assert scene.cloud.clock.now() - START > timedelta(minutes=20)


# --- power --------------------------------------------------------------------------------------------


def test_a_server_that_stopped_is_started_and_then_restored() -> None:
    """The rule wants it on: one start, one command."""
    told = lost(stopped).play()
    assert (ended(told), told.actions) == (("healed", "restored"), (f"start {WEB}", RAN))


def test_a_stop_that_nobody_can_explain_asks_a_person() -> None:
    """Without a wish that it runs nothing is started; approved it is, and restored."""
    told = lost(stopped, desired="").play()
    assert (told.waits, told.actions) == ({WEB: "unexplained"}, ())
    told = lost(stopped, desired="").answering(Answer.APPROVED).play()
    assert (ended(told), told.actions) == (("healed", "restored"), (f"start {WEB}", RAN))


def test_a_stop_on_purpose_is_left_alone() -> None:
    """A tag of the server's own wants it off."""

    def change(cloud: FakeCloud) -> None:
        cloud.server(WEB, tags={"cloudheal:desired": "off"})
        stopped(cloud)

    told = lost(change).play()
    assert (ended(told), told.actions) == (("not needed", "intended"), ())


def test_nothing_is_started_where_the_rule_says_so() -> None:
    """It waits for somebody else to start it, and tells people when nobody does."""
    told = lost(stopped, power_on=False).play()
    assert (ended(told), told.actions) == (("not healed", "not_ready"), ())


def test_a_start_that_the_cloud_refuses_is_told() -> None:
    """The vendor's code is the reason, with what to do about it."""
    told = lost(together(stopped, lambda cloud: cloud.refuses("start", "InsufficientBalance"))).play()
    assert ended(told) == ("not healed", "InsufficientBalance")
    assert told.evidence[WEB]["advice"] == "top up the account"


@pytest.mark.parametrize(
    ("policy", "action"), [("never", ""), ("soft", f"reboot {WEB}"), ("force", f"reboot by force {WEB}")]
)
def test_a_server_that_hangs_is_rebooted_only_when_the_rule_says_so(policy: str, action: str) -> None:
    """It runs and does not answer for five minutes: once rebooted it answers, and gets its command."""

    def change(cloud: FakeCloud) -> None:
        cloud.guests.offline.add(WEB)
        cloud.clock.plan(timedelta(minutes=8), cloud.guests.offline.clear)

    told = lost(change if action else mute, reboot=policy).play()
    assert told.actions == ((action, RAN) if action else ())
    assert ended(told) == (("healed", "restored") if action else ("not healed", "not_ready"))


def test_a_server_that_hangs_on_is_rebooted_once() -> None:
    """A second reboot would not help either."""
    told = lost(mute, reboot="soft").play()
    assert (ended(told), told.actions) == (("not healed", "not_ready"), (f"reboot {WEB}",))


def test_a_lost_answer_to_a_reboot_never_makes_two() -> None:
    """What the cloud shows settles it; where it shows nothing, a person is asked."""
    told = lost(together(mute, lambda cloud: cloud.loses_the_call("reboot")), reboot="soft").play()
    assert (told.waits, told.actions) == ({WEB: "unknown_state"}, ())


# --- the command and its proof -----------------------------------------------------------------------


def test_a_command_that_fails_is_told_with_its_exit_code_and_output() -> None:
    """Accepted is not done (S3.7): the incident is not healed, and secrets in the output are masked."""
    told = lost(lambda cloud: cloud.guests.exits_with(1, "x" * 500 + "\npassword=hunter2 no such file\n")).play()
    assert ended(told) == ("not healed", "command_failed")
    assert told.evidence[WEB]["exit_code"] == "1"
    assert told.evidence[WEB]["output"].endswith("password=*** no such file")
    assert len(told.evidence[WEB]["output"]) <= 400
    assert told.notices == ("incident.not_healed",)


def test_a_command_that_never_ends_is_told() -> None:
    """It had its time, and a minute more."""
    told = lost(lambda cloud: setattr(cloud.guests, "lasts", NEVER)).play()
    assert ended(told) == ("not healed", "command_timeout")
    assert told.actions == (RAN,)


def test_a_missing_service_role_is_named() -> None:
    """The code of the cloud, and who says what to do."""
    told = lost(lambda cloud: cloud.refuses("run_command", "ResourceNotFound.RoleNotFound")).play()
    assert ended(told) == ("not healed", "ResourceNotFound.RoleNotFound")
    assert "cloudheal check" in told.evidence[WEB]["advice"]


@pytest.mark.parametrize("bad_day", ["loses_the_answer", "loses_the_call", "throttles"])
def test_a_command_whose_answer_was_lost_runs_once(bad_day: str) -> None:
    """The same token is the same run."""
    told = lost(lambda cloud: getattr(cloud, bad_day)("run_command", 2)).play()
    assert (ended(told), told.actions) == (("healed", "restored"), (RAN,))


def test_a_command_arrives_byte_for_byte() -> None:
    """Quotes, backslashes and other scripts are not touched; user and place go along (B3-6, B3-8)."""
    text = "cd \"/srv/a b\" && echo 'x\\n$HOME \\\\' `date` # 重启服务 {{x}}\n"
    scene = lost(command=text, user="user00", directory="/home/user00", command_timeout="90s")
    scene.play()
    assert scene.cloud.guests.commands == [Command(text, timeout=90, user="user00", directory="/home/user00")]


def test_a_second_command_and_a_probe_prove_it() -> None:
    """Both must go well; a port that never answers is not healed although the command went well."""
    told = lost(verify="ss -ltn | grep :8080", probe={"tcp": 8080}).play()
    assert ended(told) == ("healed", "restored")
    assert told.actions == (RAN, f"run ss -ltn | grep :8080 on {WEB}")
    assert told.evidence[WEB]["probe"] == "tcp 8080: connected"
    change = together(lambda cloud: cloud.guests.exits_with(0), lambda cloud: cloud.guests.exits_with(1, "none"))
    assert ended(lost(change, verify="ss -ltn").play()) == ("not healed", "not_verified")
    told = lost(lambda cloud: setattr(cloud.services, "warm_up", None), probe={"tcp": 8080}).play()
    assert ended(told) == ("not healed", "probe_failed")


@pytest.mark.parametrize(
    ("change", "parameters"),
    [
        (boots(35, 50), {"verify": "true", "probe": {"tcp": 8080}}),
        (stopped, {}),
        (mute, {"reboot": "soft", "reboot_after": "30s", "limit": "90s"}),
        (lambda cloud: setattr(cloud.guests, "lasts", timedelta(seconds=100)), {"command_timeout": "5m"}),
    ],
    ids=["restored", "started", "rebooted", "slow"],
)
def test_a_process_that_dies_anywhere_does_nothing_twice(change: Change, parameters: dict[str, Any]) -> None:
    """Whatever was done is not done again, and the end is the same."""
    assert assert_replays(lambda: lost(change, **parameters).answering(Answer.APPROVED)) > 10


# --- what a rule may say -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"check": "true"},
        {"start": "true"},
        {"command": "true", "unit": "app"},
        {"command": "true", "restart": True},
        {"unit": "app; reboot"},
        {"unit": "-app"},
        {"check": "true", "start": "true", "shell": "powershell"},
        {"command": "x" * 18_001},
        {"command": "true", "probe": {}},
        {"command": "true", "no_such": 1},
    ],
)
def test_a_rule_says_one_way_to_start_a_process(parameters: dict[str, Any]) -> None:
    """Everything else is refused when the rule is read."""
    with pytest.raises(ValidationError):
        PingLossParameters.model_validate(parameters)


def test_parts_make_a_command_that_checks_first() -> None:
    """Both parts stand in it as they were given."""
    made = PingLossParameters.model_validate({"check": 'pgrep -f "my app"', "start": "nohup /srv/app >>/tmp/l 2>&1 &"})
    assert made.text.count('\npgrep -f "my app"\n') == 2
    assert made.text.count("\nnohup /srv/app >>/tmp/l 2>&1 &\n") == 1
    assert made.errand().command.timeout == 90
