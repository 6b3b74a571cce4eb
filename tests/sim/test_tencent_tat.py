"""TAT: commands run in the guest on the virtual clock, agents follow their instances, and limits are kept."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.sim.tencent import TAT, Inside

WEB, DOWN, BARE, MUTE = "ins-web00001", "ins-down0001", "ins-bare0001", "ins-mute0001"
WORLD = {
    "instances": [
        {"id": WEB, "guest": {"processes": ["sshd", {"name": "web", "running": False, "port": 8080}]}},
        {"id": DOWN, "status": "STOPPED"},
        {"id": BARE, "agent": "Absent"},
        {"id": MUTE, "agent": "Offline"},
    ]
}


def encoded(script: str) -> str:
    """Write a script as calls carry it."""
    return base64.b64encode(script.encode()).decode()


async def started(inside: Inside, script: str, **more: object) -> str:
    """Begin a script on the web server and return the invocation's id."""
    asked = {"InstanceIds": [WEB], "Content": encoded(script), **more}
    done = await inside.done("RunCommand", TAT, **asked)
    assert done["CommandId"].startswith("cmd-")
    return str(done["InvocationId"])


async def task_of(inside: Inside, invocation: str, *, hide: bool = False) -> dict[str, Any]:
    """Return the one task of an invocation, with its output in clear."""
    filters = [{"Name": "invocation-id", "Values": [invocation]}]
    done = await inside.done("DescribeInvocationTasks", TAT, Filters=filters, HideOutput=hide)
    assert done["TotalCount"] == 1
    task: dict[str, Any] = done["InvocationTaskSet"][0]
    task["Text"] = base64.b64decode(task["TaskResult"]["Output"]).decode()
    return task


async def run(inside: Inside, script: str, seconds: float = 5, **more: object) -> dict[str, Any]:
    """Run a script, let time pass and return its task."""
    invocation = await started(inside, script, **more)
    inside.advance(seconds)
    return await task_of(inside, invocation)


@pytest.fixture
def inside() -> Inside:
    """A server that can be reached, one that is down, one without an agent and one whose agent is silent."""
    return Inside(WORLD)


async def test_a_command_goes_through_its_states_and_tells_its_result(inside: Inside) -> None:
    """Its answer is immediate; the result comes later, with times, exit code and both streams of output."""
    invocation = await started(inside, "echo out; echo err >&2; sleep 3; exit 4", CommandName="check")
    assert (await task_of(inside, invocation))["TaskStatus"] == "PENDING"
    inside.advance(2)
    running = await task_of(inside, invocation)
    assert (running["TaskStatus"], running["Text"]) == ("RUNNING", "")
    inside.advance(5)
    task = await task_of(inside, invocation)
    assert (task["TaskStatus"], task["TaskResult"]["ExitCode"], task["Text"]) == ("FAILED", 4, "out\nerr\n")
    assert task["TaskResult"]["ExecEndTime"].endswith("+00:00")
    assert task["InvocationTaskId"].startswith("invt-")
    order = (await inside.done("DescribeInvocations", TAT, InvocationIds=[invocation]))["InvocationSet"][0]
    assert (order["InvocationStatus"], order["CommandName"], order["Username"]) == ("FAILED", "check", "root")
    assert order["InvocationTaskBasicInfoSet"][0]["InvocationTaskId"] == task["InvocationTaskId"]


async def test_output_is_hidden_unless_it_is_asked_for(inside: Inside) -> None:
    """HideOutput is true by default, and then nothing of the output is told."""
    invocation = await started(inside, "echo secret")
    inside.advance(5)
    filters = [{"Name": "invocation-id", "Values": [invocation]}]
    hidden = (await inside.done("DescribeInvocationTasks", TAT, Filters=filters))["InvocationTaskSet"][0]
    assert (hidden["TaskStatus"], hidden["TaskResult"]["Output"]) == ("SUCCESS", "")
    assert (await task_of(inside, invocation))["Text"] == "secret\n"


async def test_of_long_output_24_kb_are_shown_and_the_rest_is_counted(inside: Inside) -> None:
    """The output is cut at 24 KB, and Dropped says how many bytes were."""
    task = await run(inside, "a=0123456789abcdef; a=$a$a$a$a$a$a$a$a; for i in $(seq 1); do true; done; echo $a", 5)
    assert task["TaskResult"]["Dropped"] == 0
    long = "i=0; while [ $i -lt 300 ]; do echo " + "x" * 99 + "; i=$((i+1)); done"
    task = await run(inside, long, 60, Timeout=600)
    assert (len(task["Text"]), task["TaskResult"]["Dropped"]) == (24 * 1024, 30_000 - 24 * 1024)


async def test_a_process_is_brought_back_and_found(inside: Inside) -> None:
    """A restore script that starts what is missing can be sent twice: there is one process."""
    restore = "systemctl is-active -q web || systemctl start web; curl -sf http://127.0.0.1:8080/"
    for _ in range(2):
        assert (await run(inside, restore))["TaskStatus"] == "SUCCESS"
    assert (await run(inside, "pgrep -c web"))["Text"] == "1\n"


async def test_a_background_program_that_keeps_the_output_keeps_the_command(inside: Inside) -> None:
    """`nohup` without a redirection hangs until the time limit; with both streams elsewhere it ends at once."""
    hanging = await run(inside, "nohup web &", 30, Timeout=60)
    assert hanging["TaskStatus"] == "RUNNING"
    inside.advance(40)
    assert (await task_of(inside, hanging["InvocationId"]))["TaskStatus"] == "TIMEOUT"
    await run(inside, "pkill web")
    for redirect in ("> /var/log/web.log 2>&1", "&> /dev/null", ">> /tmp/a 2>> /tmp/b"):
        assert (await run(inside, f"nohup web {redirect} &"))["TaskStatus"] == "SUCCESS", redirect
        assert (await run(inside, "pgrep web && pkill web"))["TaskStatus"] == "SUCCESS"


async def test_the_content_arrives_byte_for_byte(inside: Inside) -> None:
    """Quotes, dollars, backslashes and characters of any script survive the way in and out."""
    text = """'it''s' "$HOME" \\n 你好 %d #"""
    task = await run(inside, "cat /etc/said", 5)
    assert task["TaskStatus"] == "FAILED"
    script = "echo '" + text.replace("'", "'\\''") + "'"
    task = await run(inside, script)
    assert task["Text"] == text + "\n"
    assert base64.b64decode(task["CommandDocument"]["Content"]).decode() == script


async def test_parameters_are_put_in(inside: Inside) -> None:
    """Given values win over those by default; a value that is missing is refused before anything runs."""
    more = {"EnableParameter": True, "DefaultParameters": json.dumps({"who": "nobody", "what": "x"})}
    task = await run(inside, "echo {{who}} {{tat-hidden:what}}", 5, **more, Parameters=json.dumps({"who": "me"}))
    assert task["Text"] == "me x\n"
    assert (await run(inside, "echo '{{who}}'"))["Text"] == "{{who}}\n"
    asked = {"InstanceIds": [WEB], "Content": encoded("echo {{who}}"), "EnableParameter": True}
    assert await inside.refused("RunCommand", TAT, **asked) == "InvalidParameterValue.LackOfParameterInfo"


async def test_kept_commands_are_listed_invoked_and_deleted(inside: Inside) -> None:
    """CreateCommand keeps one, InvokeCommand runs it with its own or other terms, DeleteCommand ends it."""
    made = await inside.done("CreateCommand", TAT, CommandName="打包_1.0", Content=encoded("whoami; pwd"))
    id_ = made["CommandId"]
    listed = await inside.done("DescribeCommands", TAT, CommandIds=[id_])
    assert [one["CommandName"] for one in listed["CommandSet"]] == ["打包_1.0"]
    order = await inside.done(
        "InvokeCommand", TAT, CommandId=id_, InstanceIds=[WEB], Username="user00", WorkingDirectory="/home/user00"
    )
    inside.advance(5)
    assert (await task_of(inside, order["InvocationId"]))["Text"] == "user00\n/home/user00\n"
    await inside.done("DeleteCommand", TAT, CommandId=id_)
    assert await inside.refused("DeleteCommand", TAT, CommandId=id_) == "ResourceNotFound.CommandNotFound"
    assert (await inside.done("DescribeInvocations", TAT))["TotalCount"] == 1


async def test_a_cancelled_command_ends_by_how_far_it_got(inside: Inside) -> None:
    """What was not delivered is CANCELLED, what ran is TERMINATED, what is over stays as it is."""
    early, late = await started(inside, "sleep 60"), await started(inside, "sleep 60")
    await inside.done("CancelInvocation", TAT, InvocationId=early)
    assert (await task_of(inside, early))["TaskStatus"] == "CANCELLED"
    inside.advance(5)
    await inside.done("CancelInvocation", TAT, InvocationId=late, InstanceIds=[WEB])
    assert (await task_of(inside, late))["TaskStatus"] == "CANCELLING"
    inside.advance(5)
    assert (await task_of(inside, late))["TaskStatus"] == "TERMINATED"
    assert await inside.refused("CancelInvocation", TAT, InvocationId="inv-nothere0") == (
        "ResourceNotFound.InvocationNotFound"
    )


async def agents(inside: Inside, **more: object) -> dict[str, str]:
    """Return the state of every agent that is known."""
    done = await inside.done("DescribeAutomationAgentStatus", TAT, **more)
    return {one["InstanceId"]: one["AgentStatus"] for one in done["AutomationAgentSet"]}


async def test_agents_follow_power_hangs_and_chaos(inside: Inside) -> None:
    """Online means that a command would arrive; an instance that never had an agent is absent."""
    assert await agents(inside) == {WEB: "Online", DOWN: "Offline", MUTE: "Offline"}
    assert await agents(inside, Filters=[{"Name": "agent-status", "Values": ["Online"]}]) == {WEB: "Online"}
    inside.chaos("hang", WEB)
    assert await agents(inside, InstanceIds=[WEB]) == {WEB: "Offline"}
    inside.chaos("unhang", WEB).chaos("agent_offline", WEB)
    assert await agents(inside, InstanceIds=[WEB]) == {WEB: "Offline"}
    inside.chaos("agent_online", WEB)
    await inside.done("RebootInstances", InstanceIds=[WEB])
    assert await agents(inside, InstanceIds=[WEB]) == {WEB: "Offline"}
    inside.advance(120)
    assert await agents(inside, InstanceIds=[WEB, BARE]) == {WEB: "Online"}


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([DOWN], "ResourceUnavailable.InstanceStateNotRunning"),
        ([BARE], "ResourceUnavailable.AgentNotInstalled"),
        ([WEB, MUTE], "ResourceUnavailable.AgentStatusNotOnline"),
        (["ins-nothere0"], "ResourceNotFound.InstanceNotFound"),
        (["nonsense"], "InvalidParameterValue.InvalidInstanceId"),
        ([WEB, "lhins-00000001"], "InvalidParameterValue.InconsistentInstance"),
        ([f"ins-{number:08d}" for number in range(201)], "InvalidParameterValue.LimitExceeded"),
        ([], "MissingParameter"),
    ],
)
async def test_a_command_that_cannot_arrive_is_refused(inside: Inside, ids: list[str], code: str) -> None:
    """The refusal names why, and nothing is begun on any of the instances."""
    assert await inside.refused("RunCommand", TAT, InstanceIds=ids, Content=encoded("true")) == code
    assert (await inside.done("DescribeInvocations", TAT))["TotalCount"] == 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"Content": "***"}, "InvalidParameterValue.InvalidContent"),
        ({"Content": encoded("x" * 50_000)}, "InvalidParameterValue.InvalidContent"),
        ({"CommandName": "a b"}, "InvalidParameterValue.InvalidCommandName"),
        ({"CommandName": "名" * 21}, "InvalidParameterValue.InvalidCommandName"),
        ({"Description": "x" * 121}, "InvalidParameterValue.TooLong"),
        ({"Timeout": 0}, "InvalidParameterValue.Range"),
        ({"Timeout": 86401}, "InvalidParameterValue.Range"),
        ({"CommandType": "POWERSHELL"}, "InvalidParameterValue.AgentUnsupportedCommandType"),
        ({"WorkingDirectory": "home"}, "InvalidParameterValue.InvalidWorkingDirectory"),
        ({"Username": "a;b"}, "InvalidParameterValue.InvalidUsername"),
        ({"Parameters": "{}}"}, "InvalidParameterValue.SupportParametersOnlyIfEnableParameter"),
        ({"EnableParameter": True, "Parameters": "{}}"}, "InvalidParameterValue.ParameterInvalidJsonFormat"),
        ({"EnableParameter": True, "Parameters": '{"a": 1}'}, "InvalidParameterValue.ParameterValueNotString"),
        (
            {"EnableParameter": True, "Parameters": '{"a!": "1"}'},
            "InvalidParameterValue.ParameterKeyContainsInvalidChar",
        ),
        (
            {"EnableParameter": True, "Parameters": json.dumps({"a" * 65: ""})},
            "InvalidParameterValue.ParameterKeyLenExceeded",
        ),
        (
            {"EnableParameter": True, "Parameters": json.dumps({f"k{number}": "" for number in range(21)})},
            "InvalidParameterValue.ParameterNumberExceeded",
        ),
        ({"Nonsense": 1}, "UnknownParameter"),
    ],
)
async def test_a_command_that_cannot_be_is_refused(inside: Inside, asked: dict[str, object], code: str) -> None:
    """Each limit of a command has its own code."""
    usual: dict[str, object] = {"InstanceIds": [WEB], "Content": encoded("true")}
    assert await inside.refused("RunCommand", TAT, **{**usual, **asked}) == code


async def test_without_the_service_role_nothing_is_run() -> None:
    """An account without the role is told its name; reading is possible all the same."""
    inside = Inside({**WORLD, "service_roles": []})
    answer = await inside.call("RunCommand", TAT, InstanceIds=[WEB], Content=encoded("true"))
    assert answer.code == "ResourceNotFound.RoleNotFound"
    assert "TAT_QCSLinkedRoleInCommand" in answer.message
    assert await agents(inside, InstanceIds=[WEB]) == {WEB: "Online"}


async def test_queries_keep_their_limits(inside: Inside) -> None:
    """Ids and filters exclude each other; ids of something else, unknown filters, impossible pages are refused."""
    some = [{"Name": "command-id", "Values": ["cmd-00000000"]}]
    assert await inside.refused("DescribeInvocations", TAT, InvocationIds=["inv-1"], Filters=some) == (
        "InvalidParameter.ConflictParameter"
    )
    strange = await inside.refused("DescribeInvocations", TAT, InvocationIds=["cmd-00000000"])
    assert strange == "InvalidParameterValue.InvalidInvocationId"
    bad = [{"Name": "colour", "Values": ["red"]}]
    assert await inside.refused("DescribeInvocationTasks", TAT, Filters=bad) == "InvalidParameterValue.InvalidFilter"
    many = [{"Name": "command-id", "Values": ["x"] * 6}]
    assert await inside.refused("DescribeCommands", TAT, Filters=many) == "LimitExceeded.FilterValueExceeded"
    assert await inside.refused("DescribeInvocations", TAT, Limit=101) == "InvalidParameterValue.Range"


async def test_a_server_that_hangs_lets_its_command_run_out(inside: Inside) -> None:
    """A hung guest makes no progress; a reboot of the guest loses what ran."""
    hung = await started(inside, "sleep 3; echo done", Timeout=20)
    lost = await started(inside, "sleep 300", Timeout=600)
    inside.advance(2).chaos("hang", WEB).advance(30)
    assert (await task_of(inside, hung))["TaskStatus"] == "TIMEOUT"
    inside.chaos("unhang", WEB).chaos("guest_reboot", WEB).advance(60)
    task = await task_of(inside, lost)
    assert (task["TaskStatus"], task["ErrorInfo"]) == ("TASK_TIMEOUT", "client has not responded")


async def test_commands_on_their_way_are_in_the_world_document(inside: Inside) -> None:
    """A world put into another simulator goes on in the middle of a script and hands out no id twice."""
    invocation = await started(inside, "echo one; sleep 30; echo two", CommandName="keep", Timeout=90)
    inside.advance(3)
    document = inside.simulator.world.dump()
    other = Inside()
    other.simulator.world.load(document)
    assert other.simulator.world.dump() == document
    for one in (inside, other):
        one.advance(40)
        task = await task_of(one, invocation)
        assert (task["TaskStatus"], task["Text"]) == ("SUCCESS", "one\ntwo\n")
    assert await started(inside, "true") == await started(other, "true")


async def test_the_same_seed_gives_the_same_journal() -> None:
    """Two simulators with the same seed and the same calls tell the same story, ids included."""

    async def story() -> list[object]:
        inside = Inside(WORLD)
        await run(inside, "systemctl start web")
        inside.chaos("oom_kill", WEB).chaos("hang", WEB).advance(20).chaos("unhang", WEB).advance(20)
        return [
            (one.at, one.kind, one.action, one.resources, one.changes)
            for one in inside.simulator.kernel.journal.entries()
        ]

    assert await story() == await story()
