"""System events, maintenance and Cloud Assistant with the classic SDK (signature v1). Usage: URL endpoint|proxied.

With `proxied` no endpoint is configured: the SDK goes to its built-in host and reaches the simulator through
HTTP_PROXY, as code does that was never meant for a simulator.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkecs.request.v20140526.CancelSimulatedSystemEventsRequest import CancelSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.CreateSimulatedSystemEventsRequest import CreateSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceHistoryEventsRequest import DescribeInstanceHistoryEventsRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceMaintenanceAttributesRequest import (
    DescribeInstanceMaintenanceAttributesRequest,
)
from aliyunsdkecs.request.v20140526.DescribeInstancesFullStatusRequest import DescribeInstancesFullStatusRequest
from aliyunsdkecs.request.v20140526.DescribeInvocationResultsRequest import DescribeInvocationResultsRequest
from aliyunsdkecs.request.v20140526.DescribeInvocationsRequest import DescribeInvocationsRequest
from aliyunsdkecs.request.v20140526.ModifyInstanceMaintenanceAttributesRequest import (
    ModifyInstanceMaintenanceAttributesRequest,
)
from aliyunsdkecs.request.v20140526.RebootInstanceRequest import RebootInstanceRequest
from aliyunsdkecs.request.v20140526.RunCommandRequest import RunCommandRequest

URL, PROXIED = sys.argv[1], "proxied" in sys.argv
REGION, ONE, TWO = "cn-hangzhou", "i-bp1one", "i-bp1two"
REBOOT = "SystemMaintenance.Reboot"
EVERY = ["Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring"]

client = AcsClient("testid", "testsecret", REGION)
if not PROXIED:
    client.add_endpoint(REGION, "Ecs", URL.removeprefix("http://"))


def call(request_type: type, **setters: object) -> Any:
    """Make one call; `Name=value` becomes `set_Name(value)`."""
    request = request_type()
    request.set_accept_format("json")
    for name, value in setters.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


def refused(request_type: type, **setters: object) -> tuple[int, str]:
    """Make a call that must be refused; return HTTP status and code."""
    try:
        call(request_type, **setters)
    except ServerException as problem:
        return problem.get_http_status(), problem.get_error_code()
    raise AssertionError(f"{request_type.__name__} was not refused")


def ahead(seconds: float) -> str:
    """Return the instant so far from now, as ECS writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; the simulator's clock is the machine's here."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"not within 30 s: {what}"
        time.sleep(0.05)


def event_status(event_id: str) -> str:
    """Return the status of one event."""
    found = call(DescribeInstanceHistoryEventsRequest, EventIds=[event_id], InstanceEventCycleStatuss=EVERY)
    (event,) = found["InstanceSystemEventSet"]["InstanceSystemEventType"]
    return str(event["EventCycleStatus"]["Name"])


# A drill on two instances, seen by type as the vendor's sample does.
created = call(CreateSimulatedSystemEventsRequest, EventType=REBOOT, NotBefore=ahead(3600), InstanceIds=[ONE, TWO])
one, two = created["EventIdSet"]["EventId"]
full = call(DescribeInstancesFullStatusRequest, EventType=REBOOT, InstanceIds=[ONE, TWO])
shown = {
    entry["InstanceId"]: entry["ScheduledSystemEventSet"]["ScheduledSystemEventType"][0]
    for entry in full["InstanceFullStatusSet"]["InstanceFullStatusType"]
}
assert {id_: event["EventId"] for id_, event in shown.items()} == {ONE: one, TWO: two}, shown
assert shown[ONE]["EventType"] == {"Code": 1, "Name": REBOOT}, shown[ONE]
assert shown[ONE]["EventCycleStatus"] == {"Code": 24, "Name": "Scheduled"}, shown[ONE]
assert shown[ONE]["Reason"] == "A simulated event.", shown[ONE]

# One is rebooted through the API and avoided, the other is canceled.
call(RebootInstanceRequest, InstanceId=ONE)
eventually(lambda: event_status(one) == "Avoided", "the event is avoided by the reboot")
call(CancelSimulatedSystemEventsRequest, EventIds=[two])
assert event_status(two) == "Canceled", event_status(two)
assert refused(CancelSimulatedSystemEventsRequest, EventIds=[one]) == (403, "InvalidEventId.NotFound")
left = call(DescribeInstancesFullStatusRequest, InstanceEventTypes=[REBOOT], NotBeforeStart=ahead(0))
assert left["InstanceFullStatusSet"]["InstanceFullStatusType"] == [], left
over = call(DescribeInstanceHistoryEventsRequest, ResourceIds=[ONE, TWO], MaxResults=10)
assert {e["EventId"] for e in over["InstanceSystemEventSet"]["InstanceSystemEventType"]} == {one, two}, over

# A third runs its course.
(third,) = call(CreateSimulatedSystemEventsRequest, EventType=REBOOT, NotBefore=ahead(2), InstanceIds=[TWO])[
    "EventIdSet"
]["EventId"]
eventually(lambda: event_status(third) == "Executed", "the event is executed")
past = refused(CreateSimulatedSystemEventsRequest, EventType=REBOOT, NotBefore=ahead(-60), InstanceIds=[TWO])
assert past == (403, "InvalidNotBefore.Passed"), past

# Maintenance attributes.
call(
    ModifyInstanceMaintenanceAttributesRequest,
    InstanceIds=[ONE],
    ActionOnMaintenance="AutoRedeploy",
    MaintenanceWindows=[{"StartTime": "02:00:00", "EndTime": "06:00:00"}],
)
(kept,) = call(DescribeInstanceMaintenanceAttributesRequest, InstanceIds=[ONE])["MaintenanceAttributes"][
    "MaintenanceAttribute"
]
assert kept["ActionOnMaintenance"]["Value"] == "AutoRedeploy", kept
assert kept["MaintenanceWindows"]["MaintenanceWindow"] == [{"StartTime": "02:00:00", "EndTime": "06:00:00"}], kept

# A command, with a parameter given as the classic SDK gives it.
ran = call(
    RunCommandRequest,
    Type="RunShellScript",
    CommandContent=base64.b64encode(b"echo 'it''s {{what}}'; exit 5").decode(),
    ContentEncoding="Base64",
    InstanceIds=[TWO],
    EnableParameter=True,
    Parameters={"what": "restored"},
)


def invocation() -> Any:
    """Return the invocation."""
    found = call(DescribeInvocationsRequest, InvokeId=ran["InvokeId"], IncludeOutput=True)["Invocations"]["Invocation"]
    return found[0]


eventually(lambda: invocation()["InvocationStatus"] == "Failed", "the command is through")
outcome = call(DescribeInvocationResultsRequest, InvokeId=ran["InvokeId"])["Invocation"]
(result,) = outcome["InvocationResults"]["InvocationResult"]
assert (outcome["TotalCount"], result["ExitCode"], result["InvocationStatus"]) == (1, 5, "Failed"), outcome
assert base64.b64decode(result["Output"]) == b"its restored\n", result
print("ok")
