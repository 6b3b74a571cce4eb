"""Cloud Assistant and the guests: what commands find inside, how runs end, how they are shown."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_slb20140515 import models as slb_models
from alibabacloud_slb20140515.client import Client as SlbClient

from tests.sim.ecs import REGION, ecs_client, status, steps, world_with
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import refused
from tests.sim.test_slb_tea import client as slb_client

ID = "i-bp1one"
PROGRAM = {"name": "my_program.sh", "starts_at_boot": False, "port": 8080}
NGINX = {"name": "nginx", "port": 80}


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock; one instance with two declared processes, one of which nobody knows."""
    stepped.world(world_with({"id": ID, "guest": {"processes": [PROGRAM, NGINX]}}, {"id": "i-bp1two"}))
    return ecs_client(stepped)


def order(ecs: Client, script: str, *ids: str, **more: Any) -> str:
    """Run a command and return its invocation id."""
    request = models.RunCommandRequest(
        region_id=REGION, type="RunShellScript", command_content=script, instance_id=list(ids or (ID,)), **more
    )
    invoke_id: str = ecs.run_command(request).body.invoke_id
    return invoke_id


def results(ecs: Client, invoke_id: str, **asked: Any) -> list[Any]:
    """Return the results of an invocation, output in plain text."""
    request = models.DescribeInvocationResultsRequest(
        region_id=REGION, invoke_id=invoke_id, content_encoding="PlainText", **asked
    )
    body = ecs.describe_invocation_results(request).body
    found: list[Any] = body.invocation.invocation_results.invocation_result
    return found


def result(ecs: Client, invoke_id: str) -> Any:
    """Return the only result of an invocation."""
    (found,) = results(ecs, invoke_id)
    return found


def invocation(ecs: Client, invoke_id: str, **asked: Any) -> Any:
    """Return an invocation as DescribeInvocations shows it."""
    request = models.DescribeInvocationsRequest(region_id=REGION, invoke_id=invoke_id, **asked)
    (found,) = ecs.describe_invocations(request).body.invocations.invocation
    return found


def run(sim: RunningSimulator, ecs: Client, script: str, id_: str = ID, seconds: float = 1) -> tuple[int, str]:
    """Run a command to its end and return exit code and output."""
    invoke_id = order(ecs, script, id_)
    sim.advance(seconds)
    found = result(ecs, invoke_id)
    return found.exit_code, found.output


# How a run goes


def test_a_command_is_pending_running_success(stepped: RunningSimulator, ecs: Client) -> None:
    """Three states on the clock, with exit code, output and times at the end, and the old names beside the new."""
    id_ = order(ecs, "echo hello")
    assert (result(ecs, id_).invocation_status, invocation(ecs, id_).invocation_status) == ("Pending", "Pending")
    stepped.advance(0.5)
    running = result(ecs, id_)
    assert (running.invocation_status, running.invoke_record_status, running.exit_code) == ("Running", "Running", None)
    stepped.advance(0.5)
    over = result(ecs, id_)
    assert (over.invocation_status, over.invoke_record_status) == ("Success", "Finished")
    assert (over.exit_code, over.output, over.dropped, over.error_code) == (0, "hello\n", 0, "")
    assert (over.start_time, over.finished_time) == ("2026-03-02T03:00:00Z", "2026-03-02T03:00:01Z")
    whole = invocation(ecs, id_)
    assert (whole.invocation_status, whole.invoke_status) == ("Success", "Finished")
    assert steps(stepped, ID, "command.status") == ["Pending", "Running", "Success"]


def test_output_is_base64_unless_asked_plain(stepped: RunningSimulator, ecs: Client) -> None:
    """Both calls encode content and output by default; without IncludeOutput an invocation shows none."""
    id_ = order(ecs, "echo 'héllo \"世界\"'")
    stepped.advance(1)
    request = models.DescribeInvocationResultsRequest(region_id=REGION, invoke_id=id_)
    (shown,) = ecs.describe_invocation_results(request).body.invocation.invocation_results.invocation_result
    assert b64decode(shown.output).decode() == 'héllo "世界"\n'
    whole = invocation(ecs, id_)
    assert b64decode(whole.command_content).decode() == "echo 'héllo \"世界\"'"
    assert whole.invoke_instances.invoke_instance[0].output is None
    plain = invocation(ecs, id_, include_output=True, content_encoding="PlainText")
    assert plain.invoke_instances.invoke_instance[0].output == 'héllo "世界"\n'


def test_content_may_come_as_base64(stepped: RunningSimulator, ecs: Client) -> None:
    """With ContentEncoding=Base64 it is decoded; without, it is the script itself; what is no Base64 is refused."""
    encoded = b64encode(b"echo decoded").decode()
    id_ = order(ecs, encoded, content_encoding="Base64")
    plain = order(ecs, encoded)
    stepped.advance(1)
    assert (result(ecs, id_).output, result(ecs, plain).exit_code) == ("decoded\n", 127)
    assert refused(order, ecs, "echo!", content_encoding="Base64") == (403, "CmdContent.DecodeError")


def test_a_command_that_fails_says_how(stepped: RunningSimulator, ecs: Client) -> None:
    """The exit code is the script's own."""
    id_ = order(ecs, "echo before; exit 3; echo after")
    stepped.advance(1)
    found = result(ecs, id_)
    assert (found.invocation_status, found.exit_code, found.output) == ("Failed", 3, "before\n")
    assert found.error_code == "ExitCodeNonzero"


def test_a_command_that_takes_too_long_times_out(stepped: RunningSimulator, ecs: Client) -> None:
    """At its Timeout the command is ended, without an exit code, and its later lines never happen."""
    id_ = order(ecs, "echo begun; sleep 30; pkill nginx", timeout=20)
    stepped.advance(20.4)
    assert result(ecs, id_).invocation_status == "Running"
    stepped.advance(0.1)
    found = result(ecs, id_)
    assert (found.invocation_status, found.exit_code, found.error_code) == ("Timeout", None, "ExecutionTimeout")
    assert (found.output, invocation(ecs, id_).invoke_status) == ("begun\n", "Failed")
    stepped.advance(60)
    assert run(stepped, ecs, "pgrep nginx >/dev/null")[0] == 0


@pytest.mark.parametrize(("mode", "left"), [("Process", "1\n"), ("ProcessTree", "0\n")])
def test_a_service_in_the_foreground_keeps_the_shell_until_the_timeout(
    stepped: RunningSimulator, ecs: Client, mode: str, left: str
) -> None:
    """Whether it goes down with the script is for TerminationMode to say."""
    run(stepped, ecs, "pkill -f my_program.sh")
    id_ = order(ecs, "/home/user00/my_program.sh; echo never", timeout=20, termination_mode=mode)
    stepped.advance(10)
    assert result(ecs, id_).invocation_status == "Running"
    stepped.advance(20)
    assert (result(ecs, id_).invocation_status, result(ecs, id_).output) == ("Timeout", "")
    assert run(stepped, ecs, "pgrep -fc my_program.sh")[1] == left


def test_effects_happen_at_their_time(stepped: RunningSimulator, ecs: Client) -> None:
    """What stands after a sleep happens after it."""
    order(ecs, "sleep 30; systemctl stop nginx")
    stepped.advance(30)
    assert steps(stepped, ID, "guest.processes") == []
    stepped.advance(1)
    assert steps(stepped, ID, "guest.processes") == [["my_program.sh"]]


def test_output_is_cut_and_the_rest_counted(stepped: RunningSimulator, ecs: Client) -> None:
    """24 KB are shown; Dropped says how many bytes are not."""
    line = "x" * 99
    id_ = order(ecs, "\n".join([f"A={line}", *["echo $A$A$A$A$A$A$A$A$A$A"] * 30]))
    stepped.advance(1)
    found = result(ecs, id_)
    assert (len(found.output), found.dropped) == (24 * 1024, 30 * 991 - 24 * 1024)


def test_an_endless_loop_ends_at_the_timeout(stepped: RunningSimulator, ecs: Client) -> None:
    """A busy loop does not hold up the simulator."""
    id_ = order(ecs, "while true; do :; done", timeout=30)
    stepped.advance(31)
    assert result(ecs, id_).invocation_status == "Timeout"


def test_a_silent_agent_is_not_reached(stepped: RunningSimulator, ecs: Client) -> None:
    """Pending for a minute, then Aborted with the reason; an agent that comes back in time is reached."""
    stepped.chaos("agent_offline", ID)
    lost = order(ecs, "echo lost")
    stepped.advance(59)
    assert result(ecs, lost).invocation_status == "Pending"
    stepped.advance(2)
    found = result(ecs, lost)
    assert (found.invocation_status, found.error_code, found.exit_code) == ("Aborted", "ClientNotRunning", None)
    late = order(ecs, "echo late")
    stepped.advance(30)
    stepped.chaos("agent_online", ID)
    stepped.advance(3)
    assert result(ecs, late).output == "late\n"


def test_the_agent_of_a_fresh_boot_takes_its_time(stepped: RunningSimulator, ecs: Client) -> None:
    """Running is not yet answering: the status call says so, and a command waits until it does."""
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(13)
    assert (status(ecs, ID), agent(ecs)) == ("Running", "false")
    id_ = order(ecs, "echo up")
    stepped.advance(4)
    assert result(ecs, id_).invocation_status == "Pending"
    stepped.advance(2)
    assert (result(ecs, id_).output, agent(ecs)) == ("up\n", "true")


def agent(ecs: Client, id_: str = ID) -> str:
    """Return what DescribeCloudAssistantStatus says of one instance."""
    request = models.DescribeCloudAssistantStatusRequest(region_id=REGION, instance_id=[id_, "i-bp1nobody"])
    body = ecs.describe_cloud_assistant_status(request).body
    (found,) = body.instance_cloud_assistant_status_set.instance_cloud_assistant_status
    answers: str = found.cloud_assistant_status
    return answers


def test_a_restart_interrupts_what_runs_inside(stepped: RunningSimulator, ecs: Client) -> None:
    """The run ends as Error without an exit code, and its later lines never happen."""
    id_ = order(ecs, "sleep 40; pkill nginx")
    stepped.advance(2)
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(60)
    found = result(ecs, id_)
    assert (found.invocation_status, found.error_code, found.exit_code) == ("Error", "ExecutionException", None)
    assert run(stepped, ecs, "pgrep nginx >/dev/null")[0] == 0


def test_a_hung_machine_runs_nothing(stepped: RunningSimulator, ecs: Client) -> None:
    """What was running stands still until its timeout."""
    id_ = order(ecs, "sleep 5; echo woke", timeout=60)
    stepped.advance(2)
    stepped.chaos("hang", ID)
    stepped.advance(100)
    assert (result(ecs, id_).invocation_status, result(ecs, id_).output) == ("Timeout", "")


def test_runs_can_be_stopped(stepped: RunningSimulator, ecs: Client) -> None:
    """Running ones pass Stopping to Terminated, pending ones are Cancelled, finished ones stay."""
    id_ = order(ecs, "sleep 30; pkill nginx")
    stepped.advance(2)
    stop = models.StopInvocationRequest(region_id=REGION, invoke_id=id_)
    ecs.stop_invocation(stop)
    assert invocation(ecs, id_).invocation_status == "Stopping"
    stepped.advance(1)
    assert (result(ecs, id_).invocation_status, invocation(ecs, id_).invoke_status) == ("Terminated", "Stopped")
    pending = order(ecs, "echo never")
    ecs.stop_invocation(models.StopInvocationRequest(region_id=REGION, invoke_id=pending, instance_id=[ID]))
    assert result(ecs, pending).invocation_status == "Cancelled"
    stop.invoke_id = "t-bp1nobody"
    assert refused(ecs.stop_invocation, stop) == (404, "InvalidInvoke.NotFound")
    stepped.advance(60)
    assert steps(stepped, ID, "guest.processes") == []


def test_many_instances_make_one_status_together(stepped: RunningSimulator, ecs: Client) -> None:
    """One success and one failure are PartialFailed; results come one for each instance."""
    id_ = order(ecs, "pgrep nginx", ID, "i-bp1two")
    stepped.advance(1)
    found = {one.instance_id: one.invocation_status for one in results(ecs, id_)}
    assert found == {ID: "Success", "i-bp1two": "Failed"}
    assert invocation(ecs, id_).invocation_status == "PartialFailed"


def test_a_partial_batch_reaches_only_some(stepped: RunningSimulator, ecs: Client) -> None:
    """The injected share of instances is never reached; the others run."""
    rule = {"match": {"action": "RunCommand"}, "fault": {"kind": "partial-batch", "share": 0.5}}
    stepped.control("PUT", "faults", {"rules": [rule]})
    try:
        id_ = order(ecs, "true", ID, "i-bp1two")
    finally:
        stepped.control("PUT", "faults", {"rules": []})
    stepped.advance(1)
    assert sorted(one.invocation_status for one in results(ecs, id_)) == ["Aborted", "Success"]


# What is refused


def test_orders_are_refused_by_their_own_codes(stepped: RunningSimulator, ecs: Client) -> None:
    """Unknown, stopped and too many instances; unknown types; too long content; nothing is run."""
    assert refused(order, ecs, "true", ID, "i-bp1nobody") == (404, "InvalidInstance.NotFound")
    assert refused(order, ecs, "true", *[f"i-{n}" for n in range(101)]) == (403, "InstanceIds.ExceedLimit")
    assert refused(order, ecs, "x" * 18_433) == (403, "CmdContent.ExceedLimit")
    assert refused(order, ecs, "true", name="n" * 129) == (403, "CmdName.ExceedLimit")
    assert refused(order, ecs, "true", repeat_mode="Period") == (403, "MissingParam.Frequency")
    assert refused(order, ecs, "true", frequency="rate(1s)") == (403, "InvalidParam.Frequency")
    assert refused(order, ecs, "true", repeat_mode="DryRun") == (400, "DryRunOperation")
    nobody = models.RunCommandRequest(region_id=REGION, type="RunShellScript", command_content="true")
    assert refused(ecs.run_command, nobody) == (400, "MissingParameter")
    odd = models.RunCommandRequest(region_id=REGION, type="RunPerl", command_content="true", instance_id=[ID])
    assert refused(ecs.run_command, odd) == (403, "InvalidCmdType.NotFound")
    odd.type = "RunBatScript"
    assert refused(ecs.run_command, odd) == (403, "InvalidInstance.NotMatch")
    ecs.stop_instance(models.StopInstanceRequest(instance_id=ID))
    assert refused(order, ecs, "true") == (403, "InvalidInstance.NotMatch")
    assert steps(stepped, ID, "command.status") == []


def test_the_same_token_runs_once(stepped: RunningSimulator, ecs: Client) -> None:
    """A repeated ClientToken gives the first ids; with other parameters it is refused."""
    first = order(ecs, "echo x >> /tmp/count", client_token="once")
    assert order(ecs, "echo x >> /tmp/count", client_token="once") == first
    assert refused(order, ecs, "echo y", client_token="once") == (403, "IdempotentParameterMismatch")
    stepped.advance(2)
    assert run(stepped, ecs, "wc -l < /tmp/count") == (0, "1\n")


# Kept commands, parameters, times


def test_commands_are_made_invoked_changed_and_deleted(stepped: RunningSimulator, ecs: Client) -> None:
    """CreateCommand takes Base64; a deleted command cannot be invoked, what it did stays on record."""
    made = ecs.create_command(
        models.CreateCommandRequest(
            region_id=REGION,
            name="greet",
            type="RunShellScript",
            command_content=b64encode(b"echo hello {{ who }} from {{ACS::InstanceId}}").decode(),
            enable_parameter=True,
            timeout=90,
        )
    ).body.command_id
    invoke = models.InvokeCommandRequest(
        region_id=REGION, command_id=made, instance_id=[ID], parameters={"who": "world"}
    )
    id_ = ecs.invoke_command(invoke).body.invoke_id
    stepped.advance(1)
    assert result(ecs, id_).output == f"hello world from {ID}\n"
    shown = listed(ecs, name="gr*")
    assert [(one.command_id, one.timeout, one.invoke_times) for one in shown] == [(made, 90, 1)]
    assert shown[0].parameter_names.parameter_name == ["who"]
    ecs.modify_command(models.ModifyCommandRequest(region_id=REGION, command_id=made, name="welcome"))
    assert [one.name for one in listed(ecs)] == ["welcome"]
    ecs.delete_command(models.DeleteCommandRequest(region_id=REGION, command_id=made))
    assert listed(ecs) == []
    assert refused(ecs.invoke_command, invoke) == (404, "InvalidCmdId.NotFound")
    assert result(ecs, id_).command_id == made


def listed(ecs: Client, **asked: Any) -> list[Any]:
    """Return the commands that were kept."""
    found: list[Any] = ecs.describe_commands(
        models.DescribeCommandsRequest(region_id=REGION, **asked)
    ).body.commands.command
    return found


def test_run_commands_are_kept_only_when_asked(stepped: RunningSimulator, ecs: Client) -> None:
    """KeepCommand decides whether DescribeCommands shows it."""
    order(ecs, "true", name="passing")
    order(ecs, "true", name="staying", keep_command=True)
    assert [one.name for one in listed(ecs)] == ["staying"]


def test_parameters_are_the_ones_the_command_has(ecs: Client) -> None:
    """Names that the command does not use, and more than ten, are refused."""
    assert refused(order, ecs, "echo {{a}}", enable_parameter=True, parameters={"b": "1"}) == (403, "InvalidParameter")
    eleven = {f"p{n}": "" for n in range(11)}
    assert refused(order, ecs, "true", enable_parameter=True, parameters=eleven) == (403, "InvalidParameter")


def test_without_enable_parameter_braces_stay(stepped: RunningSimulator, ecs: Client) -> None:
    """Text in braces is only text then."""
    assert run(stepped, ecs, "echo '{{name}}'") == (0, "{{name}}\n")


def test_commands_run_at_an_interval(stepped: RunningSimulator, ecs: Client) -> None:
    """Not at once, then every time; the history keeps each run; stopping ends it."""
    id_ = order(ecs, "date +%H:%M", frequency="rate(5m)")
    assert invocation(ecs, id_).invocation_status == "Scheduled"
    stepped.advance(302)
    stepped.advance(302)
    past = [one.output for one in results(ecs, id_, include_history=True) if one.invocation_status == "Success"]
    assert sorted(past) == ["03:05\n", "03:10\n"]
    ecs.stop_invocation(models.StopInvocationRequest(region_id=REGION, invoke_id=id_))
    stepped.advance(3600)
    assert len(results(ecs, id_, include_history=True)) == 3


def test_commands_run_once_at_a_time_in_a_zone(stepped: RunningSimulator, ecs: Client) -> None:
    """`at(...)` with a zone runs once, then no more; a time that has passed is refused."""
    id_ = order(ecs, "date +%H:%M", frequency="at(2026-03-02 11:30:00 Asia/Shanghai)")
    stepped.advance(1799)
    assert result(ecs, id_).invocation_status == "Scheduled"
    stepped.advance(10)
    assert result(ecs, id_).output == "03:30\n"
    assert refused(order, ecs, "true", frequency="at(2026-03-02 03:00:00)") == (403, "InvalidParam.Frequency")


def test_commands_run_at_the_next_boot_or_at_every_boot(stepped: RunningSimulator, ecs: Client) -> None:
    """NextRebootOnly once, EveryReboot each time, after the agent has started."""
    once = order(ecs, "echo x", repeat_mode="NextRebootOnly")
    always = order(ecs, "echo x", repeat_mode="EveryReboot")
    for _ in range(2):
        ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
        stepped.advance(60)
    assert [one.invocation_status for one in results(ecs, once)] == ["Success"]
    ran = [one.invocation_status for one in results(ecs, always, include_history=True)]
    assert sorted(ran) == ["Scheduled", "Success", "Success"]


# What commands find inside


def test_a_process_that_does_not_start_at_boot_is_gone_after_a_reboot(stepped: RunningSimulator, ecs: Client) -> None:
    """The business process has to be brought back, once, by an idempotent script."""
    restore = "pgrep -f my_program.sh >/dev/null || nohup /home/user00/my_program.sh >/tmp/log 2>&1 &"
    assert run(stepped, ecs, "pgrep -fc my_program.sh") == (0, "1\n")
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(30)
    assert run(stepped, ecs, "pgrep -fc my_program.sh") == (1, "0\n")
    assert run(stepped, ecs, "pgrep nginx >/dev/null; systemctl is-active nginx") == (0, "active\n")
    for _ in range(2):
        assert run(stepped, ecs, restore)[0] == 0
        assert run(stepped, ecs, "pgrep -fc my_program.sh") == (0, "1\n")


def test_a_reboot_inside_shows_in_uptime_and_boot_id_only(stepped: RunningSimulator, ecs: Client) -> None:
    """Another boot id, a small uptime, and not one state change of the instance."""
    before = run(stepped, ecs, "cat /proc/sys/kernel/random/boot_id")[1]
    stepped.advance(1000)
    assert run(stepped, ecs, "sudo reboot")[0] == 0
    stepped.advance(2)
    assert agent(ecs) == "false"
    stepped.advance(58)
    assert run(stepped, ecs, "cat /proc/sys/kernel/random/boot_id")[1] != before
    uptime = float(run(stepped, ecs, "cat /proc/uptime")[1].split()[0])
    assert 0 < uptime < 60
    assert (steps(stepped, ID), steps(stepped, ID, "guest.up")) == ([], [False, True])


def test_an_api_reboot_starts_uptime_anew(stepped: RunningSimulator, ecs: Client) -> None:
    """Proof of a reboot from inside: uptime below the time since the call."""
    assert float(run(stepped, ecs, "cat /proc/uptime")[1].split()[0]) > 80_000
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(30)
    assert float(run(stepped, ecs, "cat /proc/uptime")[1].split()[0]) < 30


def test_power_off_inside_stops_the_instance(stepped: RunningSimulator, ecs: Client) -> None:
    """The platform sees an instance that stopped without being asked."""
    order(ecs, "shutdown -h now")
    stepped.advance(10)
    assert (status(ecs, ID), steps(stepped, ID)) == ("Stopped", ["Stopping", "Stopped"])


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("frobnicate --now", 127, "bash: frobnicate: command not found\n"),
        ("/srv/app/run.sh", 127, "bash: /srv/app/run.sh: No such file or directory\n"),
        ("systemctl start frobnicate", 5, "Failed to start frobnicate.service: Unit frobnicate.service not found.\n"),
        ("if true; then echo half", 2, "bash: syntax error: unexpected end of file\n"),
        ("echo 'open", 2, "bash: unexpected EOF while looking for matching `''\n"),
        ("nohup ./nobody.sh & pgrep -c nobody", 1, "0\n"),
    ],
)
def test_what_is_not_there_never_succeeds(
    stepped: RunningSimulator, ecs: Client, script: str, code: int, output: str
) -> None:
    """Unknown programs, units and broken scripts end as they do in a shell."""
    assert run(stepped, ecs, script) == (code, output)


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("true && echo a || echo b; false || echo c", 0, "a\nc\n"),
        ("a=5; echo ${a}x$((a+1)) '$a' \"$a\"", 0, "5x6 $a 5\n"),
        ("if ! systemctl is-active --quiet nginx; then echo no; else echo yes; fi", 0, "yes\n"),
        ("for i in 1 2 3; do echo $i; [ $i = 2 ] && break; done", 0, "1\n2\n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", 0, "3\n"),
        ("set -e\nfalse\necho no", 1, ""),
        ("PID=$(pgrep nginx); kill $PID; pgrep nginx; echo $?", 0, "1\n"),
        ("ps -ef | grep my_program | grep -v grep | wc -l", 0, "1\n"),
        ("curl -s -o /dev/null -w '%{http_code}' http://localhost:8080/health", 0, "200"),
        ("pkill -f my_program; curl -fsS localhost:8080 >/dev/null 2>&1; echo $?", 0, "7\n"),
        ("echo x > /tmp/f && cat /tmp/f && rm /tmp/f && cat /tmp/f", 1, "x\ncat: /tmp/f: No such file or directory\n"),
        ("echo out; echo err >&2", 0, "out\nerr\n"),
        ("frobnicate 2>/dev/null; echo $?", 0, "127\n"),
        ("ps -ef | grep my_program | awk '{print $2}' | xargs kill; pgrep -c my_program", 1, "0\n"),
        ("echo kept | tee /tmp/t > /dev/null; cat /tmp/t", 0, "kept\n"),
        ("# only a comment", 0, ""),
        ("bash -c 'echo in; exit 4'; echo $?", 0, "in\n4\n"),
        ("{ echo a; exit 6; }; echo b", 6, "a\n"),
    ],
)
def test_small_scripts_do_what_a_shell_does(
    stepped: RunningSimulator, ecs: Client, script: str, code: int, output: str
) -> None:
    """Lists, conditions, loops, variables, pipes and redirections of a healer's scripts."""
    assert run(stepped, ecs, script) == (code, output)


def test_an_instance_nobody_described_takes_any_program(stepped: RunningSimulator, ecs: Client) -> None:
    """Without declared processes a program given by its path can be started; it is gone after a reboot."""
    assert run(stepped, ecs, "nohup ./app.sh >/dev/null 2>&1 &\npgrep -fc app.sh", "i-bp1two") == (0, "1\n")
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id="i-bp1two"))
    stepped.advance(30)
    assert run(stepped, ecs, "pgrep -fc app.sh", "i-bp1two") == (1, "0\n")


def test_chaos_inside_the_guest_shows_to_commands(stepped: RunningSimulator, ecs: Client) -> None:
    """A dead process, a read-only disk, no memory: each until the next boot; no event is published."""
    stepped.chaos("process_die", ID, process="nginx")
    assert run(stepped, ecs, "systemctl is-active nginx") == (3, "inactive\n")
    with pytest.raises(ControlRefusedError, match="does not run"):
        stepped.chaos("process_die", ID, process="nginx")
    stepped.chaos("disk_read_only", ID)
    assert run(stepped, ecs, "touch /tmp/x") == (1, "touch: cannot touch '/tmp/x': Read-only file system\n")
    stepped.chaos("out_of_memory", ID)
    assert run(stepped, ecs, "pgrep nginx")[0] == 254
    assert stepped.journal(kind="event") == []
    ecs.reboot_instance(models.RebootInstanceRequest(instance_id=ID))
    stepped.advance(30)
    assert run(stepped, ecs, "touch /tmp/x; systemctl is-active nginx") == (0, "active\n")


# Lists and the world


def test_invocations_are_found_by_their_facts(stepped: RunningSimulator, ecs: Client) -> None:
    """By instance, command name, status; unknown ids give nothing."""
    good = order(ecs, "true", name="good")
    bad = order(ecs, "false", "i-bp1two", name="bad")
    stepped.advance(1)
    assert found(ecs) == [bad, good]
    assert found(ecs, instance_id=ID) == [good]
    assert found(ecs, command_name="b*") == [bad]
    assert found(ecs, invoke_status="Success") == [good]
    assert found(ecs, invoke_id="t-bp1nobody") == []


def found(ecs: Client, **asked: Any) -> list[str]:
    """Return the ids of the invocations shown."""
    shown = ecs.describe_invocations(models.DescribeInvocationsRequest(region_id=REGION, **asked)).body
    return [one.invoke_id for one in shown.invocations.invocation]


def test_results_are_paged_inside_the_invocation(stepped: RunningSimulator) -> None:
    """23 results in pages of ten, each once, by number and by token."""
    stepped.world(world_with({"count": 23, "prefix": "i-bp1f"}))
    ecs = ecs_client(stepped)
    ids = [f"i-bp1f-{number:06d}" for number in range(1, 24)]
    invoke_id = order(ecs, "true", *ids)
    stepped.advance(1)
    by_number, by_token, token = [], [], None
    for page in (1, 2, 3):
        numbered = models.DescribeInvocationResultsRequest(region_id=REGION, invoke_id=invoke_id, page_number=page)
        body = ecs.describe_invocation_results(numbered).body.invocation
        assert body.total_count == 23
        by_number += [one.instance_id for one in body.invocation_results.invocation_result]
        tokened = models.DescribeInvocationResultsRequest(
            region_id=REGION, invoke_id=invoke_id, max_results=10, next_token=token
        )
        body = ecs.describe_invocation_results(tokened).body.invocation
        by_token += [one.instance_id for one in body.invocation_results.invocation_result]
        token = body.next_token
    assert (sorted(by_number), sorted(by_token), token) == (ids, ids, "")


def test_a_script_under_way_goes_on_after_a_round_trip_of_the_world(stepped: RunningSimulator, ecs: Client) -> None:
    """Read and put back in the middle of a sleep: it goes on where it was, with its variables and its output."""
    id_ = order(ecs, "a=one; echo $a; sleep 30; echo still $a; pkill nginx")
    order(ecs, "sudo reboot", "i-bp1two")
    stepped.advance(10)
    world = stepped.control("GET", "world")
    stepped.world(world)
    assert stepped.control("GET", "world") == world
    assert result(ecs, id_).invocation_status == "Running"
    stepped.advance(30)
    assert (result(ecs, id_).invocation_status, result(ecs, id_).output) == ("Success", "one\nstill one\n")
    assert steps(stepped, ID, "guest.processes") == [["my_program.sh"]]
    assert steps(stepped, "i-bp1two", "guest.up") == [False, True]


def test_the_balancer_sees_what_commands_do_to_the_processes(stepped: RunningSimulator) -> None:
    """A member whose process is gone turns abnormal after the failed checks, and normal again once it is back."""
    group = {"id": "rsp-1", "load_balancer": "lb-1", "backends": [{"server_id": ID, "port": 8080, "weight": 100}]}
    listener = {"load_balancer": "lb-1", "port": 443, "protocol": "tcp", "server_group": "rsp-1"}
    member = {"id": ID, "guest": {"processes": [PROGRAM]}}
    stepped.world(world_with(member, server_groups=[group], listeners=[listener]))
    ecs, balancer = ecs_client(stepped), slb_client(stepped)
    assert member_health(balancer) == "normal"
    assert run(stepped, ecs, "pkill -f my_program.sh", seconds=60)[0] == 0
    assert member_health(balancer) == "abnormal"
    assert run(stepped, ecs, "nohup /home/user00/my_program.sh &", seconds=60)[0] == 0
    assert member_health(balancer) == "normal"


def member_health(balancer: SlbClient) -> str:
    """Return the health of the only member."""
    request = slb_models.DescribeHealthStatusRequest(region_id=REGION, load_balancer_id="lb-1")
    (found,) = balancer.describe_health_status(request).body.backend_servers.backend_server
    health: str = found.server_health_status
    return health
