"""TAT and Cloud Monitor as the official SDK for Python meets them, over TCP."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.monitor.v20180724 import models as monitor_models
from tencentcloud.monitor.v20180724.monitor_client import MonitorClient
from tencentcloud.tat.v20201028 import models
from tencentcloud.tat.v20201028.tat_client import TatClient

from tests.sim.receiver import receiving
from tests.sim.simulator import RunningSimulator, started
from tests.sim.tencent import asked, sdk

WEB = "ins-heal0001"
RESTORE = "pgrep web || nohup web > /var/log/web.log 2>&1 &\nsleep 1\npgrep -c web"


def world(**more: object) -> dict[str, Any]:
    """Return a server whose program does not start at boot."""
    program = {"name": "web", "starts_at_boot": False}
    instance = {"id": WEB, "guest": {"processes": ["sshd", program]}}
    return {"now": "2026-03-02T00:00:00Z", "tencent": {"instances": [instance], **more}}


@pytest.fixture
def tat(stepped: RunningSimulator) -> Any:
    """The SDK's client for TAT on a simulator with one server."""
    stepped.world(world())
    return sdk(TatClient, stepped.address)


def run(stepped: RunningSimulator, tat: Any, script: str) -> Any:
    """Run a script and return its task."""
    content = base64.b64encode(script.encode()).decode()
    request = asked(models.RunCommandRequest(), Content=content, InstanceIds=[WEB], CommandName="heal", Timeout=30)
    invocation = tat.RunCommand(request).InvocationId
    stepped.advance(6)
    filters = [{"Name": "invocation-id", "Values": [invocation]}]
    request = asked(models.DescribeInvocationTasksRequest(), Filters=filters, HideOutput=False)
    (task,) = tat.DescribeInvocationTasks(request).InvocationTaskSet
    return task


def test_a_program_is_brought_back_after_an_outage(stepped: RunningSimulator, tat: Any) -> None:
    """The seed's story: the server falls, comes back without its program, and the command brings that back, once."""
    stepped.chaos("guest_reboot", WEB)
    stepped.advance(60)
    assert run(stepped, tat, "pgrep web").TaskStatus == "FAILED"
    for _ in range(2):
        task = run(stepped, tat, RESTORE)
        assert (task.TaskStatus, task.TaskResult.ExitCode) == ("SUCCESS", 0)
        assert base64.b64decode(task.TaskResult.Output).decode().split()[-1] == "1"
    orders = tat.DescribeInvocations(models.DescribeInvocationsRequest()).InvocationSet
    assert [one.CommandName for one in orders] == ["heal"] * 3


def test_agents_and_refusals_as_the_sdk_sees_them(stepped: RunningSimulator, tat: Any) -> None:
    """The agent's state is read, and a refusal is an exception with the service's code."""
    request = asked(models.DescribeAutomationAgentStatusRequest(), InstanceIds=[WEB])
    (agent,) = tat.DescribeAutomationAgentStatus(request).AutomationAgentSet
    assert (agent.AgentStatus, agent.Environment) == ("Online", "Linux")
    stepped.chaos("hang", WEB)
    (agent,) = tat.DescribeAutomationAgentStatus(request).AutomationAgentSet
    assert agent.AgentStatus == "Offline"
    with pytest.raises(TencentCloudSDKException) as refused:
        run(stepped, tat, "true")
    assert refused.value.get_code() == "ResourceUnavailable.AgentStatusNotOnline"
    stepped.world(world(service_roles=[]))
    with pytest.raises(TencentCloudSDKException) as refused:
        run(stepped, tat, "true")
    assert refused.value.get_code() == "ResourceNotFound.RoleNotFound"


def test_metrics_and_alarms_as_the_sdk_sees_them(stepped: RunningSimulator) -> None:
    """Points, events that can be watched, and the history of an outage whose callback was answered over HTTP."""
    with receiving() as receiver:
        stepped.world(world(callbacks=[{"url": f"{receiver.url}/tencent", "events": ["ping_unreachable"]}]))
        monitor = sdk(MonitorClient, stepped.address)
        stepped.chaos("hang", WEB)
        stepped.advance(900)
        (call,) = receiver.wait(1)
        assert call.json()["alarmPolicyInfo"]["conditions"]["eventName"] == "ping_unreachable"
        history = monitor.DescribeAlarmHistories(
            asked(monitor_models.DescribeAlarmHistoriesRequest(), Module="monitor", AlarmStatus=["ALARM"])
        )
        assert [(one.AlarmObject, one.MetricName) for one in history.Histories] == [(WEB, "ping_unreachable")]
        dimensions = [{"Dimensions": [{"Name": "InstanceId", "Value": WEB}]}]
        ask = {"Namespace": "QCE/CVM", "MetricName": "BaseCpuUsage", "Period": 60, "Instances": dimensions}
        request = asked(monitor_models.GetMonitorDataRequest(), **ask, StartTime="2026-03-02T08:05:00+08:00")
        (line,) = monitor.GetMonitorData(request).DataPoints
        assert line.Timestamps
        assert min(line.Values) > 99
        events = monitor.DescribeAlarmEvents(
            asked(monitor_models.DescribeAlarmEventsRequest(), Module="monitor", Namespace="cvm_device")
        )
        assert "guest_oom" in {one.EventName for one in events.Events}


def test_events_reach_a_receiver_from_a_process(stepped: RunningSimulator) -> None:
    """A simulator on its port posts CloudEvents to a webhook, also those that the control API publishes."""
    with receiving() as receiver:
        rule = {"pattern": {"source": ["cvm.cloud.tencent"]}, "targets": [{"url": receiver.url}]}
        stepped.world(world(event_rules=[rule]))
        stepped.chaos("hang", WEB)
        stepped.advance(1)
        assert receiver.wait(1)[0].json()["status"] == "1"
        event = {"source": "cvm.cloud.tencent", "type": "cvm:ErrorEvent:GuestReboot", "subject": WEB}
        assert len(stepped.control("POST", "events", event)["rules"]) == 1
        stepped.advance(1)
        assert receiver.wait(2)[1].json()["type"] == "cvm:ErrorEvent:GuestReboot"


def test_a_world_goes_on_in_another_process(stepped: RunningSimulator, tat: Any) -> None:
    """A command in the middle of its script and an event on its way end in the process that gets the document."""
    content = base64.b64encode(b"sleep 20; echo done").decode()
    request = asked(models.RunCommandRequest(), Content=content, InstanceIds=[WEB])
    invocation = tat.RunCommand(request).InvocationId
    stepped.advance(5)
    with receiving() as receiver:
        document = stepped.control("GET", "world")
        document["tencent"]["event_rules"] = [{"id": "rule-heal0001", "targets": [{"url": receiver.url}]}]
        other = started("--clock", "stepped", "--no-skew-check")
        try:
            other.world(document)
            other.chaos("disk_read_only", WEB)
            moved = other.control("GET", "world")
            other.world(moved)
            assert other.control("GET", "world") == moved
            other.advance(30)
            assert receiver.wait(1)[0].json()["type"] == "cvm:ErrorEvent:DiskReadonly"
            filters = [{"Name": "invocation-id", "Values": [invocation]}]
            request = asked(models.DescribeInvocationTasksRequest(), Filters=filters, HideOutput=False)
            (task,) = sdk(TatClient, other.address).DescribeInvocationTasks(request).InvocationTaskSet
            assert (task.TaskStatus, base64.b64decode(task.TaskResult.Output)) == ("SUCCESS", b"done\n")
        finally:
            other.stop()
